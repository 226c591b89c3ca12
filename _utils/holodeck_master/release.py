"""
The release: one commit onto one environment, or everything back as it was.

:func:`release` reads as the recipe. What goes wrong in it raises; what was
switched by then goes back to the last good release.
"""

from holodeck_io.errors import HolodeckError
from holodeck_master import building, locks, pruning, records
from holodeck_master.plan import plan_for
from holodeck_master.run import Run


def release(world, service, environment, ref, order):
    """
    Bring a commit onto an environment; return the record.

    ref
        A commit, branch or tag; empty for the service's branch.
    order
        Facts for the record: who, and why.
    """
    plan = plan_for(world, service, environment)
    building.check_ref(plan.service, ref)
    with locks.held(world.opts, *plan.key, f"release of {ref or 'the newest commit'}"):
        _bury_the_dead(world, plan)
        last = world.records.last_good(*plan.key)
        run = Run(world, plan, last, {"ref": ref, "kind": "release", **order})
        with run.recorded():
            run.ensure()
            run.resolve(ref)
            if run.is_there():
                return {**last, "unchanged": True}
            run.build()
            run.go()
        if run.record["status"] == records.GOOD:
            pruning.prune(world, plan)
        return run.record


def rollback(world, service, environment, to, order):
    """
    Bring an environment back to an earlier good release; return the record.

    to
        The id of a good release; empty for the one before the last good one.
    """
    plan = plan_for(world, service, environment)
    with locks.held(world.opts, *plan.key, f"rollback to {to or 'the release before'}"):
        _bury_the_dead(world, plan)
        last = world.records.last_good(*plan.key)
        target = _rollback_target(world, plan, last, to)
        run = Run(world, plan, last, {"kind": "rollback", "to": target["id"], **order})
        with run.recorded():
            run.ensure()
            run.reuse(target)
            run.go()
        if run.record["status"] == records.GOOD:
            if last["id"] != target["id"]:
                world.records.save({**last, "status": records.ROLLED_BACK})
            pruning.prune(world, plan)
        return run.record


def _bury_the_dead(world, plan):
    """
    Mark releases whose runner died: the lock is ours, so none can be running.

    What they left half done is mended by the release that comes now, which
    takes every host through every step.
    """
    for record in world.records.history(*plan.key):
        if record["status"] == records.RUNNING:
            reason = "its runner died before the end"
            world.records.save(
                {**record, "status": records.ABORTED, "reason": reason,
                 "ended": records.now()}
            )  # fmt: skip


def _rollback_target(world, plan, last, to):
    history = world.records.history(*plan.key)
    if last is None:
        raise HolodeckError(
            f"{plan.service.name} in {plan.environment.name}: has never had a good "
            "release; there is nothing to go back to."
        )
    candidates = [
        record
        for record in history
        if record["status"] in {records.GOOD, records.ROLLED_BACK}
        and record["deployment"] != last["deployment"]
    ]
    if not to and history[0]["status"] == records.ABORTED and "back" not in history[0]:
        # What a dead runner left mixed is brought back to where it was.
        return last
    if to:
        candidates = [record for record in candidates if record["id"] == to]
    else:
        candidates = [r for r in candidates if r["status"] == records.GOOD]
    if candidates:
        return candidates[0]
    good = ", ".join(r["id"] for r in history if r["status"] == records.GOOD) or "none"
    raise HolodeckError(
        f"Rollback: {to or 'the release before'} is not an earlier good release of "
        f"{plan.service.name} in {plan.environment.name} with another commit or "
        f"configuration than now; the good ones are {good}."
    )
