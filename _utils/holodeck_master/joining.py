"""New hosts, put into rotation once they have proven the last good releases."""

from holodeck_io.errors import HolodeckError
from holodeck_master import ledger, locks, rotation, stages
from holodeck_master.plan import plan_for

_STATUS_S = 40


def join(world, environment):
    """
    Put new web hosts into rotation; return them.

    Each runs every service's last good release by then, which the base states have
    brought, and passes its suite. A service without one has nothing to serve yet.

    Raises :class:`~holodeck_io.errors.HolodeckError` for hosts that do not; they stay
    out of rotation, and the next call tries again.
    """
    members = environment.members("web")
    new = [h for h in ledger.of(world, environment.name)["joining"] if h in members]
    if not new:
        return []
    for service in environment.services:
        with locks.held(
            world.opts, service, environment.name, f"{', '.join(new)} to be new"
        ):
            _join(world, plan_for(world, service, environment.name), new)
    ledger.join(world, environment.name, new)
    return new


def _join(world, plan, hosts):
    last = world.records.last_good(*plan.key)
    if last is None:
        return
    _check_unfinished(world, plan)
    serving = rotation.pools(world, plan) or [set()]
    left = [host for host in hosts if any(host not in pool for pool in serving)]
    if not left:
        return
    _check_release(world, plan, last, left)
    stages.stage(world, plan, {"tester": [last["suite"]]})
    stages.suite_on_hosts(world, plan, {"commit": last["commit"], "standby": ""}, left)
    rotation.ready(world, plan, left)
    world.say("join", f"{', '.join(left)}: in rotation at {last['id']}")


def _check_unfinished(world, plan):
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
