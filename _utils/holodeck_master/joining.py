"""New hosts, put into rotation once they have proven the last good releases."""

from holodeck_io.errors import HolodeckError
from holodeck_master import agreement, building, ledger, locks, rotation, stages
from holodeck_master.plan import plan_for

_STATUS_S = 40
_STATES_S = 900


def join(world, environment):
    """
    Put new web hosts into rotation, and let new balancers send to those that serve.

    Each web host runs every service's last good release by then, which the base states
    have brought, and passes its suite. A service without one has nothing to serve yet.

    Raises :class:`~holodeck_io.errors.HolodeckError` for hosts that do not; they stay
    out of rotation, and the next call tries again.
    """
    plans = [plan_for(world, name, environment.name) for name in environment.services]
    _bring(world, plans)
    ill = {}
    for plan in plans:
        new = _new(world, plan)
        if not new:
            continue
        message = f"{', '.join(sorted(new))} to be put into rotation"
        with locks.held(world.opts, *plan.key, message, heeds=False):
            ill |= _join(world, plan, new)
            ledger.join(
                world.records, environment.name, plan.service.name, new - {*ill}
            )
    if ill:
        # They prove themselves the next time.
        ledger.leave(world.records, environment, ill)
        raise HolodeckError("\n".join(f"{h}: {why}" for h, why in sorted(ill.items())))


def check_unfinished(world, plan):
    """Raise when a release has not ended: its hosts must stay what it knows."""
    record = world.records.unfinished(*plan.key)
    if record:
        raise HolodeckError(
            f"{record['id']}: has not ended, and its runner died; `salt-run "
            f"holodeck.resume {' '.join(plan.key)}` or `holodeck.abort` first."
        )


def _new(world, plan):
    known = ledger.new(world.records, plan.environment.name, plan.service.name)
    return known & set(plan.environment.all_members())


def _bring(world, plans):
    """
    Apply the states again where they could not bring a release.

    While it runs, a release keeps them from its service; and its lock is that of
    :func:`join` too.
    """
    lacking = set()
    for plan in plans:
        last = world.records.last_good(*plan.key)
        web = set(plan.environment.members("web")) & _new(world, plan)
        if last and web and not locks.is_held(world.opts, *plan.key):
            lacking |= set(_without(world, plan, last, web))
    if lacking:
        world.note("join", sorted(lacking), "states being applied")
        world.fleet.ask(sorted(lacking), "state.apply", _STATES_S, queue=True)


def _join(world, plan, new):
    """Return ``{host: why}`` of those that could not be put into rotation."""
    last = world.records.last_good(*plan.key)
    if last is None:
        return {}
    check_unfinished(world, plan)
    web, pools = plan.environment.members("web"), rotation.serving_each(world, plan)
    serving = set().union(*pools.values())
    blank = [pool for balancer, pool in pools.items() if balancer in new]
    # Where no balancer is left to say who serves, every host proves itself anew.
    is_anew = bool(pools) and len(blank) == len(pools)
    fresh = [host for host in web if is_anew or host in new]
    unknown = {h for h in serving if any(h not in pool for pool in blank)}
    left = [h for h in web if h in fresh or h in unknown]
    code, ill = stages.code(last), {}
    if left:
        _check_testers(world, plan, last)
        stages.stage(world, plan, {"tester": [last["suite"]]})
    if is_anew:
        ill = _ill(world, plan, last, fresh)
        left = [host for host in left if host not in ill]
    elif fresh:
        for host, why in _without(world, plan, last, fresh).items():
            raise HolodeckError(f"{host}: {_told(host, last, why)}")
        stages.suite_on_hosts(world, plan, code, fresh)
    if left:
        rotation.ready(world, plan, left)
        world.note("join", left, f"in rotation at {last['id']}")
    if blank and left:
        stages.suite_on_balancers(world, plan, code)
    return ill


def _check_testers(world, plan, last):
    """Raise where they cannot have the suite, which is built for another system."""
    testers = stages.testers(plan.environment)
    for host, status in world.fleet.call(testers, "webapp.status", _STATUS_S).items():
        if building.is_foreign(last, status["platform"]):
            raise HolodeckError(
                f"{host}: cannot have the suite of {last['id']}: {_anew(plan, last)}."
            )


def _anew(plan, last):
    built = last["bundle"]["platform"]
    return (
        f"it was built for {built}; release {plan.service.name} again once all hosts "
        "have the new system"
    )


def _ill(world, plan, last, hosts):
    """Return ``{host: why}`` of hosts that do not run the last good release well."""
    found = _without(world, plan, last, hosts)
    ill = {host: _told(host, last, why) for host, why in found.items()}
    well, code = [h for h in hosts if h not in ill], stages.code(last)
    return ill | _failing(world, plan, code, well)


def _failing(world, plan, code, hosts):
    """Return ``{host: why}`` of those that fail the suite; the others pass it."""
    if not hosts:
        return {}
    try:
        stages.suite_on_hosts(world, plan, code, hosts)
    except HolodeckError as error:
        failed = {host: why for host, why in error.hosts.items() if host in hosts}
        if not failed:
            raise
        rest = [host for host in hosts if host not in failed]
        return failed | _failing(world, plan, code, rest)
    return {}


def _told(host, last, why):
    return f"does not run {last['id']} ({why}); `salt {host} state.apply` says why."


def _without(world, plan, last, hosts):
    """Return ``{host: why}`` of the hosts that do not run the last good release."""
    found = world.fleet.call(sorted(hosts), "webapp.status", deadline_s=_STATUS_S)
    services = {
        host: status["services"].get(plan.service.name, {})
        for host, status in found.items()
    }
    foreign = {
        host: _anew(plan, last)
        for host, status in found.items()
        if building.is_foreign(last, status["platform"])
    }
    return {
        host: service.get("fault") or foreign.get(host) or "nothing is deployed"
        for host, service in services.items()
        if not agreement.runs(service, last)
    }
