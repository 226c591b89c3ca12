"""What a dead runner left: finished by one command, forth or back."""

import dataclasses
from types import SimpleNamespace

import pytest
from fake_fleet import NEW, OLD, THIRD, Killed
from fake_world import drained, hearing, newest, opened, served, started

from holodeck_io.errors import HolodeckError
from holodeck_master import pillar, release

_KEY = ("guestbook", "demo")


def _killed(world, step):
    world.fleet.faults[step] = Killed()
    with pytest.raises(Killed):
        started(world)
    world.fleet.dead = False
    world.fleet.steps.clear()


_FORTH = [
    "stage web1 new old", "stage tester1 new", "drain web1", "switch web1 new",
    "suite web1", "ready web1", "drain web2", "switch web2 new", "suite web2",
    "ready web2", "drain web3", "switch web3 new", "suite web3", "ready web3",
    "suite balancer1",
]  # fmt: skip


@pytest.mark.parametrize("step", _FORTH)
def test_resume_finishes_what_was_killed(tmp_path, step):
    """Whatever step the runner died at, one resume makes the release good."""
    world = served(tmp_path)
    _killed(world, step)
    record = release.resume(world, *_KEY)
    assert record["status"] == newest(world)["status"] == "good"
    assert record["id"] == "guestbook.demo.2"
    assert {host.commit for host in world.fleet.hosts.values()} == {NEW}
    assert all(host.rotation for host in world.fleet.hosts.values())
    assert world.fleet.dangers == []
    assert started(world)["unchanged"]


@pytest.mark.parametrize("step", _FORTH)
def test_abort_brings_back_what_was_killed(tmp_path, step):
    """Whatever step the runner died at, one abort brings every host home."""
    world = served(tmp_path)
    _killed(world, step)
    record = release.abort(world, *_KEY, "ann")
    assert record["status"] == newest(world)["status"] == "aborted"
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}
    assert all(host.rotation for host in world.fleet.hosts.values())
    assert world.fleet.dangers == []


def test_resume_leaves_finished_hosts_alone(tmp_path):
    """What was tested and back in rotation is not taken out a second time."""
    world = served(tmp_path)
    _killed(world, "switch web3 new")
    release.resume(world, *_KEY)
    assert drained(world) == ["web3"]


def test_resume_takes_a_finished_host_again_that_changed(tmp_path):
    """A host that fell out of rotation meanwhile is taken through every step."""
    world = served(tmp_path)
    _killed(world, "switch web3 new")
    world.fleet.hosts["demo-web1"].rotation = False
    assert release.resume(world, *_KEY)["status"] == "good"
    assert drained(world) == ["web1", "web3"]


@pytest.mark.parametrize("step", ["drain web2", "switch web2 old", "ready web1"])
def test_resume_of_a_way_back_goes_on_back(tmp_path, step):
    """A release that had failed when its runner died does not go forth again."""
    world = served(tmp_path)
    world.fleet.faults["suite web2"] = "it broke"

    def arm():
        world.fleet.faults[step] = Killed()

    with pytest.raises(Killed):
        started(hearing(world, "it broke", arm))
    world.fleet.dead = False
    record = release.resume(world, *_KEY)
    assert record["status"] == newest(world)["status"] == "bad"
    assert "it broke" in record["reason"]
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}
    assert all(host.rotation for host in world.fleet.hosts.values())
    assert world.fleet.dangers == []


@pytest.mark.parametrize("step", ["drain web3", "switch web2 old", "suite balancer1"])
def test_resume_of_a_rollback(tmp_path, step):
    """A rollback whose runner died is finished, and marks what it undid."""
    world = served(tmp_path)
    started(world)
    world.fleet.faults[step] = Killed()
    with pytest.raises(Killed):
        release.rollback(world, *_KEY, "", {"user": "root"})
    world.fleet.dead = False
    assert release.resume(world, *_KEY)["status"] == "good"
    statuses = [r["status"] for r in world.records.history(*_KEY)]
    assert statuses == ["good", "rolled-back", "good"]
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}


def test_resume_after_a_changed_configuration_is_refused(tmp_path):
    """What would be half old and half new settings is not resumed; nothing changes."""
    world = served(tmp_path)
    _killed(world, "switch web2 new")
    other = dataclasses.replace(
        world, definition=opened(tmp_path / "x", greeting="bye").definition
    )
    with pytest.raises(HolodeckError, match="has changed since it began"):
        release.resume(other, *_KEY)
    assert world.fleet.steps == []
    assert newest(world)["status"] == "running"


@pytest.mark.parametrize("verb", [release.resume, lambda *w: release.abort(*w, "ann")])
def test_nothing_unfinished_is_refused(tmp_path, verb):
    """With nothing to finish, the answer says how the last release ended."""
    world = served(tmp_path)
    with pytest.raises(HolodeckError, match=r"guestbook.demo.1 is good"):
        verb(world, *_KEY)


def test_release_after_a_dead_runner_brings_back_thedrained(tmp_path):
    """A host that a dead runner had only drained serves again, whatever comes next."""
    world = served(tmp_path)
    _killed(world, "drain web2")
    world.fleet.faults["stage web1 new old"] = "disk full"
    assert started(world)["status"] == "bad"
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}
    assert all(host.rotation for host in world.fleet.hosts.values())


def test_resume_brings_home_who_was_left_behind(tmp_path):
    """A release that had to leave a host away is finished once the host is there."""
    world = served(tmp_path)
    one = world.fleet.hosts["demo-web2"]
    world.fleet.faults |= {"suite web2": lambda: setattr(one, "lost", True)}
    world.fleet.faults["suite web3"] = "it broke"
    record = started(world)
    assert (record["status"], record["away"]) == ("bad", ["demo-web2"])
    assert not one.rotation
    one.lost = False
    world.fleet.steps.clear()
    again = release.resume(world, *_KEY)
    assert again["id"] == record["id"]
    assert (again["status"], again["away"]) == ("bad", [])
    assert again["back"] == dict.fromkeys(record["back"], f"in rotation at {OLD[:12]}")
    assert drained(world) == ["web2"]
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}
    assert all(host.rotation for host in world.fleet.hosts.values())
    assert world.fleet.dangers == []
    with pytest.raises(HolodeckError, match="is bad"):
        release.resume(world, *_KEY)


def test_gave_up_stays_given_up_for_whoever_comes_next(tmp_path):
    """Bytes that took the last good ones' place are not put into rotation as those."""
    world = served(tmp_path)
    last = world.records.last_good(*_KEY)
    _killed(world, "suite web1")
    record = newest(world)
    world.records.save({**record, "gave_up": last["id"]})
    ended = release.abort(world, *_KEY, "ann")
    assert ended["back"]["demo-web1"].startswith(
        "out of rotation: there is no way back"
    )
    assert not world.fleet.hosts["demo-web1"].rotation


def test_release_after_a_dead_batch_brings_all_of_it_back(tmp_path):
    """Each host that a dead runner had drained comes home, not the next batch alone."""
    world = served(tmp_path, count=8, batch=[1, "25%", "100%"])
    _killed(world, "switch web2 new")
    world.fleet.faults["suite web4"] = "it broke"
    world.fleet.faults["suite web2"] = "it broke"
    assert started(world)["status"] == "bad"
    assert newest(world)["away"] == []
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}
    assert all(host.rotation for host in world.fleet.hosts.values())


def test_refused_release_buries_nobody(tmp_path):
    """A misspelt branch after a kill leaves the dead release to resume or abort."""
    world = served(tmp_path)
    _killed(world, "switch web2 new")
    world.fleet.faults["resolve nowhere"] = "Commit nowhere: is no branch"
    with pytest.raises(HolodeckError, match="is no branch"):
        started(world, "nowhere")
    assert newest(world)["status"] == "running"
    assert release.abort(world, *_KEY, "ann")["away"] == []
    assert all(host.rotation for host in world.fleet.hosts.values())


def test_left_behind_is_not_forgotten_by_the_next_release(tmp_path):
    """A host that was lost twice is still brought home by one resume."""
    world = served(tmp_path)
    one = world.fleet.hosts["demo-web2"]
    world.fleet.faults["suite web2"] = lambda: setattr(one, "lost", True)
    world.fleet.faults["suite web3"] = "it broke"
    started(world)
    cloud = SimpleNamespace(known=set)
    world = dataclasses.replace(world, cloud=cloud)
    assert started(world, THIRD)["away"] == ["demo-web2"]
    one.lost = False
    assert release.resume(world, *_KEY)["away"] == []
    assert (one.commit, one.rotation) == (OLD, True)


def test_resume_gives_a_failed_host_another_chance(tmp_path):
    """What failed before the kill is tried again, and counts once."""
    world = served(tmp_path, count=4, failures=1)
    world.fleet.faults["switch web1 new"] = "it broke"
    _killed(world, "suite web3")
    record = release.resume(world, *_KEY)
    assert (record["status"], record["failed"]) == ("good", {})
    assert all(host.rotation for host in world.fleet.hosts.values())


def test_abort_of_a_dead_way_back_keeps_the_reason(tmp_path):
    """Why it failed is worth more than who tidied up."""
    world = served(tmp_path)
    world.fleet.faults["suite web2"] = "it broke"

    def arm():
        world.fleet.faults["switch web2 old"] = Killed()

    with pytest.raises(Killed):
        started(hearing(world, "it broke", arm))
    world.fleet.dead = False
    record = release.abort(world, *_KEY, "ann")
    assert record["status"] == "bad"
    assert "it broke" in record["reason"]


def test_dead_release_keeps_highstate_away(tmp_path):
    """Until somebody resumes or aborts, highstate switches nothing under users."""
    world = served(tmp_path)
    _killed(world, "switch web2 new")
    found = pillar.slice_for(
        "demo-web1", world.definition, world.records, lambda *_: False
    )
    assert found["services"]["guestbook"]["busy"] is True
    release.abort(world, *_KEY, "ann")
    found = pillar.slice_for(
        "demo-web1", world.definition, world.records, lambda *_: False
    )
    assert found["services"]["guestbook"]["busy"] is False
