"""New hosts, put into rotation once they have proven the last good releases."""

from holodeck_io.errors import HolodeckError
from holodeck_master import fleet, ledger, locks, rotation, stages
from holodeck_master.plan import plan_for

_STATUS_S = 40


def join(world, environment):
    """
    Put new web hosts into rotation, and let new balancers send to those that serve.

    Each web host runs every service's last good release by then, which the base states
    have brought, and passes its suite. A service without one has nothing to serve yet.

    Raises :class:`~holodeck_io.errors.HolodeckError` for hosts that do not; they stay
    out of rotation, and the next call tries again.
    """
    members = set(environment.all_members())
    for service in environment.services:
        new = ledger.new(world, environment.name, service) & members
        if not new:
            continue
        message = f"{', '.join(sorted(new))} to be put into rotation"
        with locks.held(world.opts, service, environment.name, message):
            _join(world, plan_for(world, service, environment.name), new)
            ledger.join(world, environment.name, service)


def _join(world, plan, new):
    last = world.records.last_good(*plan.key)
    if last is None:
        return
    check_unfinished(world, plan)
    web, pools = plan.environment.members("web"), _pools(world, plan)
    serving = set().union(*pools.values())
    outside = [h for h in web if any(h not in pool for pool in pools.values())]
    # Without a balancer they serve already; then it is told that they should not.
    unproven = [h for h in web if h in new and (h in outside or not pools)]
    blank = [pool for balancer, pool in pools.items() if balancer in new]
    unknown = {h for h in serving if any(h not in pool for pool in blank)}
    left = [h for h in web if h in unproven or h in unknown]
    code = {"commit": last["commit"]}
    if unproven or left:
        stages.stage(world, plan, {"tester": [last["suite"]]})
    if unproven:
        _check_release(world, plan, last, unproven)
        stages.suite_on_hosts(world, plan, code, unproven)
    if left:
        rotation.ready(world, plan, left)
        world.say("join", f"{', '.join(left)}: in rotation at {last['id']}")
    if new & set(pools):
        stages.suite_on_balancers(world, plan, code)


def _pools(world, plan):
    """Return ``{balancer: the hosts that it sends requests to}``."""
    replies = rotation.ask_balancers(world, plan)
    if not all(reply.ok for reply in replies.values()):
        raise fleet.CallFailedError("balancer.status", replies)
    return {name: rotation.serving(plan, reply) for name, reply in replies.items()}


def check_unfinished(world, plan):
    """Raise when a release has not ended: its hosts must stay what it knows."""
    record = world.records.unfinished(*plan.key)
    if record:
        raise HolodeckError(
            f"{record['id']}: has not ended, and its runner died; `salt-run "
            f"holodeck.resume {' '.join(plan.key)}` or `holodeck.abort` first."
        )


def _check_release(world, plan, last, hosts):
    """Highstate has brought the release, unless something is in its way."""
    found = world.fleet.call(hosts, "webapp.status", deadline_s=_STATUS_S)
    wrong = {
        host: status["services"].get(plan.service.name, {}).get("fault")
        for host, status in found.items()
        if not _runs(status["services"].get(plan.service.name, {}), last)
    }
    for host, fault in wrong.items():
        raise HolodeckError(
            f"{host}: does not run {last['id']} ({fault or 'nothing is deployed'}); "
            f"`salt {host} state.apply` says why."
        )


def _runs(found, last):
    return (
        found.get("deployment") == last["deployment"]
        and found["running"] == last["commit"]
        and not found["fault"]
        and not found.get("stranded")
    )
