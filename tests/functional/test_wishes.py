"""What people ask of a release that runs: to hold, to wait, to go on, to stop."""

import contextlib
import json

import pytest
from fake_fleet import OLD
from fake_world import drained, hearing, newest, served, started

from holodeck_io.errors import HolodeckError
from holodeck_master import locks, release, rolling, wishes

_KEY = ("guestbook", "demo")


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    """Waiting takes no time worth a test's."""
    for name in ("_POLL_S", "_LOOK_S", "_LOOK_MOST_S"):
        monkeypatch.setattr(rolling, name, 0.01)


def _wish(world, word):
    return wishes.make(world, _KEY, word, "ann")


def test_hold_ends_by_itself(tmp_path):
    """After the hold the others follow; the record is not waiting any more."""
    world = served(tmp_path, hold_s=1)
    said = []
    world = hearing(world, "serves for 1 s", lambda: said.append(newest(world)))
    record = started(world)
    assert record["status"] == "good"
    assert said[0]["waiting"] == "the first batch serves for 1 s"
    assert "waiting" not in record
    assert said[0]["done"] == ["demo-web1"]


def test_hold_is_ended_by_promote(tmp_path):
    """Who has seen enough promotes: no need to wait for an hour."""
    world = served(tmp_path, hold_s=3600)
    world = hearing(world, "serves for 3600 s", lambda: _wish(world, "promote"))
    assert started(world)["status"] == "good"


def test_hold_that_nobody_promotes_goes_back(tmp_path):
    """Where promotion is by hand, silence is no consent."""
    world = served(tmp_path, hold_s=1, promote="by-hand")
    record = started(world)
    assert record["status"] == "bad"
    assert record["reason"] == "Nobody promoted it within 1 s."
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}


def test_hold_watches_what_serves(tmp_path):
    """A first batch that fails while it serves alone brings itself back."""
    world = served(tmp_path, hold_s=3600)
    one = world.fleet.hosts["demo-web1"]
    world = hearing(world, "serves for", lambda: setattr(one, "pid", 99))
    # The look that begins the hold is before the harm.
    record = started(_late(world, one))
    assert record["status"] == "bad"
    assert "its process died" in record["reason"]


def _late(world, one):
    """Return the world whose host dies at the second look of a hold."""
    real, looks = world.fleet._webapp_status, []

    def status(host):
        looks.append(newest(world).get("waiting"))
        if sum(map(bool, looks)) == 4:
            one.pid += 1
        return real(host)

    world.fleet._webapp_status = status
    return world


def test_pause_waits_before_the_next_batch(tmp_path):
    """A paused release takes no host more until somebody promotes it."""
    world = served(tmp_path)
    world = hearing(world, "web1: the suite passed", lambda: _wish(world, "pause"))
    seen = []

    def promote():
        seen.extend(drained(world))
        _wish(world, "promote")

    world = hearing(world, "paused by ann", promote)
    assert started(world)["status"] == "good"
    assert seen == ["web1"]
    assert drained(world) == ["web1", "web2", "web3"]


def test_abort_of_a_release_that_runs(tmp_path):
    """Whoever aborts stops it at its next step; hosts go home, the record says who."""
    world = served(tmp_path)
    world = hearing(
        world, "web2: out of rotation", lambda: release.abort(world, *_KEY, "ann")
    )
    record = started(world)
    assert (record["status"], record["reason"]) == ("aborted", "It was aborted by ann.")
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}
    assert all(host.rotation for host in world.fleet.hosts.values())
    assert world.fleet.dangers == []


def test_abort_ends_a_pause(tmp_path):
    """A paused release can be aborted too."""
    world = served(tmp_path)
    world = hearing(world, "web1: the suite passed", lambda: _wish(world, "pause"))
    world = hearing(world, "paused by", lambda: _wish(world, "abort"))
    assert started(world)["status"] == "aborted"
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}


def test_wish_of_before_is_forgotten(tmp_path):
    """What was asked of one release is nothing to the next."""
    world = served(tmp_path)
    file = locks.wish(world.opts, *_KEY)
    file.write_text(json.dumps({"word": "abort", "user": "ann"}))
    assert started(world)["status"] == "good"


@pytest.mark.parametrize("word", ["pause", "promote", "abort"])
def test_wish_without_a_release_is_refused(tmp_path, word):
    """Nothing runs: the answer says so, and nothing is left for the next one."""
    world = served(tmp_path)
    with pytest.raises(HolodeckError, match="no release"):
        _wish(world, word)
    assert not locks.wish(world.opts, *_KEY).exists()


def test_promote_of_what_waits_for_nobody_is_refused(tmp_path):
    """A promotion in advance would end a hold that nobody has seen."""
    world = served(tmp_path, hold_s=1)
    errors = []

    def promote():
        with contextlib.suppress(HolodeckError):
            _wish(world, "promote")
            return
        errors.append(True)

    assert started(hearing(world, "web1: out of rotation", promote))["status"] == "good"
    assert errors
