"""
The steps of a release on hosts, each a call to minions.

Nothing here decides: it asks, and raises when the answer is no.
"""

import contextlib
import uuid

from holodeck import names, rollout, spec
from holodeck_http import dealing, verdict
from holodeck_io.errors import HolodeckError
from holodeck_master import fleet

_BALANCER_S = 15
_GRACE_S = 15
# To start, to load the schema, and for a last request.
_CONTRACT_S = 45
# What a service raised explains why it failed; nobody waits long for that.
_RAISED_S, _RAISED_LINES = 5, 9


class SuiteFailedError(HolodeckError):
    """
    The HTTP suite did not pass on every target.

    ``hosts`` are those whose own fault that is, ``proof`` is what
    :func:`holodeck_http.verdict.joined` found, ``raised`` what a host raised then.
    """

    def __init__(self, proof, raised=()):
        lines = rollout.suite_reasons(proof["faults"], proof["rows"])
        super().__init__("\n".join(["The suite did not pass.", *lines, *raised]))
        self.hosts = {f["target"]: f["why"] for f in proof["faults"] if f["is_own"]}
        self.proof = proof


def stage(world, plan, placed):
    """
    Install bundles beside what runs; every host must report the same bytes.

    placed
        ``{role: bundles}``.
    """
    environment, told = plan.environment, (*spec.INSTALLED, "signature")
    # Whose signature is demanded may have changed since the release began.
    anew = bool(world.definition.signing)
    groups = [
        (
            environment.members(role),
            "bundle.stage",
            {
                "bundles": [{k: b[k] for k in told if k in b} for b in bundles],
                "mark": "" if anew else world.mark(environment, role),
            },
        )
        for role, bundles in placed.items()
    ]
    proven = world.fleet.call_groups(groups, plan.rules.stage_s)
    wrong = []
    for role, bundles in placed.items():
        found = {host: proven[host] for host in environment.members(role)}
        wrong += rollout.unproven(found, rollout.expected_digests(bundles))
    if wrong:
        raise HolodeckError(
            f"Same bytes: {', '.join(wrong)} did not report the bundle's digests."
        )


def switch(world, plan, hosts, target, order, **more):
    """
    Run ``target`` on hosts and wait until it is healthy; return what runs.

    order
        A number that grows from call to call: hosts refuse a lower one.
    more
        Arguments for hosts that have the pack's present code: those of a way back may
        still have an older one.
    """
    seconds = plan.rules.health_s
    return world.fleet.call(
        hosts, "webapp.switch", deadline_s=seconds + _BALANCER_S + _GRACE_S,
        name=plan.service.name, commit=target["commit"],
        deployment=target["deployment"], timeout_s=seconds, order=order, **more,
    )  # fmt: skip


@contextlib.contextmanager
def standby(world, plan, record):
    """
    Let testers have the suite's pytest ready during the block, for all its runs.

    Yields its name, which no other runner has. It is the faster way alone: a run that
    finds none starts its own.
    """
    asked = testers(plan.environment)
    name = {"standby": f"{record['id']}.{uuid.uuid4().hex}"}
    with contextlib.suppress(fleet.UnheardError):
        world.fleet.tell(
            asked, "webtest.stand_by", name=plan.service.name,
            commit=record["commit"], mark=world.mark(plan.environment, "tester"),
            **name,
        )  # fmt: skip
    try:
        yield name["standby"]
    finally:
        with contextlib.suppress(fleet.UnheardError):
            world.fleet.tell(asked, "webtest.dismiss", **name)


def code(record):
    """Return what the suites below have to know of a release."""
    return {"commit": record["commit"], "health": record.get("health")}


def suite_on_hosts(world, plan, code, hosts):
    """
    Run the suite from the testers against each of ``hosts``; return the proof.

    code
        What :func:`code` returned, and ``standby``, what :func:`standby` yielded.
    """
    addresses = world.records.addresses(plan.environment.name)
    targets = [
        rollout.host_target(host, addresses[host], plan.service.port) for host in hosts
    ]
    dealt = dealing.assign(testers(plan.environment), targets)
    return _suite(world, plan, code, dealt)


def contract_on_host(world, plan, code, host):
    """
    Hold the service's schema against one host, from one tester; return the proof.

    Raises :class:`SuiteFailedError`; a contract that is broken is no host's own fault.
    """
    tester, contract = testers(plan.environment)[0], plan.service.contract
    address = world.records.addresses(plan.environment.name)[host]
    reply = world.fleet.ask(
        [tester], "webtest.contract", deadline_s=contract["seconds"] + _CONTRACT_S,
        name=plan.service.name, commit=code["commit"], contract=contract,
        target=rollout.host_target(host, address, plan.service.port),
        allow_writes=plan.placement.allow_writes,
        mark=world.mark(plan.environment, "tester"),
    )[tester]  # fmt: skip
    row = f"{host} contract"
    answers = {}
    if reply.ok and isinstance(reply.value, dict):
        told = {key: reply.value.get(key) for key in ("truncated", "report")}
        answers[tester] = {"targets": {row: reply.value}, **told}
    lost = {} if reply.ok else {tester: reply.error}
    proof = verdict.joined({tester: [{"name": row}]}, answers, lost)
    if proof["faults"]:
        raise SuiteFailedError(proof, _raised(world, plan, [host]))
    return proof


def suite_on_balancers(world, plan, code):
    """
    Run the suite from every tester through every balancer; return the proof.

    Where users know the place by a name, that is tested too, as it resolves. Without
    a balancer there is nothing to prove, and ``{}``.
    """
    targets = balancer_targets(world, plan)
    if not targets:
        return {}
    if plan.placement.url:
        targets.append(rollout.url_target(plan.placement))
    dealt = dict.fromkeys(testers(plan.environment), targets)
    return _suite(world, plan, code, dealt)


def balancer_targets(world, plan):
    """Return the targets of each balancer's own address and of the one they share."""
    addresses = world.records.addresses(plan.environment.name)
    targets = [
        rollout.balancer_target(host, addresses[host], plan.placement)
        for host in plan.environment.members("balancer")
    ]
    if virtual := plan.environment.virtual_address:
        address = virtual.partition("/")[0]
        targets.append(
            rollout.balancer_target("virtual-address", address, plan.placement)
        )
    return targets


def prune(world, environment, service, keep):
    """
    Remove bundles and deployments that nothing needs; never fail a release.

    What stays is in each host's package database from then on. ``keep`` is a list of
    records.
    """
    commits = [record["commit"] for record in keep]
    deployments = [record["deployment"] for record in keep]
    suite = names.suite_bundle(service)
    web, testers = environment.members("web"), environment.members("tester")
    kept = {"name": service, "keep": deployments, "commits": commits}
    groups = [
        (web, "webapp.prune", kept),
        (testers, "bundle.prune", {"name": suite, "keep": commits}),
    ]
    for reply in world.fleet.ask_groups(groups, deadline_s=120).values():
        if not reply.ok:
            world.say("prune", f"{reply.host}: {reply.error}")


def _suite(world, plan, code, dealt):
    """
    Run the suite where it was dealt; return the proof that it passed.

    Raises :class:`SuiteFailedError` when a target did not pass, or a tester said
    nothing of one.
    """
    rules = plan.placement.tests
    asked = {
        "name": plan.service.name,
        "commit": code["commit"],
        "suite": "suite" if plan.service.suite else None,
        "checks": plan.service.checks or None,
        "deadline_s": plan.rules.suite_s,
        "test_s": rules.test_s,
        # That of its time, which a rollback to it has.
        "ready": code.get("health") or plan.service.health,
        "ready_s": rules.ready_s,
        "allow_writes": plan.placement.allow_writes,
        "mark": world.mark(plan.environment, "tester"),
        "standby": code.get("standby"),
    }
    groups = [
        ([tester], "webtest.run", {**asked, "targets": targets})
        for tester, targets in dealt.items()
    ]
    replies = world.fleet.ask_groups(groups, plan.rules.suite_s + _GRACE_S)
    answers = {tester: reply.value for tester, reply in replies.items() if reply.ok}
    lost = {tester: reply.error for tester, reply in replies.items() if not reply.ok}
    proof = verdict.joined(dealt, answers, lost)
    if proof["faults"]:
        own = {f["target"] for f in proof["faults"] if f["is_own"]}
        targets = [target for each in dealt.values() for target in each]
        hosts = [t["name"] for t in targets if t["kind"] == "host" and t["name"] in own]
        raise SuiteFailedError(proof, _raised(world, plan, hosts))
    return proof


def _raised(world, plan, hosts):
    """Return what the first of hosts that has raised anything raised, line by line."""
    if not hosts:
        return []
    asked = {"name": plan.service.name, "lines": _RAISED_LINES}
    with contextlib.suppress(fleet.UnheardError):
        replies = world.fleet.ask(hosts, "webapp.raised", _RAISED_S, **asked)
        for host, reply in replies.items():
            if reply.ok and reply.value:
                *frames, cause = reply.value.splitlines()
                return [f"{host} raised: {cause}", *(f"  {x}" for x in frames)]
    return []


def testers(environment):
    """Return the testers of an environment, of which there must be some."""
    found = environment.members("tester")
    if not found:
        raise HolodeckError(
            f"Environment {environment.name}: has no tester; add one under "
            f"environments/{environment.name}/hosts/tester."
        )
    return found
