"""Real hosts that come and go under load, and what is left over."""

import pytest

from probe import Probe

pytestmark = pytest.mark.integration
_NOTHING = {"orphans": [], "faults": [], "removed": []}
_CLEAN = {"kind": "check", "check": _NOTHING}


@pytest.fixture
def scaled(at_main):
    """The environment; afterwards it has what its definition says."""
    yield at_main
    at_main.runner("scale", "demo")


def test_up_and_down_loses_no_request(scaled):
    """A fourth host serves, and goes again, while every request is answered."""
    with Probe(scaled.url) as probe:
        code, data = scaled.runner("scale", "demo", "web=4")
        assert code == 0, data
        assert data["scale"]["created"] == ["demo-web4"]
        row = scaled.hosts()["demo-web4"]
        assert (row["commit"], row["drift"]) == (scaled.commit("main"), [])
        code, data = scaled.runner("scale", "demo")
        assert (code, data["scale"]["destroyed"]) == (0, ["demo-web4"])
    assert not probe.tally.failed
    assert "demo-web4" not in scaled.lab.nodes()
    assert scaled.runner("check") == (0, _CLEAN)
    for states in scaled.salt("demo-*", "state.apply").values():
        assert [s["changes"] for s in states.values() if s["changes"]] == []


def test_release_goes_to_all_that_are_there(scaled):
    """After scaling a release takes the new host over, and status counts it."""
    assert scaled.runner("scale", "demo", "web=4")[0] == 0
    code, record = scaled.release("next")
    assert code == 0, record
    commits = {row["commit"] for row in scaled.hosts().values()}
    assert (len(scaled.hosts()), commits) == (4, {scaled.commit("next")})


def test_machine_of_others_is_named_and_stays(scaled):
    """A machine of a host's name, made by hand, is found; `remove` leaves it alone."""
    scaled.lab.cloud().profile("local-small", names=["demo-web9"])
    try:
        code, data = scaled.runner("check", "demo", "remove=True")
        [orphan] = data["check"]["orphans"]
        assert (code, orphan["name"], orphan["made"]) == (1, "demo-web9", False)
        assert "demo-web9" in scaled.lab.nodes()
    finally:
        scaled.lab.cloud().destroy(["demo-web9"])
    assert scaled.runner("check") == (0, _CLEAN)
