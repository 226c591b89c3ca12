"""
The rollout: batch after batch out of rotation, switched, tested, and back in.

What serves already is watched as long as the rest waits: in a hold, in a pause, and
for the time that a batch has to stay healthy.
"""

import math
import time

from holodeck import names, rollout
from holodeck_io.errors import HolodeckError
from holodeck_master import (
    agreement,
    locks,
    probing,
    reports,
    rotation,
    signals,
    stages,
    staging,
    wishes,
)

# For an answer that came while something else was done, and may have been missed.
_ANSWERED_S = 5

_POLL_S = 0.5
# Between two looks at what serves: at first, and at most in a long wait.
_LOOK_S = 2
_LOOK_MOST_S = 15


def take_over(run):
    """Stage, roll over, and test through the balancer."""
    with (
        run.phase("stage"),
        reports.commits_asked(run),
        rotation.pools_asked(run.world, run.plan) as pools,
    ):
        staging.stage(run)
        serving = pools(_ANSWERED_S)
    with stages.standby(run.world, run.plan, run.record) as run.standby:
        with run.phase("rollout"):
            _roll_over(run, serving)
        with run.phase("balancer"):
            if run.test(stages.suite_on_balancers):
                words = "the suite passed through every balancer"
                run.world.say("balancer", words)
            with probing.ended(run):
                agreement.check(run)


def _roll_over(run, pools):
    """
    Take over every host that is not done yet.

    pools
        Who served a moment ago, as :func:`holodeck_master.rotation.pools` returns it.
    """
    rules = run.plan.rules
    probing.start(run)
    # What serves nobody goes first: it is there for the pool when the others go.
    serving = set.intersection(*pools) if pools else set()
    ordered = sorted(run.hosts, key=serving.__contains__)
    batches = rollout.batches(ordered, rules.batch, rules.floor)
    run.world.expect("rollout", [h for batch in batches for h in batch])
    for batch in batches:
        pause(run)
        _batch(run, [host for host in batch if host not in run.record["done"]])
        if batch is batches[0] and rules.hold_s and not run.record.get("held"):
            _let_in(run)
            _hold(run, batch)
    _let_in(run)


def _batch(run, hosts):
    """Take over a batch, in parts where failed hosts leave no room for the whole."""
    while hosts:
        free = rollout.room(len(run.hosts), run.plan.rules.floor)
        part = hosts[: max(1, free - len(run.record["failed"]))]
        _part(run, part)
        hosts = hosts[len(part) :]


def _part(run, hosts):
    try:
        _roll(run, hosts)
    except HolodeckError as error:
        _give_up(run, error)
        rest = [host for host in hosts if host not in run.record["failed"]]
        if rest:
            _part(run, rest)
    else:
        if seconds := run.plan.rules.min_healthy_s:
            _let_in(run)
            _watch(run, seconds)


def _give_up(run, error):
    """Go on without the hosts at fault, within the failure budget; else raise."""
    failed = run.record["failed"]
    culprits = {h: why for h, why in error.hosts.items() if h in run.hosts}
    if not culprits or len({*failed, *culprits}) > _budget(run, culprits):
        raise error
    if serving := [host for host in run.record["done"] if host in culprits]:
        floor = _floor(run)
        try:
            rotation.drain(
                run.world, run.plan, serving, floor=floor, come_what_may=True
            )
        except HolodeckError as refusal:
            raise error from refusal
    run.record["done"] = [h for h in run.record["done"] if h not in culprits]
    for host, why in culprits.items():
        failed[host] = why.splitlines()[0]
        run.note("rollout", [host], f"failed, stays out of rotation: {why}")
    run.save()


def _budget(run, culprits):
    """Return how many hosts may fail: another one must still be able to go."""
    if not run.plan.environment.members("balancer"):
        # Nothing would keep users from it.
        return 0
    past = {*run.record["done"], *run.record["failed"], *culprits}
    waiting = [host for host in run.hosts if host not in past]
    spare = len(run.hosts) - max(1, _floor(run)) - bool(waiting)
    return min(run.plan.rules.failures, spare)


def _roll(run, hosts):
    """
    Out of rotation, switched and tested.

    They are let in as the next ones go out, in one call.
    """
    world, plan, record = run.world, run.plan, run.record
    run.story.note("rollout", hosts, "begins")
    record["touched"] = list(dict.fromkeys([*record["touched"], *hosts]))
    run.save()
    if run.tested:
        rotation.swap(world, plan, run.tested, hosts, floor=_floor(run))
        _note_in(run)
    else:
        rotation.drain(world, plan, hosts, floor=_floor(run))
    run.note("rollout", hosts, "out of rotation")
    record["switched"] = list(dict.fromkeys([*record["switched"], *hosts]))
    run.save()
    mark = world.mark(plan.environment, "web")
    stages.switch(world, plan, hosts, record, run.next_order(), mark=mark)
    run.note("rollout", hosts, f"healthy at {names.short(record['commit'])}")
    run.test(stages.suite_on_hosts, hosts)
    run.note("rollout", hosts, "the suite passed")
    if not record["done"]:
        look_closer(run, hosts[0])
    run.tested = list(hosts)


def _let_in(run):
    """Put back into rotation what was tested last."""
    if run.tested:
        rotation.ready(run.world, run.plan, run.tested)
        _note_in(run)


def _note_in(run):
    hosts, run.tested, record = run.tested, [], run.record
    run.note("rollout", hosts, "back in rotation")
    record["touched"] = [host for host in record["touched"] if host not in hosts]
    record["done"] = [*record["done"], *hosts]
    run.save()


def look_closer(run, host):
    """Test the first host of all also for its contract and its speed."""
    if run.plan.service.contract:
        run.test(stages.contract_on_host, host)
        run.note("rollout", [host], "the suite passed, and keeps its contract")
    probing.compare(run, host)


def _floor(run):
    """Return how many hosts have to serve while others are out of rotation."""
    pool = len(run.hosts)
    return pool - rollout.room(pool, run.plan.rules.floor)


def pause(run):
    """Wait while somebody wants a pause."""
    file = locks.wish(run.world.opts, *run.plan.key)
    asked = wishes.read(file)
    if asked.get("word") == wishes.PAUSE:
        _let_in(run)
        _wait(run, f"paused by {asked['user']}", math.inf, {wishes.PROMOTE, None})


def _hold(run, batch):
    """Let the first batch serve alone for a while, or until somebody promotes it."""
    rules = run.plan.rules
    if not set(batch) & set(run.record["done"]):
        raise HolodeckError("No host of the first batch is left that could be watched.")
    words = f"the first batch serves for {rules.hold_s} s"
    over = {wishes.PROMOTE, wishes.PAUSE}
    promoted = _wait(run, words, rules.hold_s, over)
    # Whoever pauses stops the clock, and promotes later.
    pause(run)
    if rules.promote == "by-hand" and not promoted:
        raise HolodeckError(f"Nobody promoted it within {rules.hold_s} s.")
    run.record["held"] = True
    run.save()


def _wait(run, words, seconds, over):
    """Wait in sight of everybody; return whether a wish of ``over`` ended it."""
    file = locks.wish(run.world.opts, *run.plan.key)
    place = f"`salt-run holodeck.promote {' '.join(run.plan.key)}` goes on"
    run.record["waiting"] = words
    run.save()
    run.world.say("rollout", f"{words}; {place}")
    met = _watch(run, seconds, lambda: wishes.read(file).get("word") in over)
    if wishes.read(file).get("word") == wishes.PROMOTE:
        file.unlink(missing_ok=True)
    del run.record["waiting"]
    run.save()
    return met


def _watch(run, seconds, is_over=lambda: False):
    """
    Look after what serves for a while; return whether ``is_over`` ended it.

    A host that is not as the release left it, or whose process was started anew, has
    failed.
    """
    started = time.monotonic()
    looked_at = started
    before = agreement.serving(run)
    while (past := time.monotonic() - started) < seconds:
        signals.check()
        if is_over():
            return True
        if time.monotonic() - looked_at > min(max(_LOOK_S, past / 20), _LOOK_MOST_S):
            _look(run, before)
            looked_at = time.monotonic()
        time.sleep(min(_POLL_S, seconds - past))
    _look(run, before)
    return is_over()


def _look(run, before):
    try:
        agreement.check_serving(run, before)
    except agreement.DisagreementError as error:
        _give_up(run, error)
