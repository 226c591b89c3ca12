"""Who is a host of an environment by now, whatever was defined or died before."""

import dataclasses

import pytest
from fake_cloud import NAMED, clouded, in_place, redefined, replacing
from fake_fleet import NEW, OLD, THIRD, Killed, RefusedError
from fake_world import served, started

from holodeck.model import Hosts
from holodeck_io.errors import HolodeckError
from holodeck_master import keeping, orphans, records, scaling

_OLD = ["demo-web1", "demo-web2", "demo-web3"]
_LATER = "2999-01-01T00:00:00Z"


@pytest.fixture
def world(tmp_path):
    """Releases that replace the hosts."""
    return replacing(tmp_path)


@pytest.fixture
def place(tmp_path):
    """Releases in place."""
    return clouded(served(tmp_path))


def _release(world, commit=NEW):
    return started(world.present(), commit)


def _demo(world):
    return world.present().definition.environments["demo"]


def _rotation(world):
    hosts = world.fleet.hosts.items()
    return sorted(name for name, host in hosts if host.rotation)


def _counted(world, **changes):
    hosts = world.definition.environments["demo"].hosts
    group = dataclasses.replace(hosts["web"], **changes)
    return redefined(world, hosts={**hosts, "web": group})


@pytest.mark.parametrize("web", NAMED, ids=["each", "ids"])
def test_highstate_brings_members_the_last_good_release(world, web):
    """Also those that another definition has made members, and that were kept."""
    _release(world)
    hosts = {**_demo(world).hosts, "web": web}
    world = redefined(world, hosts=hosts, services=in_place(world))
    assert _release(world, THIRD)["status"] == "good"
    world.fleet.highstate("demo-web1")
    assert world.fleet.hosts["demo-web1"].commit == THIRD


def test_member_whose_number_was_to_go_has_its_release(world):
    """What a definition names is a host, whatever was to become of its machine."""
    world.fleet.faults |= {
        "suite web4 web5 web6": "it broke", "destroy web4 web5 web6": "in use"
    }  # fmt: skip
    assert _release(world)["status"] == "bad"
    hosts = {**_demo(world).hosts, "web": Hosts(ids=(*_OLD, "demo-web4"))}
    world = redefined(world, hosts=hosts, services=in_place(world))
    assert _release(world, THIRD)["status"] == "good"
    own = world.fleet.pillar("demo-web4")
    assert own["services"]["guestbook"]["release"]["commit"] == THIRD


def test_raised_count_that_failed_and_was_taken_back(place):
    """Hosts that never served are no members by it, and fail no release."""
    grown = _counted(place, count=4)
    place.fleet.homeless = True
    with pytest.raises(HolodeckError, match="does not run"):
        scaling.create(grown.present(), "demo")
    place.fleet.homeless = False
    back = _counted(place, count=3)
    assert _demo(back).members("web") == _OLD
    place.fleet.faults["suite web4"] = "its disk is broken"
    assert _release(back)["status"] == "good"
    found = orphans.find(back.present())[0]
    assert [orphan["name"] for orphan in found] == ["demo-web4"]


def test_host_that_is_given_to_another_environment(place):
    """It is that one's: the first neither releases to it nor destroys it."""
    demo = place.definition.environments["demo"]
    hosts = {role: Hosts(ids=(f"other-{role}1",)) for role in demo.hosts}
    other = dataclasses.replace(
        demo, name="other", hosts={**hosts, "web": Hosts(ids=("demo-web3",))}
    )
    world = _counted(place, count=2)
    world = redefined(world, other=other)
    assert _release(world)["status"] == "good"
    assert world.fleet.hosts["demo-web3"].commit == OLD
    assert world.fleet.pillar("demo-web3")["environment"] == "other"
    assert scaling.scale(world.present(), "demo", {})["destroyed"] == []
    assert "demo-web3" in world.cloud.web


def test_lost_host_of_a_lowered_count_is_not_made_again(place):
    """Nobody wants it any more: check and release say what forgets it."""
    place.cloud.lose(["demo-web3"])
    place.fleet.hosts["demo-web3"].rotation = False
    world = _counted(place, count=2)
    [fault] = orphans.find(world.present())[1]
    assert "`salt-run holodeck.scale demo` forgets it" in fault["why"]
    record = _release(world)
    assert record["status"] == "bad"
    assert "`salt-run holodeck.scale demo` takes it away" in record["reason"]
    assert world.cloud.web == {"demo-web1", "demo-web2"}
    scaling.scale(world.present(), "demo", {})
    assert orphans.find(world.present()) == ([], [])
    assert _release(world)["status"] == "good"


@pytest.mark.parametrize("count", [4, 7])
def test_scale_beside_hosts_that_a_bad_release_left(tmp_path, count):
    """As many as were asked for serve: what has their numbers goes before."""
    world = replacing(tmp_path, balancers=2)

    def die():
        world.fleet.machines -= {"demo-balancer2"}
        raise RefusedError("it broke")

    world.fleet.faults["suite balancer1 balancer2"] = die
    assert _release(world)["status"] == "bad"
    world.fleet.machines |= {"demo-balancer2"}
    found = scaling.scale(world.present(), "demo", {"web": count})
    assert len(found["hosts"]["web"]) == len(_rotation(world)) == count
    assert keeping.expire(world.present(), now=_LATER) == []
    assert orphans.find(world.present()) == ([], [])


@pytest.mark.parametrize("is_sick", [True, False])
def test_only_balancer_made_anew_sends_to_those_that_are_well(place, is_sick):
    """One sick host keeps no other from serving; it is named, and joins when well."""
    place.cloud.lose(["demo-balancer1"])
    for host in place.fleet.hosts.values():
        host.rotation = False
    place.fleet.in_service = False
    place.fleet.faults = {} if is_sick else {"suite web1 web2 web3": "it broke"}
    if is_sick:
        place.fleet.hosts["demo-web3"].fault = "crashed"
    with pytest.raises(HolodeckError) as error:
        scaling.create(place.present(), "demo")
    if not is_sick:
        # Nobody says whose fault it was.
        assert _rotation(place) == []
        return
    assert "demo-web3: does not run guestbook.demo.1 (crashed)" in str(error.value)
    assert _rotation(place) == ["demo-web1", "demo-web2"]
    place.fleet.hosts["demo-web3"].fault = None
    scaling.create(place.present(), "demo")
    assert _rotation(place) == _OLD


@pytest.mark.parametrize("strategy", ["in-place", "replace"])
def test_balancers_are_told_again_when_who_told_them_died(
    tmp_path, monkeypatch, strategy
):
    """What nobody noted may have been told, or not."""
    world = replacing(tmp_path)
    if strategy == "in-place":
        world = redefined(world, services=in_place(world))
    scaling.scale(world.present(), "demo", {"web": 4})
    real = records.Records.keep_environment

    def keep(self, name, **facts):
        if facts.get("balancers"):
            raise Killed
        real(self, name, **facts)

    with monkeypatch.context() as patch:
        patch.setattr(records.Records, "keep_environment", keep)
        with pytest.raises(Killed):
            scaling.scale(world.present(), "demo", {"web": 3})
    assert scaling.scale(world.present(), "demo", {"web": 4})["destroyed"] == []
    assert _release(world)["status"] == "good"


def test_balancer_in_the_making_is_nobodys_peer(place):
    """The other one's states go on, though it cannot be made."""
    world = redefined(place, virtual_address="10.0.0.9/24")
    scaling.create(world.present(), "demo")
    world.cloud.refuses = {"demo-balancer2"}
    with pytest.raises(HolodeckError, match="could not create"):
        scaling.scale(world.present(), "demo", {"balancer": 2})
    assert len(world.fleet.pillar("demo-balancer1")["virtual"]["peers"]) == 1


def test_old_hosts_serve_after_a_dead_replacement_without_a_way_back(world):
    """The next release knows that they were never switched."""
    facts = {"gave_up": "guestbook.demo.1", "touched": [], "kind": "release"}
    record = world.records.begin(
        "guestbook", "demo", commit=THIRD, deployment="x", **facts
    )
    world.records.save({**record, "status": "bad"})
    world.fleet.faults["suite balancer1"] = Killed()
    with pytest.raises(Killed):
        _release(world)
    world.fleet.dead = False
    assert _release(world, THIRD)["status"] == "good"
    assert _rotation(world) == sorted(_demo(world).members("web"))
    assert world.fleet.dangers == []
