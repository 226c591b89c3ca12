"""
Machines and keys that belong to no host of any environment.

A host's name says which environment it was made for. What this master made is in its
:mod:`ledger <holodeck_master.ledger>`; another one's of such a name is named, and left.
"""

import salt.key

from holodeck import names
from holodeck_io.errors import HolodeckError
from holodeck_master import environments, keeping, leaving, ledger, locks


def find(world, only=""):
    """
    Return ``(orphans, faults)``; each of both ``{"kind", "name", "environment", …}``.

    An orphan is a ``machine`` at its ``provider``, or an accepted ``key`` without a
    machine; ``made`` tells whether by this master. A fault is a ``host`` that has no
    machine, or a ``provider`` that nobody can ask: what it has is then unknown, and no
    key an orphan.

    only
        The name of one environment.
    """
    search = _Search(world)
    if only not in {"", *search.names}:
        raise HolodeckError(
            f"Environment {only}: is not known; there are {_listing(search.names)}."
        )
    found = [*search.machines(), *search.keys()], search.faults()
    return tuple(
        [each for each in kind if only in {"", each["environment"]}] for kind in found
    )


def remove(world, only=""):
    """
    Destroy machines that this master made, and delete their keys; return their names.

    A machine that is in rotation leaves it first. Those that this master did not make
    stay: they may be another one's.
    """
    gone = []
    for name in sorted({orphan["environment"] for orphan in find(world, only)[0]}):
        with locks.held_hosts(world.opts, name, "holodeck.check"):
            # Somebody may have scaled or released meanwhile.
            gone += _remove(world.present(), name)
    return gone


def _remove(world, name):
    ours = [orphan for orphan in find(world, name)[0] if orphan["made"]]
    machines = [orphan["name"] for orphan in ours if orphan["kind"] == "machine"]
    keys = [orphan["name"] for orphan in ours if orphan["kind"] == "key"]
    gone = []
    if machines:
        made = ledger.of(world.records, name)["made"]
        going = {host: made[host] for host in machines}
        environment = world.definition.environments.get(name)
        if environment:
            gone += leaving.remove(world, environment, going)
        else:
            gone += environments.remove(world, name, going)
    if keys:
        salt.key.get_key(world.opts).delete_key(match_dict={"minions": keys})
        ledger.forget(world.records, name, keys)
    return gone + keys


class _Search:
    """One look at every provider, and at the master's keys."""

    def __init__(self, world):
        self._world = world
        defined = world.definition.environments
        self.names = {*defined, *world.records.environments()}
        self._members = {
            host: each
            for each in defined.values()
            for host in {*each.everybody()} - {*keeping.left_over(world, each)}
        }
        self._own = {h for each in defined.values() for h in each.all_members()}
        self._made = {
            host: {**facts, "environment": name}
            for name in self.names
            for host, facts in ledger.of(world.records, name)["made"].items()
        }
        self._found, self._silent = self._look()

    def _look(self):
        """Ask the providers of every profile that is used, or was."""
        profiles = {facts["profile"] for facts in self._made.values()}
        for each in self._world.definition.environments.values():
            profiles |= set(each.profiles().values())
        of_profile = {p: self._world.cloud.provider_of(p) for p in sorted(profiles)}
        found = {p: self._machines(p) for p in {*of_profile.values()} - {None}}
        silent = {p: str(e) for p, e in found.items() if isinstance(e, HolodeckError)}
        silent |= {
            profile: "is a profile of hosts, and no longer in cloud.profiles.d"
            for profile, provider in of_profile.items()
            if provider is None
        }
        return {p: each for p, each in sorted(found.items()) if p not in silent}, silent

    def _machines(self, provider):
        try:
            return self._world.cloud.machines(provider)
        except HolodeckError as error:
            return error

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
        for name in sorted(self._world.accepted):
            environment = self._environment_of(name)
            if environment and name not in self._members and name not in there:
                yield {
                    "kind": "key", "name": name, "environment": environment,
                    "made": name in self._made,
                }  # fmt: skip

    def faults(self):
        """Return the hosts without a machine, and the providers that are silent."""
        there = {name for machines in self._found.values() for name in machines}
        lost = [
            {
                "kind": "host", "name": host, "environment": facts["environment"],
                "why": f"has no machine; {self._mend(host, facts['environment'])}",
            }
            for host, facts in sorted(self._made.items())
            if host in self._own and host not in there and not self._silent
        ]  # fmt: skip
        return lost + [
            {"kind": "provider", "name": name, "environment": "", "why": why}
            for name, why in self._silent.items()
        ]

    def _mend(self, host, name):
        if host in self._world.definition.environments[name].remaining():
            return f"`salt-run holodeck.scale {name}` forgets it"
        return f"`salt-run holodeck.create {name}` makes it"

    def _environment_of(self, name):
        if name in self._made:
            return self._made[name]["environment"]
        return names.environment_of(name, self.names)


def _listing(values):
    return ", ".join(sorted(values)) or "none"
