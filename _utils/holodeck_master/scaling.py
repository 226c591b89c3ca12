"""
An environment brought to as many hosts as it should have, up or down.

What is new proves itself before it takes traffic, what is to go is out of rotation
before it goes.
"""

import contextlib
import dataclasses

from holodeck import rollout, sizing
from holodeck_io.errors import HolodeckError
from holodeck_master import environments, joining, ledger, locks, rotation
from holodeck_master.plan import plan_for

_LEAVE_S = 60
_GRACE_S = 15


def scale(world, environment, numbers):
    """
    Bring an environment to the numbers; return what :func:`converge` does.

    numbers
        ``{role: hosts}``; those that are left out keep what they have. Without any, the
        definition's own again.

    What fails on its way is taken up by the next call.
    """
    name = environment.name
    try:
        wanted = sizing.wanted(environment, numbers)
    except ValueError as error:
        raise HolodeckError(str(error)) from error
    sizes = {**world.records.sizes().get(name, {}), **wanted} if numbers else {}
    goal = sizing.resized(environment, sizes)
    leaving = ledger.surplus(world, goal)
    grown = _grow(world, environment, goal, leaving)
    world = _with(world, goal)
    gone = remove(world, goal, leaving, sizes) if leaving else []
    world.records.keep_sizes(name, sizes)
    found = converge(world, goal)
    created = sorted({*grown, *found["created"]})
    return {**found, "created": created, "destroyed": gone}


def _grow(world, environment, goal, leaving):
    """
    Make what is missing before anything goes; return its names.

    Roles that lose hosts stay as they are until these serve no more.
    """
    prepared = ledger.of(world, environment.name)["prepared"]
    if not set(goal.all_members()) - set(prepared):
        return []
    shrinking = {facts["role"] for facts in leaving.values()}
    hosts = {
        role: environment.hosts[role] if role in shrinking else group
        for role, group in goal.hosts.items()
    }
    larger = dataclasses.replace(goal, hosts=hosts)
    world.records.keep_sizes(environment.name, sizing.sizes_of(larger))
    return converge(_with(world, larger), larger)["created"]


def converge(world, environment):
    """
    Make the hosts that are missing, and put them into rotation.

    Returns ``{"created": hosts, "hosts": {role: hosts}, "scaled": …}``, the last as
    :func:`holodeck.sizing.scaled` has it.
    """
    before = ledger.of(world, environment.name)["born"]
    environments.ensure(world, environment)
    joining.join(world, environment)
    born = ledger.of(world, environment.name)["born"]
    return {
        "created": sorted(h for h, when in born.items() if before.get(h) != when),
        "hosts": {role: environment.members(role) for role in environment.hosts},
        "scaled": sizing.scaled(environment),
    }


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
    with contextlib.ExitStack() as held:
        for service in environment.services:
            message = f"{', '.join(sorted(leaving))} to leave"
            held.enter_context(
                locks.held(world.opts, service, environment.name, message)
            )
        plans = [plan_for(world, s, environment.name) for s in environment.services]
        for plan in plans:
            joining.check_unfinished(world, plan)
        world.say("leave", f"taking {', '.join(sorted(leaving))} out of rotation")
        for plan in plans:
            _drain(world, plan, leaving)
        _give_up_addresses(world, leaving)
        if sizes is not None:
            world.records.keep_sizes(environment.name, sizes)
        environments.tell_balancers(world, environment)
        return environments.remove(world, environment.name, leaving)


def _drain(world, plan, leaving):
    web = [host for host, facts in leaving.items() if facts["role"] == "web"]
    if web:
        rest = len(plan.environment.members("web"))
        floor = rollout.size_of(plan.rules.floor, rest)
        rotation.leave(world, plan, web, floor=floor)


def _give_up_addresses(world, leaving):
    """A balancer that is gone already, or never came up, has none."""
    balancers = [host for host, facts in leaving.items() if facts["role"] == "balancer"]
    if balancers:
        world.fleet.ask(
            balancers, "balancer.leave", _LEAVE_S + _GRACE_S, timeout_s=_LEAVE_S
        )


def _with(world, environment):
    """Return a world in whose definition an environment is as given."""
    definition = world.definition
    environments_ = {**definition.environments, environment.name: environment}
    definition = dataclasses.replace(definition, environments=environments_)
    return dataclasses.replace(world, definition=definition)
