"""What people ask of a release that runs: to hold, to wait, to go on, to stop."""

import contextlib
import json
import threading

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


def test_hold_by_hand_of_a_single_batch_waits_too(tmp_path):
    """With one host the hold is after it: nobody promoted, so it goes back."""
    world = served(tmp_path, count=1, hold_s=1, promote="by-hand")
    record = started(world)
    assert (record["status"], record["reason"]) == (
        "bad",
        "Nobody promoted it within 1 s.",
    )


def test_hold_without_a_first_batch_is_none(tmp_path):
    """A canary that failed within the budget was watched by nobody."""
    world = served(tmp_path, count=4, failures=1, hold_s=1)
    world.fleet.faults["suite web1"] = lambda: None
    world.fleet.faults["switch web1 new"] = "it broke"
    record = started(world)
    assert record["status"] == "bad"
    assert record["reason"].startswith("No host of the first batch is left")


def test_pause_stops_the_clock_of_a_hold(tmp_path):
    """Who pauses a hold has all the time in the world to promote."""
    world = served(tmp_path, hold_s=3600, promote="by-hand")
    world = hearing(world, "serves for 3600 s", lambda: _wish(world, "pause"))
    world = hearing(world, "paused by ann", lambda: _wish(world, "promote"))
    assert started(world)["status"] == "good"


def test_abort_is_not_overtaken_by_another_wish(tmp_path):
    """After an abort nothing else is accepted."""
    world = served(tmp_path)
    refused = []

    def abort_and_promote():
        _wish(world, "abort")
        for word in ("pause", "promote"):
            with pytest.raises(HolodeckError):
                _wish(world, word)
            refused.append(word)

    record = started(hearing(world, "web1: out of rotation", abort_and_promote))
    assert (record["status"], len(refused)) == ("aborted", 2)


def test_abort_meets_the_release_it_is_for(tmp_path):
    """Two releases in threads of one process have wishes of their own."""
    one, other = served(tmp_path / "one"), served(tmp_path / "other")
    started_other = threading.Event()
    goes_on = threading.Event()

    def wait():
        started_other.set()
        assert goes_on.wait(20)

    found = []
    thread = threading.Thread(
        target=lambda: found.append(started(hearing(other, "web1: out of", wait)))
    )
    thread.start()
    assert started_other.wait(20)
    abort = hearing(one, "web2: out of", lambda: _wish(one, "abort"))
    assert started(abort)["status"] == "aborted"
    goes_on.set()
    thread.join()
    assert found[0]["status"] == "good"
