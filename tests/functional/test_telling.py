"""Events of releases: on the master's bus, one begin and one end each, no secret."""

import dataclasses
import json

import pytest
import salt.utils.event
from event_bus import published
from fake_fleet import NEW, Killed
from fake_world import ORDER, newest, opened, served, started

from holodeck_master import pushing, release, telling

_KEY = ("guestbook", "demo")
_TAG = "holodeck/release/guestbook/demo"


def _heard(world):
    """Return a world, and the list that gets its events."""
    events = []
    return (
        dataclasses.replace(world, announce=lambda *event: events.append(event)),
        events,
    )


@pytest.mark.parametrize("fault", [None, "suite web2", "build new", "drain web1"])
def test_release_tells_its_begin_and_its_end(tmp_path, fault):
    """Each record has one begin and one end, however it goes, with the same id."""
    world, events = _heard(served(tmp_path))
    if fault:
        world.fleet.faults[fault] = "it broke"
    record = started(world)
    assert [tag for tag, _ in events] == [f"{_TAG}/begin", f"{_TAG}/end"]
    (_, begin), (_, end) = events
    assert begin["status"] == "running"
    assert end["status"] == record["status"] == ("bad" if fault else "good")
    for told in (begin, end):
        assert (told["id"], told["kind"]) == (record["id"], "release")
        assert (told["user"], told["commit"]) == (ORDER["user"], NEW)
    assert end["phases"] == {p["name"]: p["seconds"] for p in record["phases"]}
    assert end["seconds"] == round(sum(end["phases"].values()), 1)


def test_rollback_tells_its_kind(world):
    """Who listens can tell a way back from a way forth."""
    started(world)
    world, events = _heard(world)
    release.rollback(world, *_KEY, "", ORDER)
    assert [told["kind"] for _, told in events] == ["rollback"] * 2


def test_release_that_changes_nothing_tells_nothing(world):
    """The same release again is in no record, and on no bus."""
    started(world)
    world, events = _heard(world)
    started(world)
    assert events == []


@pytest.mark.parametrize("end", ["resume", "abort"])
def test_release_that_is_taken_up_again_tells_so(tmp_path, end):
    """A dead runner tells no end; whoever finishes it tells both."""
    world, events = _heard(served(tmp_path))
    world.fleet.faults["drain web2"] = Killed()
    with pytest.raises(Killed):
        started(world)
    world.fleet.dead = False
    getattr(release, end)(world, *_KEY, *{"abort": ["ann"]}.get(end, []))
    assert [tag.rpartition("/")[2] for tag, _ in events] == ["begin", "begin", "end"]
    assert len({told["id"] for _, told in events}) == 1
    assert events[-1][1]["status"] == newest(world)["status"]


def test_end_is_told_once_the_record_has_it(world):
    """Who hears the end and asks for the record finds it ended."""
    seen = []
    world = dataclasses.replace(
        world, announce=lambda tag, _: seen.append((tag[-3:], newest(world)["status"]))
    )
    started(world)
    assert seen == [("gin", "running"), ("end", "good")]


def test_event_that_cannot_be_told_fails_no_release(world):
    """Whatever the bus does, the release is what it is."""
    world = dataclasses.replace(world, announce=lambda *_: 1 / 0)
    assert started(world)["status"] == "good"


def test_events_show_no_secret(tmp_path):
    """No setting, no reason and no message of a release is on the bus."""
    world, events = _heard(opened(tmp_path, greeting="hunter2"))
    world.fleet.faults["suite web1"] = "hunter2 is wrong"
    release.release(world, *_KEY, NEW, {**ORDER, "message": "hunter2"})
    assert events[-1][1]["status"] == "bad"
    assert "hunter2" not in json.dumps(events)


def test_announcer_without_a_master_goes_on(tmp_path, caplog):
    """A bus that is not there is logged, and raises nothing."""
    telling.announcer(opened(tmp_path).opts)(f"{_TAG}/end", {"id": "x"})
    assert f"The event {_TAG}/end was not fired" in caplog.text


def test_events_travel_on_the_bus(tmp_path):
    """Releases and pushes reach whoever listens on a real bus, by their tags."""
    opts = opened(tmp_path).opts
    with (
        published(opts),
        salt.utils.event.get_event("master", opts=opts, listen=True) as bus,
    ):
        facts = {"id": "guestbook.demo.1"}
        telling.announcer(opts)(f"{_TAG}/end", facts)
        pushing.announcer(opts, _KEY)({"line": "it is told"})
        heard = bus.get_event(wait=20, tag="holodeck/release", full=True)
        told = bus.get_event(wait=20, tag="holodeck/push/guestbook/demo")
    assert (heard["tag"], heard["data"]["id"]) == (f"{_TAG}/end", facts["id"])
    assert facts == {"id": "guestbook.demo.1"}
    assert told["line"] == "it is told"
