"""Replacements where something else is odd: other definitions, hosts, balancers."""

import dataclasses

import pytest
from fake_cloud import NAMED, Minions, accept, by, in_place, redefined, replacing
from fake_fleet import NEW, OLD, THIRD, Fleet, Host, Killed, RefusedError
from fake_world import ORDER, defined, newest, started

from holodeck.model import Hosts
from holodeck_io.errors import HolodeckError
from holodeck_master import (
    environments,
    keeping,
    locks,
    orphans,
    records,
    release,
    scaling,
)

_OLD = ["demo-web1", "demo-web2", "demo-web3"]
_NEW = ["demo-web4", "demo-web5", "demo-web6"]
_KEY = ("guestbook", "demo")
_LATER = "2999-01-01T00:00:00Z"


@pytest.fixture
def world(tmp_path):
    """A world with ``old`` in service, whose releases replace the hosts."""
    return replacing(tmp_path)


def _release(world, commit=NEW):
    return started(world.present(), commit)


def _demo(world):
    return world.present().definition.environments["demo"]


def _rotation(world):
    hosts = world.fleet.hosts.items()
    return sorted(name for name, host in hosts if host.rotation)


def _dead(world, step="suite web4 web5 web6"):
    """Have the runner of a replacement die at a step."""
    world.fleet.faults[step] = Killed()
    with pytest.raises(Killed):
        _release(world)
    world.fleet.dead = False


def _left_over(world):
    """Have new hosts that failed, and that could not be destroyed."""
    world.fleet.faults |= {
        "suite web4 web5 web6": "it broke", "destroy web4 web5 web6": "in use"
    }  # fmt: skip
    assert _release(world)["status"] == "bad"


def test_numbers_of_hosts_that_are_to_go_are_nobodys(world):
    """Those that could not be destroyed go before a member has such a name."""
    _left_over(world)
    assert scaling.scale(world.present(), "demo", {"web": 4})["created"] == [
        "demo-web4"
    ]
    assert keeping.expire(world.present(), now=_LATER) == []
    assert _rotation(world) == _demo(world).members("web") == [*_OLD, "demo-web4"]
    assert orphans.find(world.present()) == ([], [])
    assert world.fleet.dangers == []


def test_raised_count_that_could_not_make_room_tries_again(world):
    """The numbers of kept hosts are free when these are gone, and no sooner."""
    _release(world)
    _release(world, THIRD)
    grown = by(world, defined(strategy="replace", count=4))
    world.fleet.faults["destroy web4 web5 web6"] = "in use"
    with pytest.raises(HolodeckError, match="in use"):
        scaling.create(grown.present(), "demo")
    assert scaling.create(grown.present(), "demo")["created"] == ["demo-web4"]
    assert keeping.expire(grown.present(), now=_LATER) == []
    assert _rotation(grown) == _demo(grown).members("web") == [*_OLD, "demo-web4"]


def test_release_brings_as_many_as_there_are_to_be(world):
    """Also where the count was raised, and the numbers were of kept hosts."""
    _release(world)
    _release(world, THIRD)
    grown = by(world, defined(strategy="replace", count=4))
    assert _release(grown)["status"] == "good"
    assert len(_rotation(grown)) == 4
    assert _rotation(grown) == sorted(_demo(grown).members("web"))


def test_release_goes_to_hosts_that_a_lowered_count_leaves(world):
    """No host serves another commit than the good one, forth and back."""
    _release(world)
    lowered = by(world, defined(strategy="replace", count=2))
    assert _release(lowered, THIRD)["status"] == "good"
    assert {lowered.fleet.hosts[name].commit for name in _rotation(lowered)} == {THIRD}
    record = release.rollback(lowered.present(), *_KEY, "", ORDER)
    assert record["status"] == "good"
    assert {lowered.fleet.hosts[name].commit for name in _rotation(lowered)} == {NEW}
    scaling.scale(lowered.present(), "demo", {})
    assert len(_rotation(lowered)) == 2
    assert lowered.fleet.dangers == []


@pytest.mark.parametrize("web", NAMED, ids=["each", "ids"])
def test_kept_hosts_that_a_definition_makes_members_stay(world, web):
    """Who serves by another definition is not destroyed by what was once."""
    _release(world)
    hosts = {**_demo(world).hosts, "web": web}
    world = redefined(world, hosts=hosts, services=in_place(world))
    assert _release(world, THIRD)["status"] == "good"
    assert keeping.expire(world.present(), now=_LATER) == []
    scaling.create(world.present(), "demo")
    assert set(_OLD) <= world.cloud.web
    assert set(_OLD) <= set(_rotation(world))


def test_hosts_of_other_environments_keep_their_numbers(world):
    """A host that is another one's by its id is never taken over."""
    demo = world.definition.environments["demo"]
    hosts = {role: Hosts(ids=(f"other-{role}",)) for role in demo.hosts}
    hosts["web"] = Hosts(ids=("demo-web4",))
    other = dataclasses.replace(demo, name="other", hosts=hosts, services={})
    environments_ = {"other": other, **world.definition.environments}
    definition = dataclasses.replace(world.definition, environments=environments_)
    world = by(world, definition)
    world.fleet.hosts["demo-web4"] = Host(commit=OLD, deployment="theirs")
    world.fleet.machines.add("demo-web4")
    record = _release(world)
    assert record["status"] == "good"
    assert record["fresh"] == ["demo-web5", "demo-web6", "demo-web7"]
    assert world.fleet.hosts["demo-web4"].deployment == "theirs"


def test_numbers_of_accepted_keys_are_not_taken(world):
    """A minion of that name is somebody's, wherever its machine is."""
    accept(world, "demo-web5")
    assert _release(world)["fresh"] == ["demo-web6", "demo-web7", "demo-web8"]


def test_silent_balancer_leaves_no_bad_commit_at_the_others(tmp_path):
    """Those that answer send to the old hosts again; the new ones wait for it."""
    world = replacing(tmp_path, balancers=2)

    def die():
        world.fleet.machines -= {"demo-balancer2"}
        raise RefusedError("it broke")

    world.fleet.faults["suite balancer1 balancer2"] = die
    assert _release(world)["status"] == "bad"
    assert _rotation(world) == _OLD
    assert world.cloud.web == {*_OLD, *_NEW}
    world.fleet.machines |= {"demo-balancer2"}
    assert release.resume(world.present(), *_KEY)["away"] == []
    assert world.cloud.web == {*_OLD}
    assert orphans.find(world.present()) == ([], [])


def test_sick_hosts_are_drained_before_they_go(world, monkeypatch):
    """HAProxy keeps what was not drained: a host of that name would serve untested."""
    real = Minions.highstate

    def highstate(self, host):
        before = {name: each.rotation for name, each in self.hosts.items()}
        real(self, host)
        for name, inside in before.items():
            self.hosts[name].rotation = inside

    def sick():
        world.fleet.hosts["demo-web5"].fault = "crashed"
        raise RefusedError("not ready in time")

    monkeypatch.setattr(Minions, "highstate", highstate)
    world.fleet.faults["suite balancer1"] = sick
    assert _release(world)["status"] == "bad"
    assert _release(world, THIRD)["status"] == "good"
    assert world.fleet.dangers == []


def test_resume_where_a_second_service_has_come_is_refused(world):
    """New hosts without it would take the place of hosts with it; abort works."""
    _dead(world)
    service = world.definition.services["guestbook"]
    book = dataclasses.replace(service, name="book", port=8001)
    placed = in_place(world)
    placed["book"] = dataclasses.replace(
        placed["guestbook"], service="book", listen="*:81"
    )
    services = {**world.definition.services, "book": book}
    definition = dataclasses.replace(world.definition, services=services)
    other = redefined(
        dataclasses.replace(world, definition=definition), services=placed
    )
    with pytest.raises(HolodeckError, match="new hosts are without book"):
        release.resume(other.present(), *_KEY)
    assert release.abort(world.present(), *_KEY, "ann")["away"] == []
    assert world.cloud.web == {*_OLD}


def test_environment_that_comes_back_has_hosts_again(world):
    """Hosts that were destroyed are forgotten as kept ones too."""
    _release(world)
    gone = dataclasses.replace(world.definition, environments={})
    world.fleet.in_service = False
    orphans.remove(dataclasses.replace(world, definition=gone))
    assert world.cloud.web == set()
    scaling.create(world.present(), "demo")
    assert _rotation(world) == _demo(world).members("web")
    assert orphans.find(world.present()) == ([], [])
    world.fleet.dangers.clear()
    assert _release(world, THIRD)["status"] == "good"


def test_destroy_that_died_is_no_dead_end(world, monkeypatch):
    """What it had destroyed by then can be created again."""
    _release(world)
    world.fleet.in_service = False
    with monkeypatch.context() as patch:
        patch.setattr(records.Records, "keep_sizes", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            environments.destroy(world.present(), _demo(world))
    assert world.cloud.web == set()
    scaling.create(world.present(), "demo")
    assert _rotation(world) == _demo(world).members("web")


def test_hosts_of_a_service_that_left_are_left_over(world):
    """Nobody can resume its release any more; check names them, expire destroys."""
    _dead(world)
    service = dataclasses.replace(world.definition.services["guestbook"], name="book")
    [placement] = world.definition.environments["demo"].services.values()
    placed = {"book": dataclasses.replace(placement, service="book")}
    definition = dataclasses.replace(world.definition, services={"book": service})
    other = redefined(
        dataclasses.replace(world, definition=definition), services=placed
    )
    found = orphans.find(other.present())[0]
    assert [orphan["name"] for orphan in found] == _NEW


def test_abort_tells_who_changes_the_hosts(world):
    """Who waits for a scaling is not told that nothing runs, nor that it was asked."""
    _dead(world, "suite balancer1")
    with (
        locks.held_hosts(world.opts, "demo", "holodeck.scale"),
        pytest.raises(HolodeckError, match=r"being changed since .*holodeck\.scale"),
    ):
        release.abort(world.present(), *_KEY, "ann")
    with (
        locks.held(world.opts, *_KEY, "demo-web9 to leave", heeds=False),
        pytest.raises(HolodeckError, match="no release runs; demo-web9 to leave"),
    ):
        release.abort(world.present(), *_KEY, "ann")
    assert release.abort(world.present(), *_KEY, "ann")["status"] == "aborted"


def test_sick_hosts_keep_nobody_from_scaling_up(tmp_path):
    """Kept hosts serve nobody: they may go whoever else is sick."""
    world = replacing(tmp_path, floor=2)
    _release(world)
    for name in _NEW[1:]:
        world.fleet.hosts[name].fault = "overloaded"
    found = scaling.scale(world.present(), "demo", {"web": 5})
    assert found["created"] == ["demo-web7", "demo-web8"]
    assert found["destroyed"] == _OLD


@pytest.mark.parametrize("why", ["floor", "cloud"])
def test_scale_that_fails_leaves_the_fast_way_back(tmp_path, why):
    """Kept hosts go when there is another number of hosts, and no sooner."""
    world = replacing(tmp_path, floor=2)
    _release(world)
    world.cloud.refuses = {"demo-web7"}
    world.fleet.hosts["demo-web5"].fault = "sick" if why == "floor" else None
    with pytest.raises(HolodeckError, match=r"have to|could not create"):
        scaling.scale(world.present(), "demo", {"web": 2 if why == "floor" else 4})
    assert keeping.hosts(world, _demo(world)) == _OLD


def test_scale_beside_a_dead_replacement_is_refused(world):
    """Its numbers are in the way, and whoever resumes it needs them."""
    _dead(world)
    with pytest.raises(HolodeckError, match="has not ended"):
        scaling.scale(world.present(), "demo", {"web": 4})
    assert release.resume(world.present(), *_KEY)["status"] == "good"


def test_kept_host_that_is_gone_is_nobodys_fault(world):
    """A rollback makes new ones then; `create` would not bring it back."""
    _release(world)
    world.cloud.lose(["demo-web1"])
    assert orphans.find(world.present()) == ([], [])
    record = release.rollback(world.present(), *_KEY, "", ORDER)
    assert (record["status"], newest(world)["fresh"]) == ("good", record["fresh"])
    assert {world.fleet.hosts[name].commit for name in _rotation(world)} == {OLD}


def test_release_in_place_leaves_who_is_to_go_alone(world):
    """It holds no lock of the hosts: a scaling may be under way."""
    _left_over(world)
    place = redefined(world, services=in_place(world))
    world.fleet.faults["stage tester1 third"] = "it broke"
    record = _release(place, THIRD)
    assert (record["status"], set(record["back"]) & set(_NEW)) == ("bad", set())
    assert world.cloud.web == {*_OLD, *_NEW}
    assert keeping.expire(place.present()) == _NEW


def test_old_hosts_serve_again_whatever_they_ran(world, monkeypatch):
    """They were never switched: that is better than a commit that failed."""
    real = Fleet._webapp_status

    def status(self, host):
        found = real(self, host)
        if host == "demo-web2":
            found["services"]["guestbook"]["stranded"] = "its Python is gone"
        return found

    monkeypatch.setattr(Minions, "_webapp_status", status)
    facts = {"gave_up": "guestbook.demo.1", "touched": [], "kind": "release"}
    facts |= {"commit": THIRD, "deployment": "x"}
    record = world.records.begin(*_KEY, **facts)
    world.records.save({**record, "status": "bad"})
    world.fleet.faults["suite balancer1"] = "it broke"
    assert _release(world)["status"] == "bad"
    assert _rotation(world) == _OLD


def test_new_host_that_fails_its_suite_tells_what_it_raised(tmp_path):
    """The new hosts' own exception, although they are no members yet."""
    world = replacing(tmp_path)
    world.fleet.failing, world.fleet.raised = frozenset({"demo-web5"}), "ValueError: no"
    record = started(world.present(), NEW)
    assert "demo-web5 raised: ValueError: no" in record["reason"]


def test_new_hosts_of_another_system_are_told(tmp_path, monkeypatch):
    """Before anything is staged, and in words of the system."""
    world = replacing(tmp_path)
    kind = type(world.fleet)
    real = kind._webapp_status

    def status(self, host):
        is_new = host in {"demo-web4", "demo-web5", "demo-web6"}
        return real(self, host) | ({"platform": "Debian 13 x86_64"} if is_new else {})

    monkeypatch.setattr(kind, "_webapp_status", status)
    record = started(world.present(), NEW)
    assert record["reason"].startswith("demo-web4: is Debian 13 x86_64, and commit")
    assert not any(step.startswith("stage web4") for step in world.fleet.steps)
