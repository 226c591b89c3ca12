"""Hosts that go: out of rotation, off the balancers' lists, and then destroyed."""

import contextlib

from holodeck import generations, rollout
from holodeck_master import environments, locks, rotation
from holodeck_master.plan import plan_for

_LEAVE_S = 60
_GRACE_S = 15


def remove(world, environment, leaving, sizes=None):
    """
    Take hosts out of rotation, off the balancers' lists, and destroy them.

    environment
        As it is without them.
    leaving
        ``{host: {"profile", "role"}}``.
    sizes
        What to remember as its sizes, once they serve no more.

    Returns their names. Raises before it changes anything when a service is being
    released there, or too few others would serve.
    """
    with locked(world, environment, f"{', '.join(sorted(leaving))} to leave"):
        return retire(world, environment, leaving, sizes)


@contextlib.contextmanager
def locked(world, environment, message):
    """Hold the locks of all services of an environment: none is released meanwhile."""
    with contextlib.ExitStack() as held:
        for service in environment.services:
            held.enter_context(
                locks.held(world.opts, service, environment.name, message)
            )
        yield


def retire(world, environment, leaving, sizes=None):
    """Do what :func:`remove` does, for whoever holds the locks of all services."""
    name = environment.name
    world.say("leave", f"taking {', '.join(sorted(leaving))} out of rotation")
    drain(world, environment, leaving)
    _give_up_addresses(world, leaving)
    if sizes is not None:
        world.records.keep_sizes(name, sizes)
    generation = world.records.generation(name)
    if generation:
        # Whoever comes after a dead runner still knows who has to go.
        generation = generations.leaving(generation, name, leaving)
        world.records.keep_generation(name, generation)
        environment = generations.placed(environment, generation)
    environments.tell_balancers(world, environment)
    gone = environments.remove(world, name, leaving)
    if generation:
        left = generations.without(generation, name, leaving)
        world.records.keep_generation(name, left)
    return gone


def drain(world, environment, leaving):
    """Take hosts out of rotation; raise where too few others would serve."""
    web = [host for host, facts in leaving.items() if facts["role"] == "web"]
    for service in environment.services if web else ():
        plan = plan_for(world, service, environment.name)
        rest = len(plan.environment.members("web"))
        floor = min(rollout.size_of(plan.rules.floor, rest), rest)
        rotation.leave(world, plan, web, floor=floor)


def _give_up_addresses(world, leaving):
    """A balancer that is gone already, or never came up, has none."""
    balancers = [host for host, facts in leaving.items() if facts["role"] == "balancer"]
    if balancers:
        world.fleet.ask(
            balancers, "balancer.leave", _LEAVE_S + _GRACE_S, timeout_s=_LEAVE_S
        )
