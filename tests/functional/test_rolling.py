"""Batches, the floor, the failure budget, and the way back of a whole fleet."""

import dataclasses

import pytest
from fake_fleet import NEW, OLD, THIRD, RefusedError
from fake_world import (
    ORDER,
    defined,
    drained,
    hearing,
    newest,
    opened,
    served,
    started,
    steps,
)

from holodeck_master import fleet, release, rolling


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    """Waiting takes no time worth a test's."""
    for name in ("_POLL_S", "_LOOK_S", "_LOOK_MOST_S"):
        monkeypatch.setattr(rolling, name, 0.01)


def test_batches_grow(tmp_path):
    """One host first, then a quarter, then the rest, as far as the floor allows."""
    world = served(tmp_path, count=8, batch=[1, "25%", "100%"], floor=3)
    assert started(world)["status"] == "good"
    assert drained(world) == ["web1", "web2 web3", "web4 web5 web6 web7 web8"]
    assert world.fleet.dangers == []


def test_back_goes_in_few_groups(tmp_path):
    """A fleet goes back half by half, however small the batches were."""
    world = served(tmp_path, count=8)
    world.fleet.faults["suite balancer1"] = "it broke"
    assert started(world)["status"] == "bad"
    assert drained(world)[8:] == ["web1 web2 web3 web4", "web5 web6 web7 web8"]
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}
    assert world.fleet.dangers == []


def test_rollback_by_hand_goes_at_once(tmp_path):
    """Whoever goes back waits for no canary, and for no more batches than needed."""
    rules = {"batch": [1, "25%"], "hold_s": 3600, "promote": "by-hand"}
    world = served(tmp_path, count=8)
    started(world)
    slow = dataclasses.replace(world, definition=defined(count=8, **rules))
    slow.fleet.steps.clear()
    record = release.rollback(slow, "guestbook", "demo", "", ORDER)
    assert record["status"] == "good"
    assert drained(world) == ["web1 web2 web3 web4", "web5 web6 web7 web8"]
    assert world.fleet.dangers == []


def test_phases_have_deadlines(tmp_path, monkeypatch):
    """Each phase asks hosts within the time that the definition gives it."""
    world = opened(tmp_path, hosts_s=7, build_s=8, stage_s=9)
    asked, ask = {}, world.fleet.ask_groups

    def noted(groups, deadline_s=60):
        asked[groups[0][1]] = deadline_s
        return ask(groups, deadline_s)

    monkeypatch.setattr(world.fleet, "ask_groups", noted)
    world.fleet.hosts["demo-web1"].pack = "of yesterday"
    started(world, OLD)
    assert (asked["bundle.build_all"], asked["bundle.stage"]) == (8, 9)
    assert asked["state.apply"] == 7


def test_hosts_keep_the_present_pillar_in_memory(tmp_path):
    """Where it is another one it is read anew, once, before anything is asked."""
    world = opened(tmp_path)
    environment = world.definition.environments["demo"]
    marks = {h: world.mark(environment, environment.role_of(h))
             for h in environment.all_members()}  # fmt: skip
    world.fleet.marks = {**marks, "demo-web2": "of yesterday"}
    assert started(world)["status"] == "good"
    assert world.fleet.refreshed == ["web2"]


def test_back_of_a_group_leaves_nobody_behind(tmp_path):
    """When one host of a group fails on its way back, the others get home."""
    world = served(tmp_path, count=4)
    one = world.fleet.hosts["demo-web1"]
    world.fleet.faults |= {
        "suite balancer1": "it broke",
        "drain web1 web2": lambda: setattr(one, "lost", True),
    }
    record = started(world)
    home = f"in rotation at {OLD[:12]}"
    assert record["back"].pop("demo-web1").startswith("stays out of rotation: ")
    assert set(record["back"].values()) == {home}
    assert not one.rotation
    assert world.fleet.dangers == []


def test_back_goes_on_without_a_lost_balancer(tmp_path, monkeypatch):
    """A balancer that is gone keeps nobody from home, as long as another answers."""
    world = served(tmp_path, balancers=2)
    fleet = world.fleet
    real = fleet._reply

    def reply(host, function, arguments):
        if host == "demo-balancer2" and fleet.dead_balancer:
            return dataclasses.replace(
                real("demo-web1", "webapp.status", {}),
                host=host, value=None, error="is silent", lost=True,
            )  # fmt: skip
        return real(host, function, arguments)

    fleet.dead_balancer = False
    monkeypatch.setattr(fleet, "_reply", reply)
    fleet.faults["suite web2"] = lambda: setattr(fleet, "dead_balancer", True)
    record = started(world)
    assert record["status"] == "bad"
    assert {host.commit for host in fleet.hosts.values()} == {OLD}
    assert all(host.rotation for host in fleet.hosts.values())


def _fail(world, step):
    world.fleet.faults[step] = "it broke"


def test_budget_lets_a_host_fail(tmp_path):
    """Within the budget a host that fails stays out, and the others go on."""
    world = served(tmp_path, count=4, failures=1)
    _fail(world, "switch web2 new")
    record = started(world)
    assert record["status"] == newest(world)["status"] == "good"
    assert list(record["failed"]) == ["demo-web2"]
    assert "it broke" in record["failed"]["demo-web2"]
    outside = [name for name, h in world.fleet.hosts.items() if not h.rotation]
    assert outside == ["demo-web2"]
    assert world.fleet.dangers == []


def test_budget_is_for_the_whole_rollout(tmp_path):
    """One failure more than the budget, in whichever batch, brings all back."""
    world = served(tmp_path, count=6, failures=1)
    _fail(world, "switch web2 new")
    _fail(world, "switch web5 new")
    assert started(world)["status"] == "bad"
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}
    assert all(host.rotation for host in world.fleet.hosts.values())
    assert world.fleet.dangers == []


def test_budget_of_a_batch_goes_on_with_the_rest(tmp_path):
    """Of a batch where one host fails, the others are tested and put back."""
    world = served(tmp_path, count=4, batch=2, failures=1, floor=1)
    _fail(world, "switch web2 new")
    assert started(world)["status"] == "good"
    inside = {name for name, h in world.fleet.hosts.items() if h.rotation}
    assert inside == {"demo-web1", "demo-web3", "demo-web4"}
    assert world.fleet.dangers == []


def test_budget_never_breaks_the_floor(tmp_path):
    """No budget lets more hosts fail than the floor allows."""
    world = served(tmp_path, count=3, failures=3, floor=2)
    _fail(world, "switch web1 new")
    _fail(world, "switch web2 new")
    assert started(world)["status"] == "bad"
    assert all(host.rotation for host in world.fleet.hosts.values())


def test_budget_makes_batches_smaller(tmp_path):
    """Hosts that failed count for the floor: later batches leave it all the same."""
    world = served(tmp_path, count=6, batch=3, failures=1, floor=3)
    _fail(world, "switch web1 new")
    assert started(world)["status"] == "good"
    assert drained(world) == ["web1 web2 web3", "web2 web3", "web4 web5", "web6"]


def test_budget_of_one_host_is_none(tmp_path):
    """A service whose only host failed is not released, whatever the budget."""
    world = served(tmp_path, count=1, failures=5)
    world.fleet.in_service = False
    _fail(world, "switch web1 new")
    assert started(world)["status"] == "bad"
    assert world.fleet.hosts["demo-web1"].commit == OLD


def test_budget_spares_no_balancer(tmp_path):
    """What is no host's own fault is no matter of the budget."""
    world = served(tmp_path, count=4, failures=3)
    _fail(world, "ready web2")
    assert started(world)["status"] == "bad"


def test_healthy_time_is_watched(tmp_path):
    """A host that fails while it has to stay healthy brings all back."""
    world = served(tmp_path, min_healthy_s=1)
    one = world.fleet.hosts["demo-web2"]
    world = hearing(world, "web2: back in", lambda: setattr(one, "fault", "is failed"))
    real = world.fleet._webapp_switch

    def switch(host, **arguments):
        world.fleet.hosts[host].fault = None
        return real(host, **arguments)

    world.fleet._webapp_switch = switch
    record = started(world)
    assert record["status"] == "bad"
    assert record["reason"] == "Did not stay healthy: demo-web2: is failed."
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda host: setattr(host, "pid", 99), "its process died"),
        (lambda host: setattr(host, "rotation", False), "fell out of rotation"),
        (lambda host: setattr(host, "commit", OLD), "does not run the release"),
        (lambda host: setattr(host, "lost", True), "is silent for 20 s"),
    ],
)
def test_healthy_time_sees(tmp_path, monkeypatch, harm, why):
    """A process that was started anew, or a host that fell out, is not healthy."""
    world = served(tmp_path, min_healthy_s=1)
    one = world.fleet.hosts["demo-web1"]
    # Within the time, not before it begins.
    real = rolling._look
    monkeypatch.setattr(rolling, "_look", lambda run, before: (harm(one), real(
        run, before)))  # fmt: skip
    record = started(world)
    assert record["status"] == "bad"
    assert f"demo-web1: {why}" in record["reason"]


def test_healthy_time_counts_for_the_budget(tmp_path):
    """A host that fails after its test is taken out, within the budget."""
    world = served(tmp_path, min_healthy_s=1, failures=1, floor=1)
    one = world.fleet.hosts["demo-web1"]
    world = hearing(world, "web1: back in", lambda: setattr(one, "fault", "is failed"))
    record = started(world)
    assert record["status"] == "good"
    assert list(record["failed"]) == ["demo-web1"]
    assert not one.rotation


def _alone(world):
    """Return the world without a balancer, where systemd holds the connections."""
    definition = world.definition
    environment = definition.environments["demo"]
    hosts = {r: group for r, group in environment.hosts.items() if r != "balancer"}
    alone = dataclasses.replace(environment, hosts=hosts)
    return dataclasses.replace(
        world, definition=dataclasses.replace(definition, environments={"demo": alone})
    )


def test_without_a_balancer_hosts_are_switched_and_tested(tmp_path):
    """One host alone goes through every step but those of a balancer, and back."""
    world = _alone(opened(tmp_path, count=1))
    assert started(world, OLD)["status"] == "good"
    world.fleet.steps.clear()
    assert started(world)["status"] == "good"
    assert steps(world) == (
        "stage web1 new old; stage tester1 new; switch web1 new; suite web1"
    )
    world.fleet.faults["suite web1"] = "it broke"
    record = started(world, OLD)
    assert record["back"] == {"demo-web1": f"in rotation at {NEW[:12]}"}
    assert world.fleet.hosts["demo-web1"].commit == NEW


def test_without_a_balancer_nobody_meets_what_has_no_way_back(tmp_path):
    """A first release that fails is stopped: nothing else would keep users from it."""
    world = _alone(opened(tmp_path, count=1))
    world.fleet.faults["suite web1"] = "it broke"
    record = started(world, OLD)
    assert record["back"]["demo-web1"].startswith("stopped: there is no good release")
    assert world.fleet.hosts["demo-web1"].commit is None


def test_back_never_empties_a_pool_that_lost_a_host(tmp_path):
    """While one host cannot come home the others go one by one."""
    world = served(tmp_path)
    one = world.fleet.hosts["demo-web3"]
    world.fleet.faults["suite web3"] = lambda: setattr(one, "lost", True)
    world.fleet.faults["suite balancer1"] = "it broke"
    record = started(world)
    assert record["away"] == ["demo-web3"]
    assert drained(world)[-3:] == ["web1", "web2", "web3"]
    assert world.fleet.dangers == []


def test_back_restarts_the_last_host_in_rotation(tmp_path):
    """Where nobody else serves, a host is not drained: its pool would be empty."""
    world = served(tmp_path, count=2)
    one = world.fleet.hosts["demo-web2"]
    world.fleet.faults["suite web2"] = lambda: setattr(one, "lost", True)
    world.fleet.faults["suite balancer1"] = "it broke"
    started(world)
    assert world.fleet.hosts["demo-web1"].commit == OLD
    assert world.fleet.hosts["demo-web1"].rotation
    assert world.fleet.dangers == []


def test_floor_holds_when_a_host_was_lost_meanwhile(tmp_path):
    """No host is drained where too few others answer, whoever is to blame."""
    world = served(tmp_path, floor=2)
    lost = world.fleet.hosts["demo-web3"]
    world.fleet.faults["suite web1"] = lambda: setattr(lost, "fault", "is gone")
    record = started(world)
    assert record["status"] == "bad"
    assert "too few would serve" in record["reason"]
    assert drained(world) == ["web1", "web1"]


def test_hosts_that_serve_nobody_go_first(tmp_path):
    """A host that is out of rotation is there for the pool when the others go."""
    world = served(tmp_path)
    world.fleet.hosts["demo-web3"].rotation = False
    assert started(world)["status"] == "good"
    assert drained(world) == ["web3", "web1", "web2"]
    assert world.fleet.dangers == []


# The way back when home itself, or who knows of it, fails.


def _mute(world, balancers, times):
    """Let balancers give no answer to so many questions of who serves."""
    real, left = world.fleet._balancer_status, [times]

    def status(host, backend="guestbook"):
        if host in balancers and left[0]:
            left[0] -= 1
            raise RefusedError("is silent")
        return real(host, backend)

    world.fleet._balancer_status = status


@pytest.mark.parametrize("times", [1, 2, 99])
def test_back_goes_one_by_one_where_nobody_knows_who_serves(tmp_path, times):
    """Silence of the balancer's minion is not taken for an empty pool."""
    world = served(tmp_path, count=4)
    world.fleet.faults["suite balancer1"] = lambda: (
        _mute(world, {"demo-balancer1"}, times),
        setattr(world.fleet.hosts["demo-web2"], "commit", THIRD),
    )
    started(world)
    assert not [step for step in drained(world)[4:] if step.count("web") > 2]
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}
    assert not [danger for danger in world.fleet.dangers if "empty" in danger]


def test_back_stops_at_the_floor_where_home_does_not_start(tmp_path):
    """What serves the new commit is left in rotation when the old one cannot run."""
    world = served(tmp_path, count=4)
    world.fleet.faults["suite balancer1"] = "it broke"
    world.fleet.homeless_code = OLD
    record = started(world)
    assert record["status"] == "bad"
    assert set(record["away"]) == set(world.fleet.hosts)
    inside = [name for name, host in world.fleet.hosts.items() if host.rotation]
    assert inside == ["demo-web3", "demo-web4"]
    assert "stays in rotation at 1111" in record["back"]["demo-web4"]
    assert not [danger for danger in world.fleet.dangers if "empty" in danger]


def test_back_that_missed_a_balancer_is_not_over(tmp_path):
    """A host that one balancer was not told of is named, and resume tells it."""
    world = served(tmp_path, balancers=2)
    real, silent = world.fleet._reply, []

    def reply(host, function, arguments):
        if host in silent and function != "balancer.status":
            return fleet.Reply(host, error="is silent", lost=True)
        return real(host, function, arguments)

    world.fleet._reply = reply
    world.fleet.faults["suite web2"] = lambda: silent.append("demo-balancer2")
    world.fleet.faults["ready web2"] = "it broke"
    record = started(world)
    assert record["away"]
    assert "demo-balancer2 did not answer" in record["back"]["demo-web2"]
    silent.clear()
    assert release.resume(world, "guestbook", "demo")["away"] == []


# The budget, once more.


def test_budget_without_a_balancer_is_none(tmp_path):
    """Where nothing keeps users from a failed host, none may fail."""
    world = _alone(served(tmp_path, count=2, failures=1))
    world.fleet.faults["suite web1"] = "it broke"
    assert started(world)["status"] == "bad"
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}


def test_budget_drains_no_host_below_the_floor(tmp_path):
    """Two processes that were started anew at once do not empty the pool."""
    world = served(tmp_path, failures=2, min_healthy_s=1)
    hosts = world.fleet.hosts
    real = rolling._look

    def look(run, before):
        if len(run.record["done"]) == 2:
            hosts["demo-web3"].fault = "is gone"
            for name in ("demo-web1", "demo-web2"):
                hosts[name].pid = 99
        return real(run, before)

    rolling._look, kept = look, real
    try:
        assert started(world)["status"] == "bad"
    finally:
        rolling._look = kept
    assert not [danger for danger in world.fleet.dangers if "empty" in danger]


def test_budget_that_the_floor_forbids_fails_at_once(tmp_path):
    """A failure after which no other host could go is none of the budget."""
    world = served(tmp_path, count=2, failures=1, floor=1)
    world.fleet.faults["switch web1 new"] = "it broke"
    record = started(world)
    assert record["status"] == "bad"
    assert record["reason"] == "demo-web1: it broke", "summaries show the first line"


# Clocks and orders.


def test_switch_counts_on_when_the_clock_steps_back(tmp_path, monkeypatch):
    """Hosts refuse lower numbers: a master whose clock is behind still goes home."""
    world = served(tmp_path)
    world.fleet.faults["suite web2"] = lambda: monkeypatch.setattr(
        "time.time_ns", lambda: 5
    )
    world.fleet.faults["ready web2"] = "it broke"
    assert started(world)["status"] == "bad"
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}
    assert started(world)["status"] == "good"
