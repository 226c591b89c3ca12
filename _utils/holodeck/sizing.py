"""
How many hosts a role has: what the definition says, or what it was scaled to. Pure.

A number that somebody gave holds until the definition's own changes: what is written
there last counts. A lower one counts when somebody scales.
"""

import dataclasses

from holodeck import names
from holodeck.model import HOSTS_MAX, ROLES

_IN_ROTATION = ("web", "balancer")


def wanted(environment, numbers):
    """
    Return the numbers as :func:`sized` takes them.

    environment
        The :class:`~holodeck.model.Environment`.
    numbers
        ``{role: hosts}``, as the command line gave them.

    Raises :class:`ValueError` for the first that no environment can have.
    """
    for role, count in numbers.items():
        _check(environment, role, count)
    return {
        role: {"count": count, "over": _defined(environment.hosts[role])}
        for role, count in numbers.items()
    }


def _check(environment, role, count):
    group = environment.hosts.get(role)
    if role not in ROLES or group is None:
        known = ", ".join(environment.hosts)
        raise ValueError(
            f"{role}: is not a role of environment {environment.name}; it has {known}."
        )
    if group.ids:
        raise ValueError(
            f"{role}: its hosts are named by `ids`; add or remove them in the "
            f"definition, under environments/{environment.name}/hosts/{role}."
        )
    most = len(group.each) or HOSTS_MAX
    if type(count) is not int or not 1 <= count <= most:
        why = f", for `each` names {most} machines" if group.each else ""
        raise ValueError(
            f"{role}={count}: should be a whole number from 1 to {most}{why}."
        )


def sized(definition, sizes):
    """
    Return a definition whose roles have as many hosts as they were scaled to.

    sizes
        ``{environment: {role: {"count", "over"}}}``: the number, and the definition's
        own that it was given over.
    """
    environments = {
        name: resized(each, sizes.get(name, {}))
        for name, each in definition.environments.items()
    }
    return dataclasses.replace(definition, environments=environments)


def resized(environment, sizes):
    """Return an environment with these sizes, and no earlier ones."""
    hosts = {
        role: _resized(group, sizes.get(role))
        for role, group in environment.hosts.items()
    }
    return dataclasses.replace(environment, hosts=hosts)


def with_all(environment, there):
    """
    Return an environment that has no fewer hosts than serve.

    A lower number in the definition takes nobody out of rotation: as long as nobody has
    scaled, releases go to those hosts too.

    there
        The names of hosts that are prepared.
    """
    hosts = {
        role: _with_all(environment.name, role, group, there)
        for role, group in environment.hosts.items()
    }
    return dataclasses.replace(environment, hosts=hosts)


def _with_all(environment, role, group, there):
    if not group.profile or role not in _IN_ROTATION:
        return group
    numbers = names.host_numbers(environment, role, there) - {*group.beside}
    count = max(numbers, default=0) - group.first + 1
    most = len(group.each) or HOSTS_MAX
    if not group.count < count <= most:
        return group
    left = count - group.count
    return dataclasses.replace(group, count=count, defined=_defined(group), left=left)


def sizes_of(environment):
    """Return the sizes that make an environment what it is."""
    return {
        role: {"count": group.count, "over": group.defined}
        for role, group in environment.hosts.items()
        if group.defined
    }


def scaled(environment):
    """Return ``{role: [hosts, the definition's]}`` of the roles that were scaled."""
    return {
        role: [group.count, group.defined]
        for role, group in environment.hosts.items()
        if group.defined
    }


def _resized(group, size):
    own = _defined(group)
    fits = (
        size
        and size["over"] == own
        and group.profile
        and size["count"] <= (len(group.each) or HOSTS_MAX)
    )
    count = size["count"] if fits else own
    defined = own if count != own else 0
    return dataclasses.replace(group, count=count, defined=defined, left=0)


def _defined(group):
    return group.defined or group.count
