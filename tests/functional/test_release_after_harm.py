"""Releases after what nobody planned for: bugs, dead runners, lost deployments."""

import contextlib
import dataclasses
import signal

import pytest
from fake_fleet import NEW, OLD, THIRD, WEB, Killed
from fake_world import ORDER, newest, started

from holodeck_master import release


def _running(world):
    return {host.commit for host in world.fleet.hosts.values()}


def test_release_unexpected_error_goes_back(world):
    """A bug or a full disk on the master leaves no host at the new commit either."""
    world.fleet.faults["suite web2"] = OSError("no space left on device")
    with pytest.raises(OSError, match="no space"):
        started(world)
    assert _running(world) == {OLD}
    assert world.records.history("guestbook", "demo")[0]["status"] != "running"


def test_release_failed_pruning_stays_good(world, monkeypatch):
    """What is good, recorded and in rotation is not undone by tidying up."""
    started(world)
    # The store is looked at for the pruning alone when a rollback ends.
    monkeypatch.setitem(world.opts, "file_roots", {"base": []})
    record = release.rollback(world, "guestbook", "demo", "", ORDER)
    assert record["status"] == "good"
    assert _running(world) == {OLD}


def test_release_failed_after_dead_runner_brings_all_back(world):
    """What a dead runner left behind goes back too when the next release fails."""
    world.fleet.faults["drain web3"] = Killed()
    with pytest.raises(Killed):
        started(world)
    world.fleet.dead = False
    assert _running(world) == {NEW, OLD}
    world.fleet.faults["suite web1"] = "it broke"
    assert started(world, THIRD)["status"] == "bad"
    assert _running(world) == {OLD}


def test_release_after_dead_runner_takes_every_host(world):
    """A good release after a dead runner leaves every host alike and in rotation."""
    world.fleet.faults["drain web3"] = Killed()
    with pytest.raises(Killed):
        started(world)
    world.fleet.dead = False
    assert started(world, OLD)["status"] == "good"
    assert _running(world) == {OLD}
    assert all(host.rotation for host in world.fleet.hosts.values())
    assert world.fleet.dangers == []


def test_release_without_memory_goes_back(world, monkeypatch):
    """When the master's disk is full the hosts still go back."""

    def full(record):
        raise OSError(28, "No space left on device")

    real = world.fleet._webapp_switch

    def switch(host, **arguments):
        monkeypatch.setattr(world.records, "save", full)
        return real(host, **arguments)

    monkeypatch.setattr(world.fleet, "_webapp_switch", switch)
    world.fleet.faults["suite web1"] = "it broke"
    with pytest.raises(OSError, match="No space"):
        started(world)
    assert _running(world) == {OLD}


_SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", _SIGNALS, ids=lambda number: number.name)
def test_release_ended_by_a_signal_goes_back(world, number):
    """Ctrl-C, kill and a closed terminal bring the hosts back; the record says what."""
    world.fleet.faults["suite web2"] = lambda: signal.raise_signal(number)
    record = started(world)
    assert record["status"] == newest(world)["status"] == "aborted"
    assert record["reason"] == f"It was interrupted by {number.name}."
    assert _running(world) == {OLD}
    assert world.fleet.dangers == []


@pytest.mark.parametrize("number", _SIGNALS, ids=lambda number: number.name)
def test_release_going_back_is_not_stopped_by_a_signal(world, number):
    """Who loses patience while hosts go back changes nothing."""
    world.fleet.faults |= {
        "suite web2": "it broke",
        "switch web2 old": lambda: signal.raise_signal(number),
    }
    assert started(world)["status"] == "bad"
    assert _running(world) == {OLD}


def test_release_second_interrupt_at_once_goes_back_too(world):
    """A second Ctrl-C right after the first, as a hang-up comes twice, is too late."""

    def say(phase, message):
        if phase == "failed":
            signal.raise_signal(signal.SIGINT)

    world = dataclasses.replace(world, say=say)
    world.fleet.faults["suite web2"] = lambda: signal.raise_signal(signal.SIGINT)
    with contextlib.suppress(KeyboardInterrupt):
        started(world)
    assert _running(world) == {OLD}


def test_release_somebody_else_switched_meanwhile_is_bad(world):
    """Good is what every host says at the end, whoever meddled after its test."""

    def meddle():
        world.fleet.hosts["demo-web2"].commit = THIRD

    world.fleet.faults["suite balancer1"] = meddle
    record = started(world)
    assert record["status"] == "bad"
    assert "somebody else switched" in record["reason"]
    assert _running(world) == {OLD}


def test_release_orders_grow_from_switch_to_switch(world):
    """A job that was taken for lost is older than the way back, and refused there."""
    before = {name: world.fleet.hosts[name].order for name in WEB}
    world.fleet.faults["suite web3"] = "it broke"
    assert set(started(world)["back"].values()) == {f"in rotation at {OLD[:12]}"}
    assert all(world.fleet.hosts[name].order > before[name] for name in WEB)


def test_release_tells_balancers_of_their_servers_once(world):
    """A balancer learns of servers and ports when these changed, and only then."""
    assert world.fleet.applied == [("balancer1", "holodeck.balancer")]
    started(world)
    assert len(world.fleet.applied) == 1
    addresses = world.records.addresses("demo")
    addresses["demo-web2"] = "10.0.0.99"
    world.records.keep_environment("demo", addresses=addresses)
    started(world, OLD)
    assert len(world.fleet.applied) == 2
