"""
Machines and keys that belong to no host of any environment.

A host's name says which environment it was made for. What this master made is in its
:mod:`ledger <holodeck_master.ledger>`; another one's of such a name is named, and left.
"""

import salt.key

from holodeck import names
from holodeck_io.errors import HolodeckError
from holodeck_master import environments, keeping, leaving, ledger


def find(world, only=""):
    """
    Return ``(orphans, faults)``; each of both ``{"kind", "name", "environment", …}``.

    An orphan is a ``machine`` at its ``provider``, ``made`` by this master or not, or
    an accepted ``key`` without a machine. A fault is a ``host`` that has no machine, or
    a ``provider`` that does not answer: what it has is then unknown, and nothing of it
    is an orphan.

    only
        The name of one environment.
    """
    search = _Search(world)
    found = [*search.machines(), *search.keys()]
    faults = search.faults()
    if only:
        found, faults = (
            [each for each in each_kind if each["environment"] in {only, ""}]
            for each_kind in (found, faults)
        )
    return found, faults


def remove(world, orphans):
    """
    Destroy machines that this master made, and delete keys; return their names.

    A machine that is in rotation leaves it first. Those that this master did not make
    stay: they may be another one's.
    """
    gone, machines = [], {}
    for orphan in orphans:
        if orphan["kind"] == "key":
            found = {"minions": [orphan["name"]]}
            salt.key.get_key(world.opts).delete_key(match_dict=found)
            gone.append(orphan["name"])
        elif orphan["made"]:
            machines.setdefault(orphan["environment"], []).append(orphan["name"])
    for name, hosts in machines.items():
        made = ledger.of(world, name)["made"]
        going = {host: made[host] for host in hosts}
        environment = world.definition.environments.get(name)
        if environment:
            gone += leaving.remove(world, environment, going)
        else:
            gone += environments.remove(world, name, going)
    return gone


class _Search:
    """One look at every provider, and at the master's keys."""

    def __init__(self, world):
        self._world = world
        defined = world.definition.environments
        self._names = {*defined, *world.records.environments()}
        self._members = {
            host: each
            for each in defined.values()
            for host in {*each.everybody()} - {*keeping.left_over(world, each)}
        }
        self._made = {
            host: {**facts, "environment": name}
            for name in self._names
            for host, facts in ledger.of(world, name)["made"].items()
        }
        self._found, self._silent = self._look()

    def _look(self):
        """Ask the providers of every profile that is used, or was."""
        profiles = {facts["profile"] for facts in self._made.values()}
        for each in self._world.definition.environments.values():
            profiles |= set(each.profiles().values())
        found = {
            provider: self._machines(provider)
            for provider in sorted(filter(None, set(map(self._provider, profiles))))
        }
        silent = {p: str(e) for p, e in found.items() if isinstance(e, HolodeckError)}
        return {p: each for p, each in found.items() if p not in silent}, silent

    def _machines(self, provider):
        try:
            return self._world.cloud.machines(provider)
        except HolodeckError as error:
            return error

    def _provider(self, profile):
        return self._world.cloud.provider_of(profile)

    def machines(self):
        """Yield the machines that are no host's."""
        for provider, machines in self._found.items():
            for name in machines:
                environment = self._environment_of(name)
                if environment and name not in self._members:
                    yield {
                        "kind": "machine", "name": name, "environment": environment,
                        "provider": provider, "made": name in self._made,
                    }  # fmt: skip

    def keys(self):
        """Yield the accepted keys that no host and no machine has."""
        if self._silent:
            # Their machines may be there.
            return
        there = {name for machines in self._found.values() for name in machines}
        for name in _accepted(self._world.opts):
            environment = self._environment_of(name)
            if environment and name not in self._members and name not in there:
                yield {"kind": "key", "name": name, "environment": environment}

    def faults(self):
        """Return the hosts without a machine, and the providers that are silent."""
        there = {name for machines in self._found.values() for name in machines}
        lost = [
            {
                "kind": "host", "name": host, "environment": each.name,
                "why": f"has no machine; `salt-run holodeck.create {each.name}` makes "
                "it",
            }
            for host, each in self._members.items()
            if host in each.profiles()
            and host in ledger.of(self._world, each.name)["prepared"]
            and host not in there
            and self._provider(each.profiles()[host]) in self._found
        ]  # fmt: skip
        return lost + [
            {"kind": "provider", "name": name, "environment": "", "why": why}
            for name, why in self._silent.items()
        ]

    def _environment_of(self, name):
        if name in self._made:
            return self._made[name]["environment"]
        return names.environment_of(name, self._names)


def _accepted(opts):
    return sorted(salt.key.get_key(opts).list_keys()["minions"])
