"""
The way back: every host that was touched goes home to the last good release.

Good traffic is restored before bad is taken away: what is out of rotation goes first.
Then the rest, as many at once as the pool's floor allows.
"""

from holodeck import names, rollout
from holodeck_io.errors import HolodeckError
from holodeck_master import stages


def go_back(run):
    """
    Bring the hosts home; return ``{host: words}``.

    A host that fails on the way stays out of rotation, and stops no other one; the
    record names it as ``away``, for whoever resumes.
    """
    _look(run)
    outcome, away = {}, run.record.setdefault("away", [])
    away.clear()
    for hosts, switched in _groups(run):
        found = _back(run, hosts, switched, away)
        outcome |= found
        for host in hosts:
            run.world.say("back", f"{host}: {found[host]}")
    return outcome


def _look(run):
    """Ask the hosts that nobody has asked yet; one that is lost stops nothing."""
    unseen = [host for host in run.hosts if host not in run.statuses]
    if run.record.get("id") and unseen:
        replies = run.world.fleet.ask(unseen, "webapp.status")
        run.statuses |= {h: reply.value for h, reply in replies.items() if reply.ok}


def _groups(run):
    """Yield ``(hosts, whether they were switched)`` in the order of their way back."""
    touched = run.record["touched"]
    switched = [*run.record["switched"], *_strayed(run)]
    untouched = [host for host in touched if host not in switched]
    outside = [h for h in switched if h in touched or h in run.record["failed"]]
    inside = [host for host in switched if host not in outside]
    if untouched:
        yield untouched, False
    if outside:
        yield outside, True
    while inside:
        chunk = _chunk(run, inside)
        yield chunk, True
        inside = [host for host in inside if host not in chunk]


def _chunk(run, hosts):
    """
    Return those that may go next: as many as leave the floor of what serves now.

    What does not serve goes last: it may be lost, which takes time to notice.
    """
    serving = stages.in_rotation(run.world, run.plan)
    floor = rollout.size_of(run.plan.rules.floor, len(run.hosts))
    free = max(1, len(serving) - floor)
    return [host for host in hosts if host in serving][:free] or hosts


def _strayed(run):
    """Return the hosts that a dead runner had left away from the last good."""
    return [
        host
        for host in run.hosts
        if run.last and host not in run.record["switched"] and _is_away(run, host)
    ]


def _is_away(run, host):
    if host not in run.statuses:
        # Nobody knows what it runs, should it come back.
        return host in run.record["touched"]
    return run.service_on(host).get("deployment") != run.last["deployment"]


def _back(run, hosts, switched, away):
    """Take hosts home together; where that fails, those at fault last, one by one."""
    try:
        return _together(run, hosts, switched)
    except HolodeckError as error:
        if len(hosts) == 1:
            away += hosts
            return {hosts[0]: f"stays out of rotation: {error}"}
        ordered = sorted(hosts, key=error.hosts.__contains__)
    found = {}
    for host in ordered:
        found |= _back(run, [host], switched, away)
    return found


def _together(run, hosts, switched):
    here = (run.world, run.plan, hosts)
    stays = not switched and (run.last or all(_still_serves(run, h) for h in hosts))
    # The last one that serves is restarted in rotation: its requests wait, or are
    # tried again, where an empty pool would refuse them.
    last_one = switched and run.last and _is_last_one(run, hosts)
    if not (stays or last_one):
        stages.drain(*here, without_lost=True)
    if not (stays or run.last):
        return dict.fromkeys(hosts, _left_outside(run, hosts))
    if switched:
        stages.switch(*here, run.last)
    stages.ready(*here, without_lost=True)
    words = f"in rotation at {names.short(run.served['commit'])}"
    return dict.fromkeys(hosts, words)


def _is_last_one(run, hosts):
    serving = stages.in_rotation(run.world, run.plan)
    return bool(serving) and serving <= set(hosts)


def _left_outside(run, hosts):
    """Keep users from what has no way back: without a balancer it is stopped."""
    if run.plan.environment.members("balancer"):
        return f"out of rotation: {run.homeless}"
    run.world.fleet.call(hosts, "webapp.remove", name=run.plan.service.name)
    return f"stopped: {run.homeless}"


def _still_serves(run, host):
    """Tell whether a host still has the process and bytes of the last good one."""
    found, good = run.service_on(host), run.served
    return good and found.get("stranded") and found["deployment"] == good["deployment"]
