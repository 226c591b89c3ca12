"""Environments brought to as many hosts as they should have, and what is left over."""

import dataclasses

import pytest
from fake_cloud import accept, clouded
from fake_fleet import NEW, OLD, Killed
from fake_world import ORDER, served, started, steps

from holodeck import sizing
from holodeck.model import Hosts
from holodeck_io.errors import HolodeckError
from holodeck_master import environments, ledger, locks, orphans, release, scaling


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Three hosts that serve ``old``, and a cloud that makes more."""
    monkeypatch.setattr(environments, "_AWAKE_S", 0.01)
    monkeypatch.setattr(environments, "_START_S", 0.01)
    return clouded(served(tmp_path))


def _scale(world, **numbers):
    found = scaling.scale(world, "demo", numbers)
    assert world.fleet.dangers == []
    return found


def _steps(world):
    """Return the steps of minions but their states."""
    return steps(world, but=("create", "destroy", "states"))


def _now(world):
    """Return the world as the next command opens it."""
    return world.present()


def _serving(world):
    hosts = world.fleet.hosts.items()
    machines = world.fleet.machines
    return sorted(name for name, host in hosts if host.rotation and name in machines)


def _web(*numbers):
    return [f"demo-web{number}" for number in numbers]


def test_up(world):
    """New hosts come to the last good release, and are tested before they serve."""
    found = _scale(world, web=5)
    assert found["created"] == _web(4, 5)
    assert found["hosts"]["web"] == _web(1, 2, 3, 4, 5)
    assert found["scaled"] == {"web": [5, 3]}
    assert _serving(world) == _web(1, 2, 3, 4, 5)
    assert world.fleet.hosts["demo-web5"].commit == OLD
    assert _steps(world) == "stage tester1 old; suite web4 web5; ready web4 web5"


def test_up_twice(world):
    """The same again changes nothing."""
    _scale(world, web=5)
    world.fleet.steps.clear()
    found = _scale(world, web=5)
    assert (found["created"], found["destroyed"]) == ([], [])
    assert steps(world) == ""


def test_down(world):
    """The last ones leave rotation, then the balancers' lists, then the cloud."""
    found = _scale(world, web=2)
    assert found["destroyed"] == _web(3)
    assert _serving(world) == _web(1, 2)
    assert _steps(world) == "drain web3"
    assert ("balancer1", "holodeck.balancer") in world.fleet.applied
    assert world.cloud.steps == ["destroy web3"]
    assert "demo-web3" not in ledger.of(world.records, "demo")["prepared"]


def test_up_and_down_at_once(world):
    """What is new serves before anything goes."""
    _scale(world, builder=2)
    world.fleet.steps.clear()
    _scale(world, web=4, builder=1)
    assert world.cloud.steps == ["create web4", "destroy builder2"]


def test_new_balancer_sends_to_those_that_serve(world):
    """It gets every host that the others send to, and is tested through."""
    world.fleet.blank = {"demo-balancer2"}
    world.fleet.hosts["demo-web3"].rotation = False
    _scale(world, balancer=2)
    assert _steps(world) == (
        "stage tester1 old; ready web1 web2; suite balancer1 balancer2"
    )
    assert _serving(world) == _web(1, 2)


def test_only_balancer_made_anew_sends_to_all_that_prove_themselves(world):
    """Nobody is left who knows who served: every host passes the suite again."""
    world.cloud.lose(["demo-balancer1"])
    for host in world.fleet.hosts.values():
        # HAProxy's state went with the machine.
        host.rotation = False
    world.fleet.in_service = False
    assert _scale(world)["created"] == ["demo-balancer1"]
    assert _steps(world) == (
        "stage tester1 old; suite web1 web2 web3; ready web1 web2 web3; suite balancer1"
    )
    assert _serving(world) == _web(1, 2, 3)


def test_balancer_gives_up_its_address_first(world):
    """A balancer that goes has no connection any more when it is destroyed."""
    _scale(world, balancer=2)
    world.fleet.steps.clear()
    _scale(world, balancer=1)
    assert _steps(world) == "leave balancer2"
    assert world.cloud.steps[-1] == "destroy balancer2"


def test_back_to_the_definition(world):
    """Without numbers the definition's count holds again."""
    _scale(world, web=5)
    found = _scale(world)
    assert found["destroyed"] == _web(4, 5)
    assert found["scaled"] == {}


def test_definition_that_changes_wins(world):
    """
    A number holds over the count that it was given over, and over no later one.

    Who is there by then is released to, until somebody scales.
    """
    _scale(world, web=5)
    demo = world.definition.environments["demo"]
    hosts = {**demo.hosts, "web": dataclasses.replace(demo.hosts["web"], count=4)}
    written = {"demo": dataclasses.replace(demo, hosts=hosts)}
    definition = dataclasses.replace(world.definition, environments=written)
    world = dataclasses.replace(world, definition=definition)
    demo = _now(world).definition.environments["demo"]
    assert sizing.scaled(demo) == {"web": [5, 4]}
    assert started(_now(world), NEW)["status"] == "good"
    assert {world.fleet.hosts[name].commit for name in _serving(world)} == {NEW}
    assert _scale(world)["destroyed"] == _web(5)
    demo = _now(world).definition.environments["demo"]
    assert demo.members("web") == _web(1, 2, 3, 4)


def test_destroyed_and_created_again(world):
    """Every host goes, and comes back with the last good release, as defined."""
    _scale(world, web=5)
    world.fleet.in_service = False
    demo = _now(world).definition.environments["demo"]
    assert len(environments.destroy(_now(world), demo)) == 8
    world.fleet.dangers.clear()
    assert len(scaling.create(world, "demo")["created"]) == 6
    assert _serving(world) == _web(1, 2, 3)
    assert world.fleet.hosts["demo-web1"].commit == OLD
    assert world.fleet.dangers == []


def test_down_below_the_floor_is_refused(world):
    """Nothing is changed when too few others would serve."""
    for name in _web(1, 2):
        world.fleet.hosts[name].fault = "sick"
    with pytest.raises(
        HolodeckError, match="of those that stay nobody would serve, and 1 have to"
    ):
        _scale(world, web=2)
    assert world.records.sizes() == {}
    assert world.cloud.steps == []


def test_down_during_a_release_is_refused(world):
    """The hosts of a release stay as long as it runs."""
    held = locks.held(world.opts, "guestbook", "demo", "release of new")
    with held, pytest.raises(HolodeckError, match="is being released"):
        _scale(world, web=2)
    assert world.cloud.steps == []


def test_down_after_a_runner_died_is_refused(world):
    """The hosts of a dead release stay until somebody resumes or aborts it."""
    world.fleet.faults["switch web1 new"] = Killed()
    with pytest.raises(Killed):
        started(world, NEW)
    world.fleet.dead = False
    with pytest.raises(HolodeckError, match="has not ended, and its runner died"):
        _scale(world, web=2)
    assert world.cloud.steps == []


def test_host_that_a_release_left_behind_is_gone(world):
    """What was left away from home and then destroyed is in nobody's way."""
    world.fleet.faults |= {"suite web3": "it broke", "switch web3 old": "no"}
    record = started(world, NEW)
    assert record["away"] == _web(3)
    world.fleet.hosts["demo-web3"].rotation = False
    _scale(world, web=2)
    world.fleet.steps.clear()
    assert release.resume(_now(world), "guestbook", "demo")["status"] == "bad"
    assert _steps(world) == ""


def test_partial_failure_converges(world):
    """What could not be made is made by the next call; what was made is kept."""
    world.cloud.refuses = {"demo-web5"}
    with pytest.raises(HolodeckError, match="could not create"):
        _scale(world, web=5)
    assert _serving(world) == _web(1, 2, 3)
    world.cloud.refuses = set()
    found = scaling.create(world, "demo")
    assert found["created"] == _web(5)
    assert _serving(world) == _web(1, 2, 3, 4, 5)
    assert world.cloud.steps[-1] == "create web5"


def test_machine_that_never_came_up_is_made_anew(world):
    """A machine whose minion never answered is replaced; a host that did is not."""
    world.cloud.mute = {"demo-web4"}
    with pytest.raises(HolodeckError, match="No answer from demo-web4"):
        _scale(world, web=4)
    _scale(world, web=4)
    assert world.cloud.steps == [
        "create web4", "destroy web4", "create web4"
    ]  # fmt: skip
    world.fleet.machines -= {"demo-web1"}
    with pytest.raises(HolodeckError, match="No answer from demo-web1"):
        _scale(world, web=4)
    assert "demo-web1" in world.cloud.all


def test_silent_machine_of_others_is_not_replaced(world):
    """A machine of a new host's name that somebody else made is told, and stays."""
    world.cloud.all |= {"demo-web4"}
    with pytest.raises(HolodeckError, match="No answer from demo-web4"):
        _scale(world, web=4)
    assert world.cloud.steps == []


def test_host_that_was_destroyed_by_hand_is_made_and_proven(world):
    """Another machine of its name is a new host, whatever was known of that one."""
    _scale(world)
    world.cloud.destroy({"demo-web2": "small"})
    world.fleet.dangers.clear()
    world.fleet.steps.clear()
    assert _scale(world)["created"] == _web(2)
    assert _steps(world) == "drain web2; stage tester1 old; suite web2; ready web2"


def test_new_host_that_fails_its_suite_stays_out(world):
    """It gets no traffic, and the next call tries again."""
    world.fleet.faults["suite web4"] = "it broke"
    with pytest.raises(HolodeckError, match="The suite did not pass"):
        _scale(world, web=4)
    assert _serving(world) == _web(1, 2, 3)
    _scale(world, web=4)
    assert _serving(world) == _web(1, 2, 3, 4)


def test_new_host_without_the_release_stays_out(world):
    """States that did not bring the release are told, not hidden."""
    world.fleet.homeless = True
    with pytest.raises(
        HolodeckError, match=r"demo-web4: does not run guestbook\.demo\.1"
    ):
        _scale(world, web=4)
    assert _serving(world) == _web(1, 2, 3)


def test_environment_without_a_tester(world):
    """Nothing is made that nobody could prove."""
    demo = world.definition.environments["demo"]
    hosts = {role: each for role, each in demo.hosts.items() if role != "tester"}
    world = _defined(world, dataclasses.replace(demo, hosts=hosts))
    with pytest.raises(HolodeckError, match="tester"):
        scaling.scale(world, "demo", {"web": 4})
    assert world.cloud.steps == []


def test_smaller_number_after_a_failure(world):
    """Where a cloud makes no more, a smaller number is a way out."""
    world.cloud.refuses = {"demo-web5"}
    with pytest.raises(HolodeckError, match="could not create"):
        _scale(world, web=5)
    assert _scale(world, web=4)["hosts"]["web"] == _web(1, 2, 3, 4)
    assert _serving(world) == _web(1, 2, 3, 4)


def test_lowered_definition_takes_nobody_out(world):
    """Balancers go on sending to hosts that the definition has no more."""
    demo = world.definition.environments["demo"]
    hosts = {**demo.hosts, "web": dataclasses.replace(demo.hosts["web"], count=2)}
    world = _defined(world, dataclasses.replace(demo, hosts=hosts))
    scaling.create(world, "demo")
    lowered = world.definition.environments["demo"]
    assert ledger.listed(world.records, lowered) == _web(1, 2, 3)
    assert _scale(world)["destroyed"] == _web(3)
    assert ledger.listed(world.records, lowered) == _web(1, 2)


def test_push_that_waited_for_a_scaling(world):
    """A release that began to wait before it takes over every host that there is."""
    waiting = world
    _scale(world, web=4)
    assert started(waiting, NEW)["status"] == "good"
    assert {h.commit for h in world.fleet.hosts.values()} == {NEW}


def test_rollback_takes_new_hosts_along(world):
    """A host that has come since makes the earlier deployment, as in a release."""
    started(world, NEW)
    _scale(world, web=4)
    record = release.rollback(_now(world), "guestbook", "demo", "", ORDER)
    assert record["status"] == "good", record
    assert world.fleet.hosts["demo-web4"].commit == OLD


def test_host_of_another_environment(world):
    """A number whose hosts another environment names is refused."""
    demo = world.definition.environments["demo"]
    other = dataclasses.replace(
        demo, name="other", hosts={"web": Hosts(ids=("demo-web4",))}
    )
    environments = {**world.definition.environments, "other": other}
    definition = dataclasses.replace(world.definition, environments=environments)
    with pytest.raises(
        HolodeckError, match="demo-web4: is a host of environment other"
    ):
        _scale(dataclasses.replace(world, definition=definition), web=4)


def test_one_command_at_a_time(world):
    """While hosts are changed by one, another one is refused, and told by whom."""
    with (
        locks.held_hosts(world.opts, "demo", "holodeck.create"),
        pytest.raises(
            HolodeckError, match=r"its hosts are being changed .*holodeck.cr"
        ),
    ):
        _scale(world, web=4)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"web": 0}, "web=0: should be a whole number from 1 to 500"),
        ({"web": "many"}, "web=many: should be a whole number"),
        ({"web": 501}, "web=501"),
        ({"web": True}, "web=True"),
    ],
)
def test_numbers_that_cannot_be(world, numbers, words):
    """The error names the number and the rule; nothing is remembered."""
    with pytest.raises(HolodeckError, match=words):
        _scale(world, **numbers)
    assert world.records.sizes() == {}


def test_role_that_is_not_there(world):
    """The error names the roles that there are."""
    demo = world.definition.environments["demo"]
    hosts = {role: group for role, group in demo.hosts.items() if role != "tester"}
    with pytest.raises(ValueError, match="tester: is not a role of environment demo"):
        sizing.wanted(dataclasses.replace(demo, hosts=hosts), {"tester": 1})


def test_named_hosts_are_not_scaled(world):
    """Hosts by their ids are the definition's alone."""
    demo = world.definition.environments["demo"]
    web = dataclasses.replace(demo.hosts["web"], profile="", count=0, ids=("a", "b"))
    named = dataclasses.replace(demo, hosts={**demo.hosts, "web": web})
    with pytest.raises(ValueError, match="web: its hosts are named by `ids`"):
        sizing.wanted(named, {"web": 3})


def test_no_more_than_there_are_machines(world):
    """Machines that exist are named one by one; there are no more."""
    demo = world.definition.environments["demo"]
    each = ({"ssh_host": "10.0.0.1"}, {"ssh_host": "10.0.0.2"})
    web = dataclasses.replace(demo.hosts["web"], count=2, each=each)
    named = dataclasses.replace(demo, hosts={**demo.hosts, "web": web})
    with pytest.raises(ValueError, match="from 1 to 2, for `each` names 2 machines"):
        sizing.wanted(named, {"web": 3})


def test_orphans_of_a_runner_that_died(world):
    """What was made and has no host is found, and goes after it has left rotation."""
    _scale(world, web=4)
    _forget_number(world)
    found, faults = orphans.find(_now(world))
    assert faults == []
    assert [(o["kind"], o["name"], o["made"]) for o in found] == [
        ("machine", "demo-web4", True)
    ]
    assert orphans.remove(_now(world)) == _web(4)
    assert world.fleet.dangers == []
    assert orphans.find(_now(world)) == ([], [])


def _forget_number(world):
    """Have three hosts again; the fourth is there, and its balancer still has it."""
    world.records.keep_sizes("demo", {})
    ledger.retire(world.records, "demo", ["demo-web4"])


def test_orphans_of_others_stay(world):
    """A machine of a host's name that this master did not make is only named."""
    world.cloud.foreign = {"demo-web9", "database1", "staging-web1"}
    found, _ = orphans.find(world)
    assert [(o["name"], o["made"]) for o in found] == [("demo-web9", False)]
    assert orphans.remove(world) == []
    assert world.cloud.steps == []


def test_orphans_of_an_environment_that_left_the_definition(world):
    """Its machines are known by the records, and removed on request."""
    _scale(world)
    empty = dataclasses.replace(world.definition, environments={})
    world = dataclasses.replace(world, definition=empty)
    found, _ = orphans.find(world)
    assert len(found) == 6
    assert len(orphans.remove(world)) == 6
    assert orphans.find(world) == ([], [])


def test_key_without_a_machine(world):
    """That of a host that this master made is deleted on request; others' stay."""
    _scale(world, web=4)
    world.cloud.all -= {"demo-web4"}
    _forget_number(world)
    for name in ("demo-web4", "demo-web7", "demo-web1", "database1"):
        accept(world, name)
    found, _ = orphans.find(world)
    assert [(o["kind"], o["name"], o["made"]) for o in found] == [
        ("key", "demo-web4", True), ("key", "demo-web7", False)
    ]  # fmt: skip
    assert orphans.remove(world) == _web(4)
    [left] = orphans.find(world)[0]
    assert left["name"] == "demo-web7"


def test_profile_that_left_the_configuration(world):
    """Nobody can ask its provider: it is named, and no key is an orphan."""
    world.cloud.provider_of = {}.get
    accept(world, "demo-web7")
    found, [fault] = orphans.find(world)
    assert (found, fault["name"]) == ([], "small")


def test_host_without_a_machine(world):
    """A host that is gone is told, with what makes it anew."""
    _scale(world)
    world.cloud.all -= {"demo-web2"}
    _, [fault] = orphans.find(world)
    assert fault["name"] == "demo-web2"
    assert "holodeck.create demo" in fault["why"]


def test_provider_that_does_not_answer(world):
    """Nobody is called an orphan while the cloud is away."""
    accept(world, "demo-web7")
    world.cloud.silent = True
    found, [fault] = orphans.find(world)
    assert (found, fault["kind"]) == ([], "provider")


def test_only_one_environment(world):
    """With a name only what is of that environment counts."""
    world.cloud.foreign = {"demo-web9"}
    world.records.keep_environment("staging", prepared=[])
    assert orphans.find(world, "staging")[0] == []
    assert len(orphans.find(world, "demo")[0]) == 1
    with pytest.raises(HolodeckError, match="Environment dmeo: is not known; there"):
        orphans.find(world, "dmeo")


def test_new_host_without_a_balancer_is_tested(tmp_path):
    """Where nothing keeps users from it, a host that fails is told all the same."""
    world = clouded(served(tmp_path, balancers=1))
    demo = world.definition.environments["demo"]
    hosts = {role: each for role, each in demo.hosts.items() if role != "balancer"}
    demo = dataclasses.replace(demo, hosts=hosts)
    world.fleet.faults["suite web4"] = "it broke"
    with pytest.raises(HolodeckError, match="The suite did not pass"):
        scaling.scale(_defined(world, demo), "demo", {"web": 4})


def test_floor_without_a_balancer(tmp_path):
    """Where nobody knows who serves, those that stay have to be well."""
    world = clouded(served(tmp_path, balancers=1))
    demo = world.definition.environments["demo"]
    hosts = {role: each for role, each in demo.hosts.items() if role != "balancer"}
    world.fleet.hosts["demo-web1"].fault = "sick"
    world = _defined(world, dataclasses.replace(demo, hosts=hosts))
    with pytest.raises(HolodeckError, match="nobody would serve"):
        scaling.scale(world, "demo", {"web": 1})
    assert world.cloud.steps == []


def _defined(world, environment):
    environments = {**world.definition.environments, "demo": environment}
    definition = dataclasses.replace(world.definition, environments=environments)
    return dataclasses.replace(world, definition=definition)


def test_host_that_somebody_drained_stays_out(world):
    """A release has put it in; who takes it out later has a reason."""
    started(world, NEW)
    world.fleet.hosts["demo-web1"].rotation = False
    _scale(world, web=4)
    assert _serving(world) == _web(2, 3, 4)
