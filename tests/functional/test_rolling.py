"""Batches, the floor, the failure budget, and the way back of a whole fleet."""

import dataclasses

import pytest
from fake_fleet import NEW, OLD
from fake_world import drained, hearing, newest, opened, served, started, steps

from holodeck_master import rolling


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
