"""
Hosts that go: out of rotation, off the balancers' lists, and then destroyed.

Nobody goes as long as too few others would serve.
"""

import contextlib

from holodeck import generations, rollout, sizing
from holodeck_io.errors import HolodeckError
from holodeck_master import (
    agreement,
    environments,
    fleet,
    joining,
    ledger,
    locks,
    rotation,
)
from holodeck_master.plan import plan_for

_LEAVE_S = 60
_GRACE_S = 15


def remove(world, environment, going):
    """
    Take hosts out of rotation, off the balancers' lists, and destroy them.

    environment
        As it is without them; its sizes are remembered once they serve no more.
    going
        ``{host: {"role"}}``.

    Returns their names. Raises before it changes anything when a service is being
    released there, or too few others would serve. Where one of several balancers or
    services fails after others were drained, `holodeck.create` puts them back.
    """
    sizes = sizing.sizes_of(environment)
    with locked(world, environment, f"{_listing(going)} to leave"):
        for plan in _plans(world, environment):
            _check_rest(world, plan, going)
        return retire(world, environment, going, sizes)


@contextlib.contextmanager
def locked(world, environment, message):
    """
    Hold the locks of all services of an environment: none is released meanwhile.

    Raises too where a release has not ended, and its runner died.
    """
    with contextlib.ExitStack() as held:
        for plan in _plans(world, environment):
            lock = locks.held(world.opts, *plan.key, message, heeds=False)
            held.enter_context(lock)
            joining.check_unfinished(world, plan)
        yield


def retire(world, environment, going, sizes=None):
    """
    Do what :func:`remove` does, for whoever holds the locks of all services.

    sizes
        What to remember as the environment's, once they serve no more.
    """
    name = environment.name
    world.say("leave", f"taking {_listing(going)} out of rotation")
    drain(world, environment, going)
    _give_up_addresses(world, _of_role(going, "balancer"))
    if sizes is not None:
        world.records.keep_sizes(name, sizes)
    ledger.retire(world.records, name, going)
    if generation := world.records.generation(name):
        # Whoever comes after a dead runner still knows who has to go.
        generation = generations.leaving(generation, name, going)
        world.records.keep_generation(name, generation)
        environment = generations.placed(environment, generation)
    environments.tell_balancers(world, environment)
    return _destroy(world, name, going)


def web(hosts):
    """Return web hosts as :func:`remove` takes them."""
    return {host: {"role": "web"} for host in hosts}


def drain(world, environment, going, *, come_what_may=False):
    """
    Take hosts out of rotation; raise where too few others would serve.

    come_what_may
        Go on without balancers that are lost.
    """
    hosts = _of_role(going, "web")
    ledger.leave(world.records, environment, hosts)
    for plan in _plans(world, environment):
        more = {"floor": floor(plan), "come_what_may": come_what_may}
        rotation.leave(world, plan, hosts, **more)


def floor(plan):
    """Return how many web hosts have to serve; all, where there are no more."""
    web = len(plan.environment.members("web"))
    return min(rollout.size_of(plan.rules.floor, web), web)


def _destroy(world, name, going):
    """Destroy what this master made; the others' machines are not its own."""
    made = ledger.of(world.records, name)["made"]
    ours = {host: made[host] for host in going if host in made}
    gone = environments.remove(world, name, ours) if ours else []
    if others := set(going) - set(ours):
        world.say("leave", f"{_listing(others)}: no machine that this master made")
        environments.forget(world, name, others)
    return gone


def _plans(world, environment):
    return [plan_for(world, name, environment.name) for name in environment.services]


def _check_rest(world, plan, going):
    """Raise unless enough of those that stay serve, at every balancer that stays."""
    parts = _of_role(going, "web") + _of_role(going, "balancer")
    last = world.records.last_good(*plan.key)
    if not (parts and last):
        return
    staying, least = plan.environment.members("web"), floor(plan)
    for place, serving in _serving(world, plan, last).items():
        left = [host for host in staying if host in serving]
        if len(left) < least:
            raise HolodeckError(
                f"{plan.service.name} at {place}: of those that stay "
                f"{', '.join(left) or 'nobody'} would serve, and {least} have to; look "
                f"at `salt-run holodeck.status {' '.join(plan.key)}`."
            )


def _serving(world, plan, last):
    """Return ``{balancer: hosts that serve}``; without balancers those that could."""
    if pools := rotation.serving_each(world, plan):
        return pools
    web, name = plan.environment.members("web"), plan.service.name
    status = world.fleet.ask(web, "webapp.status")
    well = {
        host
        for host, reply in status.items()
        if reply.ok and agreement.runs(reply.value["services"].get(name, {}), last)
    }
    return {plan.environment.name: well}


def _listing(hosts):
    return ", ".join(sorted(hosts))


def _give_up_addresses(world, balancers):
    """A balancer that is lost, or never came up, has none."""
    if not balancers:
        return
    replies = world.fleet.ask(
        balancers, "balancer.leave", _LEAVE_S + _GRACE_S, timeout_s=_LEAVE_S
    )
    heard = {name: reply for name, reply in replies.items() if not reply.lost}
    fleet.check("balancer.leave", heard)


def _of_role(hosts, role):
    return sorted(host for host, facts in hosts.items() if facts["role"] == role)
