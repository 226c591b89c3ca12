"""Environments after a template: their names, their branches, their limits."""

import copy

import hypothesis
import pytest
from hypothesis import strategies

from holodeck import definition, ephemeral, model, names

_DOCUMENT = {
    "services": {
        "guestbook": {
            "repository": "git://example.org/guestbook.git",
            "processes": {"web": "gunicorn app"},
            "port": 8000,
            "suite": "tests/http",
            "webhook": {"scheme": "holodeck", "secret": "s" * 16},
        }
    },
    "environments": {
        "preview": {
            "ephemeral": {"most": 2},
            "hosts": {
                "web": {"profile": "small", "count": 2},
                "balancer": {"profile": "small", "count": 1},
            },
            "services": {"guestbook": {"listen": "*:80", "push": "feature/*"}},
        }
    },
}


def _parsed(**changes):
    document = copy.deepcopy(_DOCUMENT)
    document["environments"]["preview"].update(changes)
    return definition.parse(document)


def test_template_is_no_environment():
    """Nobody releases to it, and no host is its own."""
    found = _parsed()
    assert found.environments == {}
    assert found.templates["preview"].ephemeral == {"most": 2, "hours": 4}


def test_extended_has_the_branch_s_own_environment():
    """What a push made is an environment like any other, of its branch alone."""
    found = _parsed()
    name = ephemeral.name_of("preview", "feature/login")
    known = {name: {"template": "preview", "branch": "feature/login"},
             "lost": {"template": "gone", "branch": "x"}}  # fmt: skip
    whole = ephemeral.extended(found, known)
    assert list(whole.environments) == [name]
    _, environment, placement = whole.placement("guestbook", name)
    assert placement.push == "feature/login"
    assert environment.members("web") == [f"{name}-web1", f"{name}-web2"]
    assert whole.environment_of(f"{name}-web1").name == name


@pytest.mark.parametrize(
    ("pattern", "branch", "is_one"),
    [
        ("feature/*", "feature/login", True), ("feature/*", "feature/a/b", True),
        ("feature/*", "feature", False), ("main", "main", True),
        ("main", "mainly", False), ("*", "anything", True), ("a.b", "axb", False),
        ("*-preview", "x-preview", True),
    ],
)  # fmt: skip
def test_matches_takes_the_star_for_anything(pattern, branch, is_one):
    """And everything else for itself."""
    assert ephemeral.matches(pattern, branch) is is_one


@hypothesis.given(branch=strategies.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,80}"))
@hypothesis.settings(deadline=None)
def test_name_is_one_of_an_environment_for_any_branch(branch):
    """Long, odd or without a letter: hosts can be named after it."""
    for template in ("p", "preview", "x" * 12):
        assert names.is_name(ephemeral.name_of(template, branch))


def test_name_is_readable_and_tells_branches_apart():
    """Two branches that are written alike have two environments."""
    one, other = (ephemeral.name_of("preview", b) for b in ("a/login", "b/login"))
    assert one != other
    assert one.startswith("preview-login-")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"ephemeral": {"most": 0}}, "ephemeral/most: should be a whole number from 1"),
        ({"ephemeral": {"days": 1}}, "ephemeral/days: is unknown"),
        ({"hosts": {"web": {"ids": ["a"]},
                    "balancer": {"profile": "small", "count": 1}}},
         "hosts: come from profiles"),
        ({"hosts": {"web": {"profile": "rack", "each": [{"ssh_host": "a"}]},
                    "balancer": {"profile": "small", "count": 1}}},
         "hosts: come from profiles"),
        ({"virtual_address": "10.0.0.9/24"}, "hosts: come from profiles"),
        ({"services": {"guestbook": {"listen": "*:80"}}}, "ephemeral: needs a service"),
    ],
)  # fmt: skip
def test_faults_of_a_template_are_named(changes, fault):
    """What is there once cannot be there for each branch."""
    with pytest.raises(model.InvalidDefinitionError, match=f"preview/{fault}"):
        _parsed(**changes)


def test_pattern_is_for_templates_alone():
    """An environment that stays takes one branch."""
    document = copy.deepcopy(_DOCUMENT)
    del document["environments"]["preview"]["ephemeral"]
    with pytest.raises(
        model.InvalidDefinitionError, match="is a pattern, which is for"
    ):
        definition.parse(document)
