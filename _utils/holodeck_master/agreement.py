"""Whether hosts, balancers and bytes are as a release says."""

from holodeck_io.errors import HolodeckError
from holodeck_master import rotation


class DisagreementError(HolodeckError):
    """A host is not as the release left it."""

    def __init__(self, what, hosts):
        shown = "; ".join(f"{host}: {why.rstrip('.')}" for host, why in hosts.items())
        super().__init__(f"{what}: {shown}.")
        self.hosts = hosts


def everywhere(run):
    """Tell whether every host runs the release, in rotation, with its bytes."""
    return (
        all(_runs_it(run, host) for host in run.hosts)
        and not _out_of_rotation(run)
        and _bytes_agree(run)
    )


def check(run, hosts=None):
    """
    Whoever meddled meanwhile: good is what every host says at the end.

    hosts
        By default those of the run that have not failed.
    """
    hosts = hosts or [host for host in run.hosts if host not in run.record["failed"]]
    run.statuses |= run.world.fleet.call(hosts, "webapp.status")
    why = "somebody else switched it meanwhile"
    if wrong := {host: why for host in hosts if not _runs_it(run, host)}:
        raise DisagreementError("At the end not every host runs the release", wrong)


def check_outside(run, hosts):
    """Raise :class:`DisagreementError` for hosts that a balancer has in rotation."""
    pools = rotation.serving_each(run.world, run.plan).values()
    why = "is in rotation, and should not be any more"
    if wrong := {h: why for h in hosts if any(h in pool for pool in pools)}:
        raise DisagreementError("At the end an old host serves", wrong)


def serving(run):
    """Return ``{host: its processes}`` of the hosts that are done."""
    replies = _ask_done(run)
    return {host: _pids(run, reply) for host, reply in replies.items() if reply.ok}


def check_serving(run, before):
    """
    Raise :class:`DisagreementError` for hosts that do not serve the release any more.

    before
        What :func:`serving` returned: a process that was started since has died.
    """
    replies = _ask_done(run)
    lost = {host: reply.error for host, reply in replies.items() if not reply.ok}
    run.statuses |= {h: reply.value for h, reply in replies.items() if reply.ok}
    outside = _out_of_rotation(run)
    for host in sorted(set(replies) - set(lost)):
        if not _runs_it(run, host):
            fault = run.service_on(host).get("fault")
            lost[host] = fault or "does not run the release any more"
        elif _pids(run, replies[host]) != before.get(host):
            lost[host] = "its process died, and was started anew"
        elif host in outside:
            lost[host] = "fell out of rotation"
    if lost:
        raise DisagreementError("Did not stay healthy", lost)


def _ask_done(run):
    done = run.record["done"]
    return run.world.fleet.ask(done, "webapp.status") if done else {}


def _pids(run, reply):
    services = reply.value["services"]
    return services.get(run.plan.service.name, {}).get("pids")


def still_done(run):
    """Return the hosts that a dead runner had finished and nobody changed since."""
    outside = _out_of_rotation(run)
    return [
        host
        for host in run.record["done"]
        if _runs_it(run, host) and host not in outside
    ]


def at_home(run):
    """Return the hosts that run the last good release, in rotation."""
    here = [host for host in run.hosts if run.last and _runs(run, host, run.last)]
    return set(here) - _out_of_rotation(run) if here else set()


def _runs_it(run, host):
    return _runs(run, host, run.record)


def _runs(run, host, release):
    found = run.service_on(host)
    return runs(found, release) and not found.get("changed")


def runs(found, release):
    """Tell whether what a host says of a service is a release, and runs well."""
    return (
        found.get("deployment") == release["deployment"]
        and found["running"] == release["commit"]
        and found["fault"] is None
        and not found.get("stranded")
    )


def _bytes_agree(run):
    replies = run.world.fleet.ask(
        run.hosts, "bundle.verify",
        name=run.plan.service.name, commit=run.record["commit"],
    )  # fmt: skip
    return all(reply.ok and reply.value["ok"] for reply in replies.values())


def _out_of_rotation(run):
    """Return the hosts that a balancer does not send requests to."""
    pools = rotation.serving_each(run.world, run.plan).values()
    return {host for pool in pools for host in run.hosts if host not in pool}
