"""Machines that are data: a cloud, and a fleet in which only they answer."""

# ruff: noqa: ARG002 -- fakes take what the real ones take

import dataclasses

from fake_fleet import Fleet, Host
from fake_world import config_of

from holodeck_io.errors import HolodeckError
from holodeck_master import fleet, ledger


class Cloud:
    """One provider; ``refuses`` are the names that it cannot make."""

    def __init__(self, minions, machines):
        self.minions, self.steps = minions, []
        self.refuses, self.mute, self.foreign, self.silent = set(), set(), set(), False
        self.minions.machines = set(machines)
        self.all = set(machines)

    def known(self, profiles):
        """Return those that are machines."""
        self._ask()
        return self.all & set(profiles)

    def create(self, profiles, options=None):
        """Make machines, as many as can be made."""
        self.steps.append(f"create {' '.join(sorted(profiles))}")
        made = set(profiles) - self.refuses
        self.all |= made
        for name in made:
            self.minions.boot(name, answers=name not in self.mute)
        # A second try may go well.
        self.mute -= made
        if failed := set(profiles) & self.refuses:
            raise HolodeckError(f"salt-cloud could not create hosts: {failed}")

    def destroy(self, profiles):
        """Destroy machines."""
        there = sorted(self.known(profiles))
        for name in there:
            self.minions.watch_end(name)
        self.steps += [f"destroy {' '.join(there)}"] if there else []
        self.all -= set(there)
        self.minions.machines -= set(there)
        return there

    def provider_of(self, profile):
        """Return the only one."""
        return "lab" if profile == "small" else None

    def machines(self, provider):
        """Return every machine, also those of others."""
        self._ask()
        return sorted(self.all | self.foreign)

    def _ask(self):
        if self.silent:
            raise HolodeckError("Cloud provider lab: does not answer")


class Minions(Fleet):
    """A fleet whose hosts answer when there is a machine for them."""

    machines = frozenset()
    world = None
    homeless = False
    blank = frozenset()

    def boot(self, name, *, answers=True):
        """Have a new machine, with nothing on it."""
        if "-web" in name:
            # HAProxy keeps a server's part, also when another machine comes there.
            kept = self.hosts.get(name, Host()).rotation
            self.hosts[name] = Host(rotation=kept)
        if answers:
            self.machines |= {name}

    def watch_end(self, name):
        """Users would notice a machine that is destroyed in rotation."""
        host = self.hosts.get(name)
        if host and host.rotation:
            self.dangers.append(f"{name} was destroyed in rotation")
        if "-balancer" in name:
            # What it kept of its servers is gone with it.
            for other in self.hosts.values():
                other.rotation = False

    def _serving(self):
        return [name for name in super()._serving() if name in self.machines]

    def _reply(self, host, function, arguments):
        if host not in self.machines:
            return fleet.Reply(host, error="is silent for 20 s.", lost=True)
        return super()._reply(host, function, arguments)

    def _test_ping(self, host):
        return True

    def _grains_get(self, host, key):
        number = sum(host.encode()) % 250
        return [f"10.0.1.{number}"]

    def _balancer_status(self, host, backend="guestbook"):
        found = super()._balancer_status(host, backend)
        if host in self.blank:
            # Until somebody puts servers into rotation there too.
            found = {backend: {name: {"status": "MAINT"} for name in self.hosts}}
        return found

    def _balancer_ready(self, host, backend, servers, timeout_s):
        if host not in self.blank:
            return super()._balancer_ready(host, backend, servers, timeout_s)
        self.blank -= {host}
        return {}

    def _balancer_leave(self, host, timeout_s):
        self._step(f"leave {host.removeprefix('demo-')}")
        return 0

    def _state_apply(self, host, queue, mods=None):
        if mods:
            super()._state_apply(host, mods, queue)
            return
        last = self.world.records.last_good("guestbook", "demo")
        if host in self.hosts and last and not self.homeless:
            one = self.hosts[host]
            one.commit, one.deployment = last["commit"], last["deployment"]


def clouded(world):
    """Return a world with machines for all of its hosts."""
    minions = Minions(
        world.fleet.root,
        lambda: config_of(world.records, world.definition),
        hosts=world.fleet.hosts,
    )
    demo = world.definition.environments["demo"]
    members = demo.all_members()
    cloud = Cloud(minions, members)
    found = dataclasses.replace(world, fleet=minions, cloud=cloud)
    minions.world = found
    ledger.bear(world.records, demo, members)
    ledger.answer(world.records, "demo", members)
    addresses = {host: f"10.0.0.{n}" for n, host in enumerate(members)}
    world.records.keep_environment("demo", prepared=members, addresses=addresses)
    return found
