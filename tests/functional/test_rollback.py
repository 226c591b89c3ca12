"""The way back to an earlier release, by the same steps."""

import dataclasses
import re

import pytest
from fake_fleet import NEW, OLD, THIRD, Killed
from fake_world import ORDER, defined, newest, started, steps

from holodeck_io.errors import HolodeckError
from holodeck_master import release


def _rollback(world, to=""):
    return release.rollback(world, "guestbook", "demo", to, ORDER)


def test_rollback_takes_the_release_before(world):
    """A rollback brings back exactly the deployment before, staged and tested."""
    old = newest(world)
    started(world)
    world.fleet.steps.clear()
    record = _rollback(world)
    assert record["status"] == "good"
    assert (record["kind"], record["to"]) == ("rollback", old["id"])
    assert record["deployment"] == old["deployment"]
    assert re.findall(r"(?:suite|build) \w+(?: web\d)*", steps(world)) == [
        "suite web1 web2", "suite web3", "suite balancer1",
    ]  # fmt: skip
    statuses = [r["status"] for r in world.records.history("guestbook", "demo")]
    assert statuses == ["good", "rolled-back", "good"]
    assert world.records.last_good("guestbook", "demo")["commit"] == OLD


def test_rollback_that_fails_keeps_the_last_good(world):
    """When the rollback's own suite fails, the hosts stay at the last good release."""
    started(world)
    world.fleet.faults["suite web1 web2"] = "it broke"
    assert _rollback(world)["status"] == "bad"
    assert world.records.last_good("guestbook", "demo")["commit"] == NEW
    assert {host.commit for host in world.fleet.hosts.values()} == {NEW}


def test_rollback_twice_goes_on_to_older_releases(world):
    """The second rollback goes to the release before, not forth to the bad one."""
    started(world)
    started(world, THIRD)
    assert _rollback(world)["commit"] == NEW
    assert _rollback(world)["commit"] == OLD


@pytest.mark.parametrize(
    ("to", "reason"),
    [("", "the release before is not an earlier good release of guestbook in demo"),
     ("guestbook.demo.9", "good ones are guestbook.demo.1"),
     ("guestbook.demo.1", "guestbook.demo.1 is not an earlier good release")],
)  # fmt: skip
def test_rollback_without_target_is_refused(world, to, reason):
    """Without another good release a rollback names those there are."""
    with pytest.raises(HolodeckError, match=reason):
        _rollback(world, to)


def _killed(world):
    """Let the runner of a release die in the middle; hosts are left mixed."""
    world.fleet.faults["drain web2"] = Killed()
    with pytest.raises(Killed):
        started(world)
    world.fleet.dead = False
    assert world.fleet.hosts["demo-web1"].commit == NEW


def test_rollback_after_a_dead_runner_brings_all_back(world):
    """Without a target, what a dead runner left mixed goes to the last good release."""
    _killed(world)
    record = _rollback(world)
    assert (record["status"], record["to"]) == ("good", "guestbook.demo.1")
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}
    assert all(host.rotation for host in world.fleet.hosts.values())
    assert world.fleet.dangers == []


def test_rollback_after_a_dead_runner_keeps_its_target_good(world):
    """A release that was gone back to was never left: it is not rolled back."""
    _killed(world)
    _rollback(world)
    assert world.records.find("guestbook.demo.1")["status"] == "good"


def test_rollback_without_the_old_configuration_is_refused(world):
    """A host that lost the deployment is named, and none is touched."""
    started(world)
    world.fleet.hosts["demo-web2"].kept.clear()
    world.fleet.steps.clear()
    record = _rollback(dataclasses.replace(world, definition=defined("welcome")))
    assert record["status"] == "bad"
    assert "is no longer on demo-web2" in record["reason"]
    assert steps(world) == ""


def test_rollback_before_any_release_is_refused(fresh):
    """Where nothing was ever good there is nothing to go back to."""
    with pytest.raises(HolodeckError, match="has never had a good release"):
        _rollback(fresh)


def test_rollback_to_an_id_takes_that_release(world):
    """``to=`` picks a good release, however old."""
    started(world)
    started(world, THIRD)
    assert _rollback(world, "guestbook.demo.1")["commit"] == OLD
