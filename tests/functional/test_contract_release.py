"""A release holds the schema against one host, before any serves the new commit."""

import dataclasses

import pytest
from fake_fleet import NEW, OLD
from fake_world import ORDER, opened, started, steps

from holodeck import spec
from holodeck_master import building, release

_CONTRACT = {"schema": "/openapi.json", "seconds": 7, "checks": ["not_a_server_error"]}


def _with_contract(world, contract=_CONTRACT):
    service = dataclasses.replace(
        world.definition.services["guestbook"], contract=contract
    )
    definition = dataclasses.replace(world.definition, services={"guestbook": service})
    return dataclasses.replace(world, definition=definition)


@pytest.fixture
def promised(tmp_path):
    """A world with ``old`` in service, that promises its schema from now on."""
    world = opened(tmp_path)
    assert started(world, OLD)["status"] == "good"
    world.fleet.steps.clear()
    world.fleet.in_service = True
    return _with_contract(world)


def _contracts(world):
    return [step for step in world.fleet.steps if step.startswith("contract")]


def test_contract_is_asked_for_once_before_the_first_batch_serves(promised):
    """One host of the first batch is tested, after its suite, out of rotation."""
    assert started(promised)["status"] == "good"
    assert _contracts(promised) == ["contract web1"]
    assert "suite web1; contract web1; ready web1; drain web2" in steps(promised)
    assert promised.fleet.dangers == []


def test_contract_of_a_batch_is_held_against_its_first_host(tmp_path):
    """Several hosts of one batch answer alike: one is enough."""
    world = _with_contract(opened(tmp_path, count=4, batch=[2, "100%"]))
    assert started(world)["status"] == "good"
    assert len(_contracts(world)) == 1


def test_contract_is_what_the_definition_says(promised, monkeypatch):
    """The tester gets the terms, the host's address, and no leave to write."""
    asked, ask = {}, promised.fleet.ask

    def noted(hosts, function, deadline_s=60, **arguments):
        asked[function] = {"hosts": hosts, "deadline_s": deadline_s, **arguments}
        return ask(hosts, function, deadline_s, **arguments)

    monkeypatch.setattr(promised.fleet, "ask", noted)
    assert started(promised)["status"] == "good"
    sent = asked["webtest.contract"]
    assert sent["hosts"] == ["demo-tester1"]
    assert (sent["commit"], sent["contract"]) == (NEW, _CONTRACT)
    assert sent["target"] == {
        "name": "demo-web1", "kind": "host", "url": "http://10.0.0.0:8000",
    }  # fmt: skip
    assert sent["allow_writes"] is False
    assert 7 + 30 < sent["deadline_s"] < 7 + 60


def test_contract_that_is_broken_sends_everything_back(promised):
    """The one host that was switched goes back; the others were never touched."""
    promised.fleet.broken_contract = True
    record = started(promised)
    assert record["status"] == "bad"
    assert "demo-web1 contract" in record["reason"]
    assert "GET /entries: Server error" in record["reason"]
    assert {host.commit for host in promised.fleet.hosts.values()} == {OLD}
    assert all(host.rotation for host in promised.fleet.hosts.values())
    assert "web2" not in steps(promised).split("contract web1")[1]
    assert promised.fleet.dangers == []


def test_contract_that_is_broken_is_beyond_the_failure_budget(tmp_path):
    """It is the commit's fault: to go on without the host would not help."""
    world = opened(tmp_path, count=4)
    assert started(world, OLD)["status"] == "good"
    definition = opened(tmp_path / "rules", count=4, failures=2).definition
    world = _with_contract(dataclasses.replace(world, definition=definition))
    world.fleet.broken_contract = True
    assert started(world)["status"] == "bad"
    assert len(_contracts(world)) == 1


def test_contract_that_nobody_answers_for_is_not_kept(promised):
    """A tester that fails has proved nothing."""
    promised.fleet.faults["contract web1"] = "it has no room"
    record = started(promised)
    assert record["status"] == "bad"
    assert "it has no room" in record["reason"]
    assert {host.commit for host in promised.fleet.hosts.values()} == {OLD}


def test_rollback_asks_for_no_contract(promised):
    """What goes back may be of before the promise, and somebody is in a hurry."""
    assert started(promised)["status"] == "good"
    promised.fleet.steps.clear()
    record = release.rollback(promised, "guestbook", "demo", "", ORDER)
    assert (record["status"], record["commit"]) == ("good", OLD)
    assert _contracts(promised) == []


def test_only_a_service_with_a_contract_carries_schemathesis(promised):
    """The suite's bundle has the other lock then; the service's own is as before."""
    plain = promised.definition.services["guestbook"]
    plain = dataclasses.replace(plain, contract={})
    found = {}
    for service in (plain, promised.definition.services["guestbook"]):
        recipes = building.recipes_of(promised, service, "Debian 12 x86_64")
        locks = recipes["guestbook-suite"]["requirements"]
        found[locks] = spec.key("guestbook", NEW, recipes["guestbook"], "p")
    assert ["schemathesis" in lock for lock in found] == [False, True]
    assert len(set(found.values())) == 1
