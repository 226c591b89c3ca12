"""
An environment brought to as many hosts as it should have, up or down.

What is new proves itself before it takes traffic, what is to go is out of rotation
before it goes.
"""

import dataclasses

from holodeck import sizing
from holodeck_io.errors import HolodeckError
from holodeck_master import environments, joining, keeping, leaving, ledger


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
    ended = keeping.end_unlike(world, goal)
    goal = keeping.present(world, goal)
    surplus = ledger.surplus(world, goal)
    grown = _grow(world, environment, goal, surplus)
    world = _with(world, goal)
    gone = leaving.remove(world, goal, surplus, sizes) if surplus else []
    world.records.keep_sizes(name, sizes)
    found = converge(world, goal)
    created = sorted({*grown, *found["created"]})
    return {**found, "created": created, "destroyed": [*ended, *gone]}


def _grow(world, environment, goal, surplus):
    """
    Make what is missing before anything goes; return its names.

    Roles that lose hosts stay as they are until these serve no more.
    """
    prepared = ledger.of(world, environment.name)["prepared"]
    if not set(goal.all_members()) - set(prepared):
        return []
    shrinking = {facts["role"] for facts in surplus.values()}
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
    keeping.end_unlike(world, environment)
    environment = keeping.present(world, environment)
    before = ledger.of(world, environment.name)["prepared"]
    there = environments.ensure(world, environment)
    joining.join(world, environment)
    return {
        "created": sorted(host for host in there if host not in before),
        "hosts": {role: environment.members(role) for role in environment.hosts},
        "scaled": sizing.scaled(environment),
    }


def _with(world, environment):
    """Return a world in whose definition an environment is as given."""
    definition = world.definition
    environments_ = {**definition.environments, environment.name: environment}
    definition = dataclasses.replace(definition, environments=environments_)
    return dataclasses.replace(world, definition=definition)
