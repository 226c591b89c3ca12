"""
The release: one commit onto one environment, or everything back as it was.

:func:`release` reads as the recipe. What goes wrong in it raises; what was
switched by then goes back to the last good release.
"""

import contextlib

from holodeck_io.errors import HolodeckError
from holodeck_master import (
    balancers,
    building,
    keeping,
    ledger,
    locks,
    pillar,
    pruning,
    records,
    replacing,
    reports,
    rotation,
    signals,
    wishes,
)
from holodeck_master.plan import plan_for
from holodeck_master.run import Run


def release(world, service, environment, ref, order, check=None):
    """
    Bring a commit onto an environment; return the record.

    ref
        A commit, branch or tag; empty for the service's branch.
    order
        Facts for the record: who, and why.
    check
        Called with the run once its commit is known; raises to refuse it.
    """
    plan = plan_for(world, service, environment)
    building.check_ref(plan.service, ref)
    _check_freeze(world, plan)
    what = f"release of {ref or 'the newest commit'}"
    with _held(world, plan, what) as (present, plan):
        left = _left_behind(present, plan)
        run = _begun(present, plan, {"ref": ref, "kind": "release", **left, **order})
        before = balancers.told(present.records, plan.environment)
        with run.recorded():
            run.find(ref)
            if check:
                check(run)
            if run.is_there():
                present.records.bury(*plan.key)
                now = balancers.told(present.records, plan.environment)
                told = [b for b in now if now[b] != before.get(b)]
                return {**run.last, "unchanged": True, "told": told}
            run.build()
            run.go()
        return _concluded(run)


def rollback(world, service, environment, to, order):
    """
    Bring an environment back to an earlier good release; return the record.

    to
        The id of a good release; empty for the one before the last good one.
    """
    plan = plan_for(world, service, environment)
    _check_freeze(world, plan)
    what = f"rollback to {to or 'the release before'}"
    with _held(world, plan, what) as (present, plan):
        left = _left_behind(present, plan)
        last = present.records.last_good(*plan.key)
        target = _rollback_target(present, plan, last, to)
        run = _begun(
            present, plan, {"kind": "rollback", "to": target["id"], **left, **order}
        )
        with run.recorded():
            run.ensure()
            run.reuse(target)
            run.go()
        return _concluded(run)


def resume(world, service, environment):
    """
    Finish what a dead runner began; return the record.

    A release goes on where it was, one that had failed goes on going back: also one
    that ended, and had to leave hosts behind.
    """
    plan = plan_for(world, service, environment)
    _check_freeze(world, plan)
    with _held(world, plan, "resumed release") as (present, plan):
        record = _unfinished(present, plan)
        if "verdict" not in record:
            _check_same_configuration(present, plan, record)
            replacing.check_place(present, plan, record)
        run = _begun(present, plan, record)
        with run.recorded():
            run.ensure()
            run.resume()
            if record["kind"] == "rollback":
                run.reuse(present.records.find(record["to"]))
            else:
                run.build()
            run.go()
        return _concluded(run)


def abort(world, service, environment, user):
    """
    Bring back what a release has switched; return the record.

    One that runs is asked to, one whose runner died is brought back here.
    """
    plan = plan_for(world, service, environment)
    try:
        with _held(world, plan, "aborted release") as (present, plan):
            run = _begun(present, plan, _unfinished(present, plan))
            with run.recorded():
                raise signals.InterruptedReleaseError(
                    f"It was aborted by {user}, after its runner had died."
                )
            return _concluded(run)
    except locks.LockedError:
        if not locks.is_held(world.opts, *plan.key):
            raise
        return wishes.make(world, plan.key, wishes.ABORT, user)


@contextlib.contextmanager
def _held(world, plan, message):
    """Hold what nobody else may change meanwhile; yield world and plan of by now."""
    with contextlib.ExitStack() as held:
        if replacing.changes_hosts(world, plan):
            hosts = locks.held_hosts(world.opts, plan.environment.name, message)
            held.enter_context(hosts)
        held.enter_context(locks.held(world.opts, *plan.key, message))
        # It may have waited for a scaling.
        world = world.present()
        yield world, plan_for(world, *plan.key)


def _begun(world, plan, record):
    if "id" in record:
        # It is taken up again; older ones never will be.
        world.records.bury(*plan.key, but=record["id"])
    if record["kind"] == "rollback":
        # It was tested once, and whoever wants it back is in a hurry.
        plan = plan.at_once()
    return Run(world, plan, world.records.last_good(*plan.key), record)


def _concluded(run):
    """Return the record; what a good release leaves behind is put in order."""
    world, record = run.world, run.record
    with signals.shielded():
        reports.keep(world, record["id"])
        if record["status"] != records.GOOD:
            with contextlib.suppress(HolodeckError):
                record["unserved"] = rotation.unserved(world, run.plan)
                if record["unserved"]:
                    world.records.save(record)
            return record
        _note_joined(run)
        replacing.conclude(run)
        if record["kind"] == "rollback" and record["previous"] != record["to"]:
            undone = world.records.find(record["previous"])
            world.records.save({**undone, "status": records.ROLLED_BACK})
        pruning.prune(world, run.plan)
    return record


def _note_joined(run):
    """Hosts that a good release has tested have their part in rotation."""
    service, environment = run.plan.key
    joined = [*run.record["done"], *run.plan.environment.members("balancer")]
    ledger.join(run.world.records, environment, service, joined)


def _check_freeze(world, plan):
    frozen = world.records.freeze(*plan.key)
    if frozen:
        why = f": {frozen['message']}" if frozen.get("message") else ""
        raise HolodeckError(
            f"{' in '.join(plan.key)}: is frozen by {frozen['user']} since "
            f"{frozen['since']}{why}; `salt-run holodeck.unfreeze "
            f"{' '.join(plan.key)}` ends that."
        )


def _check_same_configuration(world, plan, record):
    now = pillar.config_digest(world.records, plan.service, plan.placement)
    if record["kind"] == "release" and record["config"] != now:
        raise HolodeckError(
            f"{record['id']}: the configuration in pillar has changed since it began; "
            "change that back, or `holodeck.abort` it and release again."
        )


def _unfinished(world, plan):
    """Return the newest record: its runner died, or it could not undo all it did."""
    newest = world.records.newest(*plan.key)
    if newest and newest["status"] == records.RUNNING:
        return newest
    is_failed = newest and newest["status"] != records.GOOD
    left = is_failed and keeping.left_over(world, plan.environment)
    if newest and (newest.get("away") or left):
        return {**newest, "verdict": newest["status"], "status": records.RUNNING}
    how = f"{newest['id']} is {newest['status']}" if newest else "none began"
    raise HolodeckError(f"{' in '.join(plan.key)}: no release is unfinished; {how}.")


def _left_behind(world, plan):
    """
    Return the hosts that the newest release left away from home, for the next record.

    Its runner died, or it could not reach them. The next release takes every host
    through every step, or brings these home too.
    """
    newest = world.records.newest(*plan.key) or {}
    left = newest.get("away", [])
    if newest.get("status") == records.RUNNING:
        left = [*left, *newest.get("touched", []), *newest.get("failed", {})]
    return {"touched": list(dict.fromkeys(left))}


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
    ended = history[0]["status"] not in {records.RUNNING, records.ABORTED}
    if not (to or ended or "back" in history[0]):
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
