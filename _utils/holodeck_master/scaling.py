"""
An environment brought to as many hosts as it should have, up or down.

What is new proves itself before it takes traffic, what is to go is out of rotation
before it goes. One command at a time changes the hosts of an environment.
"""

import contextlib
import dataclasses

from holodeck import rollout, sizing
from holodeck_io.errors import HolodeckError
from holodeck_master import (
    agreement,
    environments,
    fleet,
    joining,
    ledger,
    locks,
    rotation,
    stages,
)
from holodeck_master.plan import plan_for

_LEAVE_S = 60
_GRACE_S = 15


def create(world, name):
    """Make the hosts that are missing, and put them into rotation; see `_converge`."""
    with locks.held_hosts(world.opts, name, "holodeck.create"):
        world = world.resized()
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
        world = world.resized()
        environment = world.definition.environments[name]
        try:
            wanted = sizing.wanted(environment, numbers)
        except ValueError as error:
            raise HolodeckError(str(error)) from error
        sizes = {**sizing.sizes_of(environment), **wanted} if numbers else {}
        goal = sizing.resized(environment, sizes)
        _check_owners(world, goal)
        return _scale(world, environment, goal)


def _scale(world, environment, goal):
    leaving = ledger.surplus(world.records, goal)
    grown = _grow(world, environment, goal, leaving)
    if grown and not leaving:
        return {**grown, "destroyed": []}
    world, gone = _with(world, goal), []
    if leaving:
        gone = remove(world, goal, leaving)
    else:
        world.records.keep_sizes(goal.name, sizing.sizes_of(goal))
    found = _converge(world, goal)
    created = sorted({*grown.get("created", ()), *found["created"]})
    return {**found, "created": created, "destroyed": gone}


def _check_owners(world, goal):
    """A host of the same name may be another environment's, by its id."""
    for name, other in world.definition.environments.items():
        both = set(goal.all_members()) & set(other.all_members())
        if name != goal.name and both:
            raise HolodeckError(
                f"Host {min(both)}: is a host of environment {name}; choose a smaller "
                "number, or rename that one."
            )


def _grow(world, environment, goal, leaving):
    """
    Make what is missing before anything goes; return what :func:`_converge` does.

    Roles that lose hosts stay as they are until these serve no more. ``{}`` where
    nothing is missing.
    """
    prepared = set(ledger.of(world.records, environment.name)["prepared"])
    if not set(goal.all_members()) - prepared:
        return {}
    shrinking = {f["role"] for host, f in leaving.items() if host in prepared}
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


def remove(world, environment, leaving):
    """
    Take hosts out of rotation, off the balancers' lists, and destroy them.

    environment
        As it is without them; its sizes are remembered once they serve no more.
    leaving
        ``{host: {"profile", "role"}}``.

    Returns their names. Raises before it changes anything when a service is being
    released there, or too few others would serve. Where one of several balancers or
    services fails after others were drained, `holodeck.create` puts them back.
    """
    shown = ", ".join(sorted(leaving))
    with contextlib.ExitStack() as held:
        plans = [plan_for(world, s, environment.name) for s in environment.services]
        for plan in plans:
            held.enter_context(locks.held(world.opts, *plan.key, f"{shown} to leave"))
        for plan in plans:
            joining.check_unfinished(world, plan)
            _check_rest(world, plan, leaving)
        world.say("leave", f"taking {shown} out of rotation")
        web = _of_role(leaving, "web")
        ledger.leave(world.records, environment, web)
        for plan in plans:
            rotation.leave(world, plan, web, floor=_floor(plan))
        _give_up_addresses(world, _of_role(leaving, "balancer"))
        ledger.retire(world.records, environment.name, leaving)
        world.records.keep_sizes(environment.name, sizing.sizes_of(environment))
        environments.tell_balancers(world, environment)
        return environments.remove(world, environment.name, leaving)


def _check_rest(world, plan, leaving):
    """Raise unless enough of those that stay serve, at every balancer that stays."""
    parts = _of_role(leaving, "web") + _of_role(leaving, "balancer")
    last = world.records.last_good(*plan.key)
    if not (parts and last):
        return
    staying, floor = plan.environment.members("web"), _floor(plan)
    for place, serving in _serving(world, plan, last).items():
        left = [host for host in staying if host in serving]
        if len(left) < floor:
            raise HolodeckError(
                f"{plan.service.name} at {place}: of those that stay "
                f"{', '.join(left) or 'nobody'} would serve, and {floor} have to; look "
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


def _floor(plan):
    return rollout.size_of(plan.rules.floor, len(plan.environment.members("web")))


def _give_up_addresses(world, balancers):
    """A balancer that is lost, or never came up, has none."""
    if not balancers:
        return
    replies = world.fleet.ask(
        balancers, "balancer.leave", _LEAVE_S + _GRACE_S, timeout_s=_LEAVE_S
    )
    heard = {name: reply for name, reply in replies.items() if not reply.lost}
    if not all(reply.ok for reply in heard.values()):
        raise fleet.CallFailedError("balancer.leave", heard)


def _of_role(hosts, role):
    return sorted(host for host, facts in hosts.items() if facts["role"] == role)


def _with(world, environment):
    """Return a world in whose definition an environment is as given."""
    definition = world.definition
    defined = {**definition.environments, environment.name: environment}
    definition = dataclasses.replace(definition, environments=defined)
    return dataclasses.replace(world, definition=definition)
