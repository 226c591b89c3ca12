"""Releases that are not begun: frozen, or known to be bad."""

import dataclasses

import pytest
from fake_fleet import NEW, OLD, RefusedError
from fake_world import opened, served, started, steps

from holodeck_io.errors import HolodeckError
from holodeck_master import release, signals

_KEY = ("guestbook", "demo")


def test_frozen_is_refused_with_who_and_why(tmp_path):
    """A freeze stops releases and rollbacks, and is never taken over."""
    world = served(tmp_path)
    started(world)
    world.records.keep_freeze(*_KEY, user="ann", since="today", message="an audit")
    for verb in (
        lambda: started(world, OLD),
        lambda: release.rollback(world, *_KEY, "", {}),
        lambda: release.resume(world, *_KEY),
    ):
        with pytest.raises(HolodeckError, match="frozen by ann since today: an audit"):
            verb()
    world.records.keep_freeze(*_KEY)
    assert started(world, OLD)["status"] == "good"


def test_bad_commit_is_not_released_by_its_branch(tmp_path):
    """A branch whose newest commit was bad is refused; by its id it is released."""
    world = served(tmp_path)
    world.fleet.faults["suite web1"] = "it broke"
    assert started(world, "main")["status"] == "bad"
    world.fleet.steps.clear()
    with pytest.raises(HolodeckError, match=r"guestbook.demo.2 is bad"):
        started(world, "main")
    assert steps(world) == ""
    assert len(world.records.history(*_KEY)) == 2
    assert started(world, NEW)["status"] == "good"
    assert started(world, "main")["unchanged"]


def test_bad_commit_with_another_configuration_is_another_release(tmp_path):
    """Bad is a commit with its configuration: a mended setting is tried."""
    world = served(tmp_path)
    world.fleet.faults["suite web1"] = "it broke"
    started(world, "main")
    mended = opened(tmp_path, greeting="bye")
    mended = dataclasses.replace(mended, fleet=world.fleet)
    world.fleet.config = mended.fleet.config
    assert started(mended, "main")["status"] == "good"


def test_rolled_back_commit_is_not_released_by_its_branch(tmp_path):
    """A push that comes again does not undo a rollback; the commit's id does."""
    world = served(tmp_path)
    started(world, "main")
    release.rollback(world, *_KEY, "", {"user": "root"})
    with pytest.raises(HolodeckError, match=r"guestbook.demo.2 is rolled-back"):
        started(world, "main")
    assert started(world, NEW)["status"] == "good"


def test_bad_commit_that_was_aborted_since_is_bad_still(tmp_path):
    """An attempt that nobody let end says nothing of the commit."""
    world = served(tmp_path)
    world.fleet.faults["suite web1"] = "it broke"
    started(world, "main")
    world.fleet.faults["suite web1"] = signals.InterruptedReleaseError("enough")
    assert started(world, NEW)["status"] == "aborted"
    with pytest.raises(HolodeckError, match=r"guestbook.demo.2 is bad"):
        started(world, "main")


def test_question_that_nobody_answers_makes_no_commit_bad(tmp_path):
    """The running commit, released again while a balancer is mute, is not condemned."""
    world = served(tmp_path)
    real = world.fleet._balancer_status

    def status(host, backend="guestbook"):
        world.fleet._balancer_status = real
        raise RefusedError("is silent")

    world.fleet._balancer_status = status
    assert started(world, OLD)["status"] == "good"


def test_same_commit_is_signed_anew_after_a_change_of_keys(tmp_path):
    """Under another key the same release is a real one: new hosts would refuse it."""
    world = served(tmp_path)
    signing = {"key": "A" * 40, "public_keys": "block"}
    definition = dataclasses.replace(world.definition, signing=signing)
    signed = dataclasses.replace(world, definition=definition)
    record = started(signed, OLD)
    assert (record["status"], record["signed_by"]) == ("good", "A" * 40)
    assert "unchanged" not in record
    assert "build old" in world.fleet.steps
    assert started(signed, OLD)["unchanged"]
