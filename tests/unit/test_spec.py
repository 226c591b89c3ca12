"""What a builder is asked for, and when it was built before."""

from dataclasses import replace

import pytest

from holodeck import model, spec

COMMIT = "0" * 40
PLATFORM = "Debian 12 x86_64"
_SERVICE = model.Service(
    name="guestbook",
    processes={"web": "gunicorn app"},
    port=8000,
    repository="git://example.org/guestbook.git",
    suite="tests/http",
)


def _keys(service=_SERVICE, commit=COMMIT, platform=PLATFORM, kind="deb", lock="lock"):
    recipes = spec.bundles(service, kind, lock)
    return {name: spec.key(name, commit, r, platform) for name, r in recipes.items()}


@pytest.mark.parametrize(
    "change",
    [
        {"repository": "git://example.org/other.git"}, {"lock": "other.txt"},
        {"python": "/usr/bin/python3.12"}, {"packager": "fpm"},
        {"requirements": "a --hash=sha256:00"},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_key_changes_with_each_input(change):
    """Whatever goes into a bundle makes another key."""
    assert _keys(replace(_SERVICE, **change))["guestbook"] != _keys()["guestbook"]


@pytest.mark.parametrize(
    "change", [{"commit": "1" * 40}, {"platform": "Debian 13 x86_64"}, {"kind": "rpm"}]
)
def test_key_changes_with_commit_and_platform(change):
    """Another commit, system or package format is another bundle, suite included."""
    changed = _keys(**change)
    assert all(changed[name] != key for name, key in _keys().items())


@pytest.mark.parametrize(
    "change",
    [
        {"branch": "next"}, {"port": 9000}, {"health": "/x"},
        {"processes": {"web": "other"}}, {"settings": {"A": 1}}, {"files": {"a": "b"}},
        {"checks": [{"path": "/"}]}, {"contract": {"schema": "/", "seconds": 9}},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_key_ignores_what_is_not_in_the_bundle(change):
    """Configuration is no part of a bundle: nothing is built anew for it."""
    assert _keys(replace(_SERVICE, **change)) == _keys()


def test_key_of_the_suite_changes_with_its_own_inputs_alone():
    """The testers' lock and the suite's folder make another suite, no other service."""
    for changed in (_keys(lock="newer"), _keys(replace(_SERVICE, suite="tests/web"))):
        assert changed["guestbook"] == _keys()["guestbook"]
        assert changed["guestbook-suite"] != _keys()["guestbook-suite"]


def test_service_spec_installs_the_project():
    """A repository's own package is installed; a bare lock has none."""
    assert spec.service_spec(_SERVICE, "deb")["project"] is True
    bare = replace(_SERVICE, repository="", requirements="a --hash=x")
    assert spec.service_spec(bare, "deb")["project"] is False


def test_suite_spec_copies_the_folder_on_the_testers_lock():
    """A suite is its folder with pytest and WebTest, without the service."""
    found = spec.suite_spec(_SERVICE, "deb", "the lock")
    assert found["copy"] == {"tests/http": "suite"}
    assert found["project"] is False
    assert found["requirements"] == "the lock"


def test_suite_spec_own_lock_replaces_the_testers():
    """A service may lock its suite's tools itself."""
    own = replace(_SERVICE, suite_lock="tests/lock.txt", requirements="x --hash=y")
    found = spec.suite_spec(own, "deb", "the lock")
    assert (found["lock"], found["requirements"]) == ("tests/lock.txt", "")


def test_suite_spec_of_checks_needs_no_repository():
    """Checks are data of the definition: nothing is cloned for them."""
    checked = replace(_SERVICE, suite="", checks=[{"path": "/"}])
    found = spec.suite_spec(checked, "deb", "the lock")
    assert found["repository"] == ""
    assert "copy" not in found
