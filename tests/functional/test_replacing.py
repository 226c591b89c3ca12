"""New hosts in the old ones' place: proven, swapped, kept for the way back."""

import dataclasses

import pytest
from fake_cloud import replacing
from fake_fleet import NEW, OLD, THIRD, RefusedError
from fake_world import ORDER, hearing, newest, started, steps

from holodeck import generations
from holodeck.model import Hosts
from holodeck_io.errors import HolodeckError
from holodeck_master import (
    keeping,
    ledger,
    locks,
    orphans,
    release,
    scaling,
    views,
    wishes,
)

_OLD = ["demo-web1", "demo-web2", "demo-web3"]
_NEW = ["demo-web4", "demo-web5", "demo-web6"]
_KEY = ("guestbook", "demo")


@pytest.fixture
def world(tmp_path):
    """A world with ``old`` in service, whose releases replace the hosts."""
    return replacing(tmp_path)


def _release(world, commit=NEW):
    return started(world.present(), commit)


def _rollback(world, to=""):
    return release.rollback(world.present(), *_KEY, to, ORDER)


def _current(world):
    return world.present().definition.environments["demo"].members("web")


def _kept(world):
    return keeping.hosts(world, world.present().definition.environments["demo"])


def _check_serves(world, hosts, commit):
    """These hosts, and no others, are in rotation and current, at the commit."""
    fleet = world.fleet
    assert {n for n, host in fleet.hosts.items() if host.rotation} == {*hosts}
    assert {fleet.hosts[name].commit for name in hosts} == {commit}
    assert _current(world) == hosts
    assert fleet.dangers == []
    assert orphans.find(world.present()) == ([], [])
    assert world.cloud.web == {*hosts, *_kept(world)}


def test_release_replaces_the_hosts(world):
    """New hosts are made, proven and swapped; the old ones are as they were."""
    before = {name: world.fleet.hosts[name].order for name in _OLD}
    record = _release(world)
    assert record["status"] == newest(world)["status"] == "good"
    wanted = (
        "create web4 web5 web6; states web4; states web5; states web6; "
        "states balancer1; stage web4 new; stage web5 new; stage web6 new; "
        "stage tester1 new; switch web4 new; switch web5 new; switch web6 new; "
        "suite web4 web5 web6; ready web4 web5 web6; drain web1 web2 web3; "
        "suite balancer1"
    )
    assert steps(world) == wanted
    _check_serves(world, _NEW, NEW)
    assert _kept(world) == _OLD
    assert {world.fleet.hosts[name].order for name in _OLD} == {*before.values()}
    assert {world.fleet.hosts[name].commit for name in _OLD} == {OLD}


def test_release_the_same_again_changes_nothing(world):
    """What was replaced once is as good as anything that serves."""
    _release(world)
    world.fleet.steps.clear()
    assert _release(world)["unchanged"]
    assert steps(world) == ""


def test_first_release_replaces_nobody(tmp_path):
    """Where nothing serves, the hosts that are there are taken."""
    assert replacing(tmp_path).cloud.web == set(_OLD)


@pytest.mark.parametrize(
    "fault",
    [
        "create web4 web5 web6", "states web5", "states balancer1", "stage web6 new",
        "stage tester1 new", "switch web5 new", "suite web4 web5 web6",
        "ready web4 web5 web6",
    ],
)  # fmt: skip
def test_release_that_fails_before_the_swap_leaves_the_old_hosts(world, fault):
    """Nobody has touched them, and the new ones are gone."""
    world.fleet.faults[fault] = "it broke"
    record = _release(world)
    assert record["status"] == "bad"
    assert "it broke" in record["reason"]
    assert not any(step.startswith("drain") for step in world.fleet.steps)
    _check_serves(world, _OLD, OLD)
    assert _kept(world) == []
    assert set(record["back"].values()) <= {"is destroyed"}


@pytest.mark.parametrize("fault", ["drain web1 web2 web3", "suite balancer1"])
def test_release_that_fails_after_the_swap_goes_back(world, fault):
    """The old ones serve before the new ones go, and nothing is restarted for it."""
    world.fleet.faults[fault] = "it broke"
    record = _release(world)
    assert record["status"] == "bad"
    tail = steps(world).partition(f"{fault}; ")[2]
    assert tail == (
        "ready web1 web2 web3; drain web4 web5 web6; states balancer1; "
        "destroy web4 web5 web6"
    )
    _check_serves(world, _OLD, OLD)
    assert record["back"] == {
        **dict.fromkeys(_OLD, f"in rotation at {OLD[:12]}"),
        **dict.fromkeys(_NEW, "is destroyed"),
    }


def test_release_during_which_an_old_host_came_back_is_bad(world):
    """Good is what serves in the end: the new hosts alone."""

    def meddle():
        world.fleet.hosts["demo-web2"].rotation = True

    world.fleet.faults["suite balancer1"] = meddle
    record = _release(world)
    assert record["status"] == "bad"
    assert "an old host serves: demo-web2" in record["reason"]
    _check_serves(world, _OLD, OLD)


def test_pause_waits_before_the_swap(world):
    """Whoever wants a look has new hosts that are proven, and old ones that serve."""
    seen = []

    def asked(word):
        return lambda: wishes.make(world, _KEY, word, "ann")

    def look():
        seen.append([name for name, host in world.fleet.hosts.items() if host.rotation])
        asked(wishes.PROMOTE)()

    ears = hearing(world.present(), "the suite passed", asked(wishes.PAUSE))
    record = started(hearing(ears, "paused by ann", look), NEW)
    assert record["status"] == "good"
    assert seen == [_OLD]
    _check_serves(world, _NEW, NEW)


def test_contract_and_speed_are_looked_at_before_the_swap(world):
    """One new host is held against its schema, and beside one that serves."""
    service, demo, place = world.present().definition.placement("guestbook", "demo")
    service = dataclasses.replace(service, contract={"schema": "/s", "seconds": 7})
    tests = dataclasses.replace(place.tests, latency_factor=1.5)
    place = dataclasses.replace(place, tests=tests)
    demo = dataclasses.replace(demo, services={"guestbook": place})
    definition = dataclasses.replace(
        world.definition, services={"guestbook": service}, environments={"demo": demo}
    )
    world.fleet.latency = {
        "old": {"p95": 10}, "new": {"p95": 30}, "failed": {"old": 0, "new": 0}
    }  # fmt: skip
    record = started(dataclasses.replace(world, definition=definition), NEW)
    assert record["status"] == "bad"
    assert "demo-web4: answers within 30 ms" in record["reason"]
    assert "suite web4 web5 web6; contract web4; compare web4 web1" in steps(world)
    _check_serves(world, _OLD, OLD)


def test_release_that_cannot_destroy_its_hosts_says_so(world):
    """What is left over is named, and goes when somebody says so."""
    world.fleet.faults |= {
        "suite web4 web5 web6": "it broke", "destroy web4 web5 web6": "in use"
    }  # fmt: skip
    record = _release(world)
    assert "in use" in record["back"]["demo-web4"]
    found, faults = orphans.find(world.present())
    assert ([each["name"] for each in found], faults) == (_NEW, [])
    assert all(each["made"] for each in found)
    assert orphans.remove(world.present()) == _NEW
    _check_serves(world, _OLD, OLD)


def test_release_whose_old_hosts_are_lost_keeps_the_new_ones(world):
    """An empty pool is worse than a commit that failed through the balancer."""

    def harm():
        for name in _OLD:
            world.fleet.hosts[name].lost = True

    world.fleet.faults["suite balancer1"] = lambda: (harm(), _refuse())
    record = _release(world)
    assert record["status"] == "bad"
    assert "too few would serve" in record["back"]["demo-web4"]
    assert all(world.fleet.hosts[name].rotation for name in _NEW)
    assert world.fleet.dangers == []
    for name in _OLD:
        world.fleet.hosts[name].lost = False
    again = release.resume(world.present(), *_KEY)
    assert (again["id"], again["status"], again["away"]) == (record["id"], "bad", [])
    _check_serves(world, _OLD, OLD)


def _refuse():
    raise RefusedError("it broke")


def test_both_balancers_swap(tmp_path):
    """New hosts serve at each before the old ones leave any, forth and back."""
    world = replacing(tmp_path, balancers=2)
    assert _release(world)["status"] == "good"
    assert steps(world).endswith(
        "ready web4 web5 web6; ready web4 web5 web6; drain web1 web2 web3; "
        "drain web1 web2 web3; suite balancer1 balancer2"
    )
    _check_serves(world, _NEW, NEW)
    assert _rollback(world)["status"] == "good"
    _check_serves(world, _OLD, OLD)


def test_release_beside_a_lost_balancer_is_undone_when_it_is_back(tmp_path):
    """What it would still send to stays; the same command ends it afterwards."""
    world = replacing(tmp_path, balancers=2)
    world.fleet.faults["ready web4 web5 web6"] = lambda: _lose(world, "demo-balancer2")
    record = _release(world)
    assert record["status"] == "bad"
    assert "could not be destroyed" in record["back"]["demo-web4"]
    assert world.cloud.web == {*_OLD, *_NEW}
    assert all(world.fleet.hosts[name].rotation for name in _OLD)
    world.fleet.machines |= {"demo-balancer2"}
    again = release.resume(world.present(), *_KEY)
    assert (again["status"], again["away"]) == ("bad", [])
    _check_serves(world, _OLD, OLD)


def _lose(world, name):
    world.fleet.machines -= {name}


def test_hosts_of_others_leave_and_stay_machines(world):
    """What this master did not make serves no more, and is nobody's to destroy."""
    ledger.forget(world.records, "demo", ["demo-web2"])
    addresses = {**world.records.addresses("demo"), "demo-web2": "10.0.0.9"}
    prepared = [*world.records.environment("demo")["prepared"], "demo-web2"]
    world.records.keep_environment("demo", prepared=prepared, addresses=addresses)
    assert _release(world)["status"] == "good"
    gone = keeping.expire(world.present(), now="2999-01-01T00:00:00Z")
    assert gone == ["demo-web1", "demo-web3"]
    assert world.cloud.web == {*_NEW, "demo-web2"}
    [orphan], faults = orphans.find(world.present())
    assert (orphan["name"], orphan["made"], faults) == ("demo-web2", False, [])
    assert orphans.remove(world.present()) == []
    assert _release(world, THIRD)["status"] == "good"
    assert _current(world) == ["demo-web7", "demo-web8", "demo-web9"]


@pytest.mark.parametrize("numbers", [{}, {"web": 4}])
def test_commands_that_change_hosts_refuse_each_other(world, numbers):
    """While hosts are replaced nobody else makes or destroys any, nor the reverse."""
    refused = []

    def meddle():
        with pytest.raises(locks.LockedError, match=r"since .*: release of 1") as error:
            scaling.scale(world.present(), "demo", numbers)
        refused.append(error)

    world.fleet.faults["suite web4 web5 web6"] = meddle
    assert _release(world)["status"] == "good"
    assert len(refused) == 1
    _check_serves(world, _NEW, NEW)
    with (
        locks.held_hosts(world.opts, "demo", "holodeck.scale"),
        pytest.raises(locks.LockedError, match=r"since .* holodeck\.scale"),
    ):
        _release(world, THIRD)
    assert newest(world)["commit"] == NEW


def test_next_release_destroys_the_kept_and_takes_their_numbers(world):
    """Two generations exist at once, and no third."""
    _release(world)
    world.fleet.steps.clear()
    assert _release(world, THIRD)["status"] == "good"
    assert steps(world).startswith(
        "states balancer1; destroy web1 web2 web3; create web1 web2 web3; "
    )
    _check_serves(world, _OLD, THIRD)
    assert _kept(world) == _NEW


def test_numbers_of_machines_that_exist_are_not_taken(world):
    """Neither those of this master's own nor another one's of such a name."""
    world.cloud.foreign.add("demo-web5")
    assert _release(world)["status"] == "good"
    assert _current(world) == ["demo-web6", "demo-web7", "demo-web8"]


def test_rollback_to_kept_hosts_only_swaps(world):
    """Nothing is built or made; suites run as in any rollback."""
    first = newest(world)
    _release(world)
    world.fleet.steps.clear()
    record = _rollback(world)
    assert (record["status"], record["to"]) == ("good", first["id"])
    assert steps(world) == (
        "stage web1 old; stage web2 old; stage web3 old; stage tester1 old; "
        "switch web1 old; switch web2 old; switch web3 old; suite web1 web2 web3; "
        "ready web1 web2 web3; drain web4 web5 web6; suite balancer1"
    )
    _check_serves(world, _OLD, OLD)
    assert _kept(world) == _NEW
    statuses = [r["status"] for r in world.records.history(*_KEY)]
    assert statuses == ["good", "rolled-back", "good"]


def test_rollback_to_kept_hosts_needs_none_of_those_that_went_wrong(world):
    """New hosts that are all dead keep nobody from going back."""
    _release(world)
    for name in _NEW:
        world.fleet.hosts[name].lost = True
    world.fleet.in_service = False
    assert _rollback(world)["status"] == "good"
    assert [world.fleet.hosts[name].rotation for name in _OLD] == [True] * 3


def test_rollback_that_fails_keeps_the_kept_hosts(world):
    """Nothing is destroyed: they may be good for a second try."""
    _release(world)
    world.fleet.faults["suite balancer1"] = "it broke"
    record = _rollback(world)
    assert record["status"] == "bad"
    assert record["back"]["demo-web1"] == "is kept as before"
    _check_serves(world, _NEW, NEW)
    assert _kept(world) == _OLD
    assert _rollback(world)["status"] == "good"
    _check_serves(world, _OLD, OLD)


@pytest.mark.parametrize("how", ["expired", "changed"])
def test_rollback_without_fit_kept_hosts_makes_new_ones(world, how):
    """The old bundle comes onto hosts of its own, which prove it."""
    _release(world)
    if how == "expired":
        assert keeping.expire(world.present(), now="2999-01-01T00:00:00Z") == _OLD
    else:
        world.fleet.hosts["demo-web2"].commit = THIRD
    world.fleet.steps.clear()
    record = _rollback(world)
    assert record["status"] == "good", record["reason"]
    assert "create web1 web2 web3" in steps(world)
    assert "build" not in " ".join(world.fleet.steps)
    _check_serves(world, _OLD, OLD)


def test_rollback_to_a_configuration_that_pillar_has_no_more_is_refused(world):
    """New hosts could not have it; nothing is made, and nobody touched."""
    _release(world)
    keeping.expire(world.present(), now="2999-01-01T00:00:00Z")
    first = world.records.find("guestbook.demo.1")
    world.records.save({**first, "config": "0" * 64})
    world.fleet.steps.clear()
    record = _rollback(world)
    assert record["status"] == "bad"
    assert "its configuration is no longer in pillar" in record["reason"]
    assert steps(world) == ""
    _check_serves(world, _NEW, NEW)


def test_expire_destroys_kept_hosts_whose_time_is_over(world):
    """Not before; and where a release has not ended they stay."""
    _release(world)
    assert keeping.expire(world.present()) == []
    assert _kept(world) == _OLD
    later = "2999-01-01T00:00:00Z"
    record = world.records.begin(*_KEY, touched=[])
    assert keeping.expire(world.present(), now=later) == []
    world.records.save({**record, "status": "aborted"})
    assert keeping.expire(world.present(), now=later) == _OLD
    _check_serves(world, _NEW, NEW)
    assert keeping.expire(world.present(), now=later) == []


def test_release_that_keeps_nothing_destroys_at_once(tmp_path):
    """With ``kept_s: 0`` the old hosts go with the release's end."""
    world = replacing(tmp_path, kept_s=0)
    assert _release(world)["status"] == "good"
    assert world.cloud.web == set(_NEW)
    _check_serves(world, _NEW, NEW)


def test_expire_that_fails_is_tried_again(world):
    """What could not be destroyed is said, named by check, and goes the next time."""
    _release(world)
    world.fleet.faults["destroy web1 web2 web3"] = "in use"
    later = "2999-01-01T00:00:00Z"
    with pytest.raises(HolodeckError, match="demo: salt-cloud could not destroy"):
        keeping.expire(world.present(), now=later)
    assert [each["name"] for each in orphans.find(world.present())[0]] == _OLD
    assert keeping.expire(world.present()) == _OLD
    _check_serves(world, _NEW, NEW)


def test_expire_asks_again_when_nobody_releases_any_more(world, monkeypatch):
    """Hosts whose time was over, and that a rollback took meanwhile, serve on."""
    _release(world)
    place = world.present()
    held = locks.held_hosts

    def late(*words):
        monkeypatch.setattr(locks, "held_hosts", held)
        assert _rollback(world)["status"] == "good"
        return held(*words)

    monkeypatch.setattr(locks, "held_hosts", late)
    since = newest(world)["ended"]
    keeping.expire(place, now=generations.until({"since": since}, 3600))
    assert set(_OLD) <= world.cloud.web
    assert _current(world) == _OLD
    assert world.fleet.dangers == []


def test_hosts_go_by_the_profile_that_made_them(world):
    """Another profile is for new hosts; the old ones are where they were made."""
    hosts = {
        **world.present().definition.environments["demo"].hosts,
        "web": Hosts(profile="large", count=3),
    }
    demo = dataclasses.replace(world.definition.environments["demo"], hosts=hosts)
    definition = dataclasses.replace(world.definition, environments={"demo": demo})
    world = dataclasses.replace(world, definition=definition)
    assert _release(world)["status"] == "good"
    assert set(world.cloud.profiles.values()) == {"large"}
    assert keeping.expire(world.present(), now="2999-01-01T00:00:00Z") == _OLD
    assert world.cloud.web == {*_NEW}


def test_floor_above_the_number_of_hosts_keeps_nobody_from_a_swap(tmp_path):
    """All have to serve then, which they do."""
    world = replacing(tmp_path, floor=5)
    assert _release(world)["status"] == "good"
    world.fleet.faults["suite balancer1"] = "it broke"
    assert _release(world, THIRD)["status"] == "bad"
    _check_serves(world, _NEW, NEW)


def test_highstate_leaves_kept_hosts_at_their_release(world):
    """Kept hosts are never brought to the new commit, current ones are."""
    _release(world)
    for host in (*_OLD, *_NEW):
        world.fleet.highstate(host)
    _check_serves(world, _NEW, NEW)
    assert {world.fleet.hosts[name].commit for name in _OLD} == {OLD}
    world.fleet.hosts["demo-web1"].commit = None
    world.fleet.highstate("demo-web1")
    assert world.fleet.hosts["demo-web1"].commit == OLD


def test_highstate_brings_no_release_to_incoming_hosts(world):
    """They get the commit from the release that makes them, and none before."""
    seen = []

    def look():
        seen.extend(world.fleet.hosts[name].commit for name in _NEW)
        own = world.fleet.pillar("demo-web4")
        seen.append(own["services"]["guestbook"]["release"])
        seen.append(len(world.fleet.pillar("demo-balancer1")["services"]["guestbook"]
                        ["servers"]))  # fmt: skip

    world.fleet.faults["stage web4 new"] = look
    _release(world)
    assert seen == [None, None, None, None, 6]


def test_status_and_plan_tell_of_the_hosts_beside(world):
    """People see who is kept, until when, and who would go."""
    place = world.present()
    assert views.preview(place, *_KEY, NEW)["replaced"] == _OLD
    record = _release(world)
    place = world.present()
    [found] = views.status(place)
    assert [row["host"] for row in found["hosts"]] == _NEW
    assert found["agree"]
    until = generations.until({"since": record["ended"]}, 3600)
    assert found["kept"] == {
        "hosts": _OLD, "release": "guestbook.demo.1", "until": until
    }  # fmt: skip
    assert "incoming" not in found
    plan = views.preview(place, *_KEY, THIRD)
    assert (plan["replaced"], plan["destroyed"]) == (_NEW, _OLD)
    assert (plan["batches"], plan["create"]) == ([], [])


def test_scale_while_hosts_are_kept(world):
    """Hosts that are too few to go back to are destroyed; the others go on."""
    _release(world)
    found = scaling.scale(world.present(), "demo", {"web": 4})
    assert found["destroyed"] == _OLD
    assert found["created"] == ["demo-web7"]
    _check_serves(world, [*_NEW, "demo-web7"], NEW)
    assert _release(world, THIRD)["status"] == "good"
    # Below those that are there, four in a row are not free.
    _check_serves(world, [f"demo-web{n}" for n in (8, 9, 10, 11)], THIRD)
    found = scaling.scale(world.present(), "demo", {"tester": 1})
    assert (found["destroyed"], found["created"]) == ([], [])
    assert _kept(world) == [*_NEW, "demo-web7"]


def test_create_makes_no_host_beside_anew(world):
    """Only what is current is made when it is missing, at the current release."""
    _release(world)
    world.cloud.lose(["demo-web5"])
    world.records.keep_environment(
        "demo",
        prepared=[h for h in world.records.environment("demo")["prepared"]
                  if h != "demo-web5"],
    )  # fmt: skip
    assert scaling.create(world.present(), "demo")["created"] == ["demo-web5"]
    _check_serves(world, _NEW, NEW)
    assert _kept(world) == _OLD
