"""What a tester measures beside the suites: a steady load, and old against new."""

import contextlib

from holodeck import rollout
from holodeck_io.errors import HolodeckError
from holodeck_master import fleet, rotation, signals, stages

# A probe ends by itself after this time, should its runner have died.
_MOST_S = 7200
_GRACE_S = 30
_ENDED_S, _FAILED_S = 60, 2
# Below this a difference of times is noise.
_NOISE_MS = 1


class SlowerError(HolodeckError):
    """The new commit answers slower than the old one, by more than is allowed."""


def start(run):
    """
    Let a tester send requests through the balancers as long as the rollout lasts.

    It is there to be looked at, and decides nothing: nobody waits for it.
    """
    rules, plan = run.plan.placement.tests, run.plan
    targets = stages.balancer_targets(run.world, plan)
    if not (rules.probe_per_s and targets and run.last):
        # Before a first release nobody could answer.
        return
    tester = stages.testers(plan.environment)[0]
    # Before it is told: it may have been heard whatever comes, and must be ended.
    run.record["prober"] = tester
    run.save()
    with contextlib.suppress(fleet.UnheardError):
        run.world.fleet.tell(
            [tester], "webtest.probe",
            name=plan.service.name, commit=run.record["commit"], targets=targets,
            paths=_paths(plan), per_second=rules.probe_per_s, seconds=_MOST_S,
            turn=run.standby,
        )  # fmt: skip


def end(run):
    """
    End the probe, also that of a dead runner; keep what it saw for the report.

    Whatever goes wrong here is no release's fault.
    """
    with ended(run):
        pass


@contextlib.contextmanager
def ended(run):
    """
    Do what :func:`end` does while the block does something else.

    The tester tells what it saw once, also when the block fails; nobody on the way back
    waits for it then.
    """
    if "prober" not in run.record:
        yield
        return
    tester = run.record["prober"]
    turn = {"name": run.plan.service.name, "turn": run.standby}
    with contextlib.ExitStack() as asked:
        replies = None
        with _forgiven(run):
            question = [([tester], "webtest.probed", turn)]
            replies = asked.enter_context(run.world.fleet.begun(question))
        is_well = False
        try:
            yield
            is_well = True
        finally:
            with _forgiven(run):
                if replies:
                    _keep(run, tester, replies(_ENDED_S if is_well else _FAILED_S))
            if replies or is_well:
                # Else it was not heard, and is ended with the release.
                del run.record["prober"]


@contextlib.contextmanager
def _forgiven(run):
    try:
        yield
    except signals.InterruptedReleaseError:
        raise
    except HolodeckError as error:
        run.world.say("rollout", f"the probe was not ended: {error}")


def _keep(run, tester, replies):
    if replies[tester].ok and replies[tester].value:
        run.story.add(probe=replies[tester].value)
    else:
        why = replies[tester].error or "it had seen nothing yet"
        run.world.say("rollout", f"no probe from {tester}: {why}")


def compare(run, host):
    """
    Measure a switched host beside one that still runs the old commit.

    Raises :class:`SlowerError` where the new one's 95th percentile is more than the
    definition's factor above the old one's.
    """
    rules, plan = run.plan.placement.tests, run.plan
    if not rules.latency_factor:
        return
    other = _old_host(run)
    if other is None:
        run.world.say("rollout", "latency: no host of the old commit to compare with")
        return
    tester = stages.testers(plan.environment)[0]
    addresses = run.world.records.addresses(plan.environment.name)
    old, new = (
        rollout.host_target(name, addresses[name], plan.service.port)
        for name in (other, host)
    )
    found = run.world.fleet.call(
        [tester], "webtest.compare", deadline_s=rules.latency_s + _GRACE_S,
        name=plan.service.name, commit=run.record["commit"], old=old, new=new,
        paths=_paths(plan), seconds=rules.latency_s,
    )[tester]  # fmt: skip
    hosts = {"old": other, "new": host}
    run.story.add(latency={**found, "hosts": hosts, "factor": rules.latency_factor})
    _judge(found, hosts, rules.latency_factor)
    words = f"p95 {found['new']['p95']} ms, {found['old']['p95']} ms on {other}"
    run.world.note("rollout", [host], words)


def _judge(found, hosts, factor):
    old, new = found["old"]["p95"], found["new"]["p95"]
    if found["failed"]["new"] > found["failed"]["old"]:
        raise SlowerError(
            f"{hosts['new']}: {found['failed']['new']} of {found['new']['n']} requests "
            f"had no good answer, {found['failed']['old']} on {hosts['old']}."
        )
    if new > old * factor + _NOISE_MS:
        raise SlowerError(
            f"{hosts['new']}: answers within {new} ms at the 95th percentile, "
            f"{hosts['old']} at the old commit within {old} ms; at most {factor} times "
            "is allowed (`latency_factor`)."
        )


def _old_host(run):
    """Return a host that serves the last good release, or ``None``."""
    pools = rotation.pools(run.world, run.plan) or []
    serving = set.intersection(*pools) if pools else set(run.hosts)
    for other in run.hosts:
        found = run.service_on(other)
        is_old = run.last and found.get("deployment") == run.last["deployment"]
        if is_old and other in serving and other not in run.record["switched"]:
            return other
    return None


def _paths(plan):
    return list(plan.placement.tests.probe_paths or [plan.service.health])
