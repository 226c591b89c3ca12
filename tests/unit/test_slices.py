"""What each host may know: its own part, and nothing else."""

import dataclasses
import json

import pytest

from holodeck import definition, slices

_RECORD = {
    "id": "guestbook-staging-3", "commit": "0" * 40, "deployment": "d", "user": "eve",
    "reason": "r", "bundle": {"layers": [{"package": "p"}], "provenance": {}},
}  # fmt: skip

_PATHS = {"guestbook": "/kept"}


def _host(*ids):
    return {"ids": list(ids)}


def _place(secret, **more):
    files = {"k": f"f{secret}"}
    return {"listen": "*:80", "settings": {"TOKEN": secret}, "files": files, **more}


@pytest.fixture
def defined():
    """Two services in two environments, with secrets of each."""
    service = {
        "repository": "git://repo-secret@example.org/x.git", "port": 8000,
        "processes": {"web": "gunicorn app"}, "suite": "tests",
        "settings": {"TOKEN": "base", "SHARED": "yes"},
    }  # fmt: skip
    return definition.parse(
        {
            "services": {"guestbook": service, "kinto": {**service, "port": 8888}},
            "environments": {
                "staging": {
                    "hosts": {"web": _host("s1", "s2"), "balancer": _host("sb"),
                              "tester": _host("st"), "builder": _host("sx")},
                    "services": {"guestbook": _place("staging-secret")},
                },
                "production": {
                    "hosts": {"web": _host("p1"), "balancer": _host("pb")},
                    "services": {"guestbook": _place("production-secret"),
                                 "kinto": _place("kinto-secret", listen="*:81")},
                },
            },
        }
    )  # fmt: skip


def _web(defined, busy=()):
    environment = defined.environments["staging"]
    digests, releases = {"guestbook": "c"}, {"guestbook": _RECORD}
    return slices.web(defined, environment, digests, releases, busy)


def test_web_sees_its_own_settings_over_the_services(defined):
    """A host gets the service's settings with its environment's laid over them."""
    found = _web(defined)["services"]["guestbook"]
    assert found["settings"] == {"TOKEN": "staging-secret", "SHARED": "yes"}
    assert found["files"] == {"k": "fstaging-secret"}
    assert found["config"] == "c"
    assert (found["port"], found["environment"]) == (8000, "staging")


def test_web_sees_nothing_of_other_environments(defined):
    """No other environment's secret, service or host, and no credential of git."""
    text = json.dumps(_web(defined))
    for hidden in ("production", "kinto", "p1", "repo-secret", "sb", "eve"):
        assert hidden not in text


def test_web_learns_what_was_released_and_no_more(defined):
    """Of the record a host gets what it installs."""
    assert _web(defined)["services"]["guestbook"]["release"] == {
        "id": "guestbook-staging-3", "commit": "0" * 40, "deployment": "d",
        "layers": [{"package": "p"}], "provenance": {}, "signature": "", "platform": "",
    }  # fmt: skip


def test_web_before_any_release_has_none(defined):
    """A host of a service that was never released has nothing to install."""
    environment = defined.environments["production"]
    found = slices.web(defined, environment, {"guestbook": "a", "kinto": "b"}, {}, ())
    assert {s["release"] for s in found["services"].values()} == {None}


@pytest.mark.parametrize("busy", [{"guestbook"}, {"kinto"}, set()])
def test_web_learns_what_is_being_released(defined, busy):
    """While a release of a service runs its hosts know, and leave it alone."""
    found = _web(defined, busy)["services"]["guestbook"]
    assert found["busy"] is ("guestbook" in busy)


def test_balancer_knows_servers_and_no_settings(defined):
    """A balancer knows where to send requests, and no secret of any service."""
    environment = defined.environments["staging"]
    addresses = {"s1": "10.0.0.1", "s2": "10.0.0.2"}
    found = slices.balancer(defined, environment, addresses, ["s1", "s2"], _PATHS)
    assert found["services"]["guestbook"]["health"] == "/kept"
    assert found["services"]["guestbook"]["servers"] == [
        {"id": "s1", "address": "10.0.0.1"}, {"id": "s2", "address": "10.0.0.2"},
    ]  # fmt: skip
    text = json.dumps(found)
    for hidden in ("secret", "TOKEN", "settings", "files", "gunicorn", "production"):
        assert hidden not in text


@pytest.mark.parametrize("known", [{}, {"s2": "10.0.0.2", "p1": "10.0.0.3"}])
def test_balancer_never_loses_a_server_without_address(defined, known):
    """A server whose address is unknown is an error by name, not a smaller pool."""
    environment = defined.environments["staging"]
    with pytest.raises(LookupError, match=r"s1.*: are not in the records; release"):
        slices.balancer(defined, environment, known, ["s1", "s2"], _PATHS)


def test_testers_alone_know_what_a_suite_is_given(defined):
    """A suite's password reaches testers, and no web host, balancer or builder."""
    environment = defined.environments["staging"]
    place = environment.services["guestbook"]
    tests = dataclasses.replace(place.tests, settings={"PASSWORD": "suite-secret"})
    environment.services["guestbook"] = dataclasses.replace(place, tests=tests)
    found = slices.other(defined, environment, "tester")
    assert found["suites"] == {"guestbook": {"PASSWORD": "suite-secret"}}
    addresses = {"s1": "10.0.0.1", "s2": "10.0.0.2"}
    for other in (
        slices.other(defined, environment, "builder"),
        slices.balancer(defined, environment, addresses, ["s1", "s2"], _PATHS),
        _web(defined),
    ):
        assert "suite-secret" not in str(other)


def test_testers_know_their_role_alone(defined):
    """Testers get no service and no secret of one."""
    found = slices.other(defined, defined.environments["staging"], "tester")
    assert found == {"environment": "staging", "role": "tester", "suites": {}}


def test_builders_alone_know_the_private_indexes(defined):
    """Builders get indexes' credentials and what to build with; nobody else does."""
    service = dataclasses.replace(
        defined.services["guestbook"], packages={"build": ["gcc", "libpq-dev"]}
    )
    indexes = ({"url": "https://index.example.org", "password": "index-secret"},)
    defined = dataclasses.replace(
        defined, services={**defined.services, "guestbook": service}, indexes=indexes
    )
    environment = defined.environments["staging"]
    found = slices.other(defined, environment, "builder")
    assert found == {
        "environment": "staging", "role": "builder",
        "packages": ["gcc", "libpq-dev"], "indexes": list(indexes),
        "signs": False,
    }  # fmt: skip
    others = [_web(defined), slices.other(defined, environment, "tester")]
    assert "index-secret" not in json.dumps(others)


def test_hosts_know_whose_signature_to_demand(defined):
    """Web hosts and testers refuse bundles by the definition, not by what they get."""
    signing = {"key": "A" * 40, "public_keys": "block"}
    defined = dataclasses.replace(defined, signing=signing)
    environment = defined.environments["staging"]
    assert _web(defined)["signing"] == signing
    ended = dataclasses.replace(defined, signing={})
    assert slices.other(ended, environment, "tester")["signing"] == {}
    assert slices.other(defined, environment, "tester")["signing"] == signing
    assert "signing" not in slices.other(defined, environment, "builder")


def test_hosts_know_where_bundles_are(defined):
    """Who installs bundles has the environment's mirrors, else the definition's."""
    environment = defined.environments["staging"]
    assert "mirrors" not in _web(defined)
    near = dataclasses.replace(environment, mirrors=("http://near/",))
    none = dataclasses.replace(environment, mirrors=())
    both = dataclasses.replace(defined, mirrors=("http://far/",))
    for place, told in [(environment, ["http://far/"]), (near, ["http://near/"])]:
        for found in (
            slices.web(both, place, {"guestbook": "c"}, {}, ()),
            slices.other(both, place, "tester"),
        ):
            assert found["mirrors"] == told
    assert "mirrors" not in slices.other(both, none, "tester")
    assert "mirrors" not in slices.other(both, near, "builder")


def test_mirrors_are_no_part_of_a_configuration(defined):
    """Another mirror rolls no host over: what runs is the same."""
    with_mirrors = dataclasses.replace(defined, mirrors=("http://far/",))
    assert _configuration(with_mirrors) == _configuration(defined)


def test_configuration_holds_all_that_makes_a_unit(defined):
    """A change of anything that a host's configuration is made of is a change of it."""
    found = _configuration(defined)
    assert set(found) == {
        "format", "processes", "port", "socket", "health", "recipe", "settings",
        "files",
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [{"python": "/usr/bin/python3.12"}, {"packager": "fpm"}, {"lock": "other.txt"},
     {"requirements": "x --hash=y"}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_configuration_changes_with_the_recipe(defined, change):
    """The same commit built another way is another deployment, never "unchanged"."""
    assert _configuration(defined, **change) != _configuration(defined)


def _configuration(defined, **change):
    service = dataclasses.replace(defined.services["guestbook"], **change)
    placement = defined.environments["staging"].services["guestbook"]
    return slices.configuration(service, placement)
