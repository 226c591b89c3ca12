"""
An environment brought to as many hosts as it should have, up or down.

What is new proves itself before it takes traffic, what is to go is out of rotation
before it goes. One command at a time changes the hosts of an environment.
"""

import dataclasses

from holodeck import sizing
from holodeck_io.errors import HolodeckError
from holodeck_master import (
    environments,
    joining,
    keeping,
    leaving,
    ledger,
    locks,
    stages,
)


def create(world, name):
    """Make the hosts that are missing, and put them into rotation; see `_converge`."""
    with locks.held_hosts(world.opts, name, "holodeck.create"):
        world = world.present()
        environment = world.definition.environments[name]
        if keeping.make_room(world, environment, environment):
            world = world.present()
        return _converge(world, world.definition.environments[name])


def scale(world, name, numbers):
    """
    Bring an environment to the numbers; return what :func:`_converge` does.

    numbers
        ``{role: hosts}``; those that are left out keep what they have. Without any, the
        definition's own again.

    What fails on its way is taken up by the next call.
    """
    with locks.held_hosts(world.opts, name, "holodeck.scale"):
        world = world.present()
        environment = world.definition.environments[name]
        try:
            wanted = sizing.wanted(environment, numbers)
        except ValueError as error:
            raise HolodeckError(str(error)) from error
        sizes = {**sizing.sizes_of(environment), **wanted} if numbers else {}
        goal = sizing.resized(environment, sizes)
        _check_owners(world, goal)
        room = keeping.make_room(world, environment, goal)
        if room:
            world, goal = world.present(), keeping.present(world, goal)
        found = _scale(world, goal)
        world = world.present()
        ended = keeping.end_unlike(world, world.definition.environments[name])
        return {**found, "destroyed": sorted([*room, *found["destroyed"], *ended])}


def _scale(world, goal):
    environment = world.definition.environments[goal.name]
    surplus = _surplus(world, goal)
    grown = _grow(world, environment, goal, surplus)
    if grown and not surplus:
        return {**grown, "destroyed": []}
    world, gone = _with(world, goal), []
    if surplus:
        gone = leaving.remove(world, goal, surplus)
    else:
        world.records.keep_sizes(goal.name, sizing.sizes_of(goal))
    found = _converge(world, goal)
    created = sorted({*grown.get("created", ()), *found["created"]})
    return {**found, "created": created, "destroyed": gone}


def _surplus(world, goal):
    """Return the hosts that are to go: none that is another environment's by now."""
    others = {
        host
        for name, each in world.definition.environments.items()
        if name != goal.name
        for host in each.all_members()
    }
    surplus = ledger.surplus(world.records, goal)
    return {host: facts for host, facts in surplus.items() if host not in others}


def _check_owners(world, goal):
    """A host of the same name may be another environment's, by its id."""
    for name, other in world.definition.environments.items():
        both = set(goal.everybody()) & set(other.everybody())
        if name != goal.name and both:
            raise HolodeckError(
                f"Host {min(both)}: is a host of environment {name}; choose a smaller "
                "number, or rename that one."
            )


def _grow(world, environment, goal, surplus):
    """
    Make what is missing before anything goes; return what :func:`_converge` does.

    Roles that lose hosts stay as they are until these serve no more. ``{}`` where
    nothing is missing.
    """
    prepared = set(ledger.of(world.records, environment.name)["prepared"])
    if not set(goal.all_members()) - prepared:
        return {}
    shrinking = {f["role"] for host, f in surplus.items() if host in prepared}
    hosts = {
        role: environment.hosts[role] if role in shrinking else group
        for role, group in goal.hosts.items()
    }
    larger = dataclasses.replace(goal, hosts=hosts)
    world.records.keep_sizes(environment.name, sizing.sizes_of(larger))
    return _converge(_with(world, larger), larger)


def _converge(world, environment):
    """
    Make the hosts that are missing, and put them into rotation.

    Returns ``{"created": hosts, "hosts": {role: hosts}, "scaled": …}``, the last as
    :func:`holodeck.sizing.scaled` has it.
    """
    if any(world.records.last_good(s, environment.name) for s in environment.services):
        # Without any, what is made could not prove itself.
        stages.testers(environment)
    before = _births(world, environment)
    environments.ensure(world, environment)
    joining.join(world, environment)
    born = _births(world, environment)
    return {
        "created": sorted(h for h, when in born.items() if before.get(h) != when),
        "hosts": {role: environment.members(role) for role in environment.hosts},
        "scaled": sizing.scaled(environment),
    }


def _births(world, environment):
    made = ledger.of(world.records, environment.name)["made"]
    return {host: facts["since"] for host, facts in made.items()}


def _with(world, environment):
    """Return a world in whose definition an environment is as given."""
    definition = world.definition
    defined = {**definition.environments, environment.name: environment}
    definition = dataclasses.replace(definition, environments=defined)
    return dataclasses.replace(world, definition=definition)
