"""Machines that are data: a cloud, and a fleet in which only they answer."""

# ruff: noqa: ARG002 -- fakes take what the real ones take

import dataclasses
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fake_fleet import OLD, Fleet, Host, Killed, RefusedError, shorts
from fake_world import config_of, defined, opened, started

from holodeck.model import Hosts
from holodeck_io.errors import HolodeckError
from holodeck_master import fleet, ledger, locks, pillar

#: The first hosts of all, named one by one: by what a profile makes of each, or by id.
NAMED = (
    Hosts(profile="small", count=3, each=({"a": 1}, {"a": 2}, {"a": 3})),
    Hosts(ids=("demo-web1", "demo-web2", "demo-web3")),
)


class Cloud:
    """
    One provider.

    ``refuses`` are the names that it cannot make, ``mute`` those whose minion never
    answers. ``foreign`` are others' machines.
    """

    def __init__(self, minions, machines):
        self.minions = minions
        self.refuses, self.mute, self.foreign, self.silent = set(), set(), set(), False
        self.all = set(machines)
        self.profiles = {}

    @property
    def steps(self):
        """The steps of this cloud alone."""
        verbs = ("create ", "destroy ")
        return [step for step in self.minions.steps if step.startswith(verbs)]

    @property
    def web(self):
        """The machines that are web hosts."""
        return {name for name in self.all if "-web" in name}

    def known(self, profiles):
        """Return those that are machines: each profile is another provider's."""
        self._ask()
        return {
            name
            for name, profile in profiles.items()
            if name in self.all | self.foreign
            and self.profiles.get(name, "small") == profile
        }

    def create(self, profiles, options=None):
        """Make machines, as many as can be made."""
        self._step("create", profiles)
        made = set(profiles) - self.refuses
        self.profiles |= profiles
        for name in made:
            self.boot(name, answers=name not in self.mute)
        # A second try may go well.
        self.mute -= made
        if failed := set(profiles) & self.refuses:
            raise HolodeckError(f"salt-cloud could not create hosts: {failed}")

    def boot(self, name, *, answers=True):
        """Have a machine, with nothing on it."""
        self.all |= {name}
        self.minions.boot(name, answers=answers)

    def destroy(self, profiles):
        """Destroy machines."""
        there = sorted(self.known(profiles))
        if there:
            self._step("destroy", there)
        for name in there:
            self.minions.watch_end(name)
        self.lose(there)
        return there

    def lose(self, names):
        """Have machines no more, whoever took them."""
        self.all -= set(names)
        self.minions.machines -= set(names)

    def provider_of(self, profile):
        """Return the only one."""
        return "lab" if profile in {"small", *self.profiles.values()} else None

    def machines(self, provider):
        """Return every machine, also those of others."""
        self._ask()
        return sorted(self.all | self.foreign)

    def _ask(self):
        if self.minions.dead:
            raise Killed
        if self.minions.listening:
            self.minions.dangers.append("salt-cloud forks a runner that listens")
        if self.silent:
            raise HolodeckError("Cloud provider lab: does not answer")

    def _step(self, verb, names):
        self._ask()
        try:
            self.minions.step(f"{verb} {shorts(sorted(names))}")
        except RefusedError as error:
            raise HolodeckError(f"salt-cloud could not {verb}: {error}") from error


@dataclass
class Minions(Fleet):
    """
    A fleet whose hosts answer when there is a machine for them.

    pillar
        Called with a host's name; returns its own, as the master has it by now.
    lists
        Which servers each balancer knows; those that have had no states know all.
    homeless
        Whether states fail to bring a release.
    blank
        Balancers that send nobody anything until told to.
    """

    machines: set = field(default_factory=set)
    skews: dict = field(default_factory=dict)
    versions: dict = field(default_factory=dict)
    tries: dict = field(default_factory=dict)
    free_kb: dict = field(default_factory=dict)
    lacking: dict = field(default_factory=dict)
    folders: set = field(default_factory=set)
    pillar: Callable | None = None
    lists: dict = field(default_factory=dict)
    homeless: bool = False
    blank: set = field(default_factory=set)

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
        if {n for n in self.machines if "-balancer" in n} == {name}:
            # What it kept of its servers is gone with it.
            for other in self.hosts.values():
                other.rotation = False

    def highstate(self, host):
        """Do what the states do with what this host's pillar is now."""
        own = self.pillar(host)
        service = own.get("services", {}).get("guestbook", {})
        release = service.get("release")
        if own.get("role") == "balancer":
            self.lists[host] = [server["id"] for server in service["servers"]]
            for name, server in self.hosts.items():
                server.rotation &= name in self.lists[host]
        elif host in self.hosts and release and not service["busy"]:
            one = self.hosts[host]
            one.commit, one.deployment = release["commit"], release["deployment"]
            one.kept.add(one.deployment)

    def _serving(self):
        return [name for name in super()._serving() if name in self.machines]

    def _reply(self, host, function, arguments):
        if host not in self.machines and not self.dead:
            return fleet.Reply(host, error="is silent for 20 s.", lost=True)
        return super()._reply(host, function, arguments)

    def _test_ping(self, host):
        return True

    def _status_time(self, host, format):  # noqa: A002  # Salt's own name of it
        return str(int(time.time()) + self.skews.get(host, 0))

    def _disk_usage(self, host):
        free = str(self.free_kb.get(host, 10**7))
        return {"/": {"available": "1"}, "/opt": {"available": free},
                "/var": {"available": free}}  # fmt: skip

    def _file_directory_exists(self, host, path):
        return path in self.folders

    def _cmd_has_exec(self, host, cmd):
        return cmd not in self.lacking.get(host, ())

    def _config_get(self, host, key):
        return self.tries.get(host, 3)

    def _grains_get(self, host, key):
        if key == "saltversion":
            return self.versions.get(host, "3008.3")
        number = sum(host.encode()) % 250
        return [f"10.0.1.{number}"]

    def _balancer_status(self, host, backend="guestbook"):
        found = super()._balancer_status(host, backend)
        if host in self.blank:
            # Until somebody puts servers into rotation there too.
            found = {backend: {name: {"status": "MAINT"} for name in self.hosts}}
        listed = self.lists.get(host, found[backend])
        return {backend: {name: found[backend][name] for name in listed}}

    def _balancer_ready(self, host, backend, servers, timeout_s):
        self._check_listed(host, servers)
        if host not in self.blank:
            return super()._balancer_ready(host, backend, servers, timeout_s)
        self.blank -= {host}
        return {}

    def _balancer_drain(self, host, backend, servers, timeout_s, floor, cut):
        self._check_listed(host, servers)
        return super()._balancer_drain(host, backend, servers, timeout_s, floor, cut)

    def _check_listed(self, host, servers):
        unknown = set(servers) - set(self.lists.get(host, servers))
        if unknown:
            raise RefusedError(f"servers {sorted(unknown)}: are not in the backend")

    def _balancer_leave(self, host, timeout_s):
        self.step(f"leave {host.removeprefix('demo-')}")
        return 0

    def _state_apply(self, host, queue, mods=None):
        super()._state_apply(host, mods, queue)
        self.step(f"states {shorts([host])}")
        if not self.homeless:
            self.highstate(host)


def clouded(world):
    """Return a world with machines for all of its hosts."""
    demo = world.definition.environments["demo"]
    members = demo.all_members()
    minions = Minions(
        world.fleet.root,
        lambda: config_of(world.records, world.definition),
        hosts=world.fleet.hosts,
        in_service=world.fleet.in_service,
        machines=set(members),
    )
    cloud = Cloud(minions, members)
    ledger.bear(world.records, demo, members)
    ledger.answer(world.records, "demo", members)
    addresses = {host: f"10.0.0.{n}" for n, host in enumerate(members)}
    world.records.keep_environment("demo", prepared=members, addresses=addresses)
    return by(dataclasses.replace(world, fleet=minions, cloud=cloud), world.definition)


def accept(world, *names):
    """Have keys of minions that the master has accepted."""
    folder = Path(world.opts["pki_dir"], "minions")
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("a key", encoding="utf-8")


def by(world, definition):
    """Return a world whose definition is another one, and whose hosts hear of it."""
    found = dataclasses.replace(world, definition=definition)

    def own(host):
        held = functools.partial(locks.is_held, found.opts)
        return pillar.slice_for(host, found.present().definition, found.records, held)

    found.fleet.pillar = own
    return found


def redefined(world, other=None, **changes):
    """Return a world whose environment is changed, and with another one beside it."""
    demo = dataclasses.replace(world.definition.environments["demo"], **changes)
    found = {"demo": demo, **({other.name: other} if other else {})}
    found = {**world.definition.environments, **found}
    return by(world, dataclasses.replace(world.definition, environments=found))


def in_place(world):
    """Return the placements of the definition, by which hosts are released in place."""
    [(name, placement)] = world.definition.environments["demo"].services.items()
    rules = dataclasses.replace(placement.rollout, strategy="in-place")
    return {name: dataclasses.replace(placement, rollout=rules)}


def replacing(root, count=3, balancers=1, **rules):
    """Return a world with ``old`` in service, whose releases replace the hosts."""
    sizes = {"count": count, "balancers": balancers}
    found = clouded(opened(root, **sizes))
    found = by(found, defined(strategy="replace", **sizes, **rules))
    assert started(found, OLD)["status"] == "good"
    found.fleet.steps.clear()
    found.fleet.in_service = True
    return found
