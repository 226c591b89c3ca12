"""Hosts of Debian 13: its Python, its systemd and its HAProxy."""

import pytest

from laboratory import Laboratory
from probe import Probe

pytestmark = pytest.mark.integration
_WEB = ("demo-web1", "demo-web2", "demo-web3")


@pytest.fixture(scope="module")
def trixie():
    """A laboratory of its own that moved there: its first release was Debian 12's."""
    laboratory = Laboratory("trixie", "hd-trixie0", "10.86.0", 29505)
    with laboratory.standing():
        code, record = laboratory.release("main")
        assert code == 0, record
        laboratory.use_image("trixie")
        assert laboratory.runner("destroy", "demo")[0] == 0
        yield laboratory


def test_new_hosts_wait_for_what_is_built_for_them(trixie):
    """What was built for Debian 12 is no dead end: it is said, and released again."""
    code, said = trixie.runner("create", "demo")
    assert code == 1
    assert "it was built for Debian 12" in str(said), said
    assert "built for Debian 12" in str(trixie.runner("check", "demo"))
    code, record = trixie.release("main")
    assert code == 0, record


def test_hosts_have_debian_13(trixie):
    """What is proven below is proven of that system, and of its own Python."""
    versions = trixie.salt("demo-*", "grains.get", "osmajorrelease")
    assert set(versions.values()) == {13}
    python = trixie.inside("demo-web1", "readlink", "-f", "/usr/bin/python3").stdout
    assert python.strip() == "/usr/bin/python3.13"


def test_debian_13_takes_the_next_commit_and_refuses_a_bad_one(trixie):
    """A release, one that goes back by itself, and a rollback lose no request."""
    with Probe(trixie.url) as probe:
        assert trixie.release("next")[0] == 0
        code, record = trixie.release("broken")
        assert (code, record["status"]) == (1, "bad")
        code, data = trixie.runner("rollback", "guestbook", "env=demo")
        assert code == 0, data
    assert not probe.tally.failed
    hosts = trixie.hosts()
    wanted = {name: (trixie.commit("main"), []) for name in _WEB}
    assert {h: (hosts[h]["commit"], hosts[h]["drift"]) for h in hosts} == wanted


def test_debian_13_has_nothing_to_change_after_a_release(trixie):
    """Every host of the environment is as its highstate wants it."""
    for states in trixie.salt("*", "state.apply").values():
        assert [s["comment"] for s in states.values() if not s["result"]] == []
        assert [s["changes"] for s in states.values() if s["changes"]] == []


def test_debian_13_runs_a_public_package(trixie):
    """The example's second service has a lock that holds for its Python too."""
    code, record = trixie.release("", service="kinto")
    assert code == 0, record
