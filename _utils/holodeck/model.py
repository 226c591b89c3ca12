"""
Services, environments and their places, as values.

:mod:`holodeck.definition` makes them from pillar.
"""

import hashlib
from dataclasses import dataclass, field

from holodeck import names

ROLES = ("web", "balancer", "tester", "builder")
#: At most so many hosts have one role.
HOSTS_MAX = 500
#: How a service rolls over.
IN_PLACE, REPLACE = "in-place", "replace"


class InvalidDefinitionError(ValueError):
    """The definition breaks rules; the message lists every fault with its path."""


@dataclass(frozen=True)
class Service:
    """One Python web service, the same in every environment."""

    name: str
    processes: dict
    port: int
    socket: bool = False
    health: str = "/"
    repository: str = ""
    branch: str = "main"
    lock: str = ""
    requirements: str = ""
    allow_unhashed: bool = False
    extras: list = field(default_factory=list)
    packages: dict = field(default_factory=dict)
    build: dict = field(default_factory=dict)
    python: str = ""
    packager: str = "nfpm"
    suite: str = ""
    suite_lock: str = ""
    checks: list = field(default_factory=list)
    contract: dict = field(default_factory=dict)
    webhook: dict = field(default_factory=dict, repr=False)
    settings: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)

    @property
    def recipe(self):
        """What the bundle's bytes depend on, besides the commit and its own lock."""
        return {
            "lock": self.lock,
            "requirements": self.requirements,
            "allow_unhashed": self.allow_unhashed,
            "extras": list(self.extras),
            "python": self.python,
            "packager": self.packager,
            "packages": dict(self.packages),
        }

    @property
    def fixed_commit(self):
        """
        The identity of a service that has no repository: its lock's digest.

        It has a commit's form, so that one rule serves both kinds.
        """
        return hashlib.sha256(self.requirements.encode()).hexdigest()[:40]


@dataclass(frozen=True)
class Rollout:
    """
    How a service rolls over in one environment. Times are in seconds.

    Sizes are numbers of hosts, or shares of the pool such as ``25%``. By ``replace``
    new hosts take the place of those that serve, which are kept for ``kept_s``.
    """

    strategy: str = IN_PLACE
    kept_s: int = 3600
    batch: tuple = (1,)
    floor: int | str = "50%"
    failures: int = 0
    hold_s: int = 0
    promote: str = "itself"
    min_healthy_s: int = 0
    hosts_s: int = 900
    build_s: int = 3600
    stage_s: int = 900
    drain_s: int = 30
    health_s: int = 60
    suite_s: int = 300
    keep: int = 3


@dataclass(frozen=True)
class Tests:
    """
    How a service is tested in one environment. Times are in seconds.

    ``settings`` are the environment variables that the suite's process gets, secrets
    too; ``ca``, ``cert`` and ``key`` are files on testers. ``probe_paths`` are what
    the steady probe and the latency gate ask for, the health path by default; there is
    no gate without a ``latency_factor``.
    """

    settings: dict = field(default_factory=dict)
    ca: str = ""
    cert: str = ""
    key: str = ""
    ready_s: int = 15
    test_s: int = 60
    probe_per_s: int = 10
    probe_paths: tuple = ()
    latency_factor: float = 0.0
    latency_s: int = 5


@dataclass(frozen=True)
class Placement:
    """One service in one environment."""

    service: str
    listen: str = ""
    url: str = ""
    settings: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)
    allow_writes: bool = False
    push: str = ""
    rollout: Rollout = Rollout()
    tests: Tests = Tests()


@dataclass(frozen=True)
class Hosts:
    """
    The hosts of one role: made from a cloud profile, or named one by one.

    ``each`` has the first one's own options over the profile's, the second one's, …
    ``defined`` is the definition's count where the role was scaled to another, ``left``
    how many of ``count`` are there only because nobody has scaled since it was lowered.
    ``first`` is the number of the first host that a profile made, ``beside`` has those
    of hosts that are no members, as :mod:`holodeck.generations` has it.
    """

    profile: str = ""
    count: int = 0
    ids: tuple = ()
    each: tuple = ()
    defined: int = 0
    left: int = 0
    first: int = 1
    beside: tuple = ()

    @property
    def numbers(self):
        """The numbers of the members that a profile makes: of none that is beside."""
        row = range(self.first, self.first + self.count)
        return [number for number in row if number not in self.beside]


@dataclass(frozen=True)
class Environment:
    """
    Where services run: hosts by role, and the services placed there.

    ``mirrors`` are in place of the definition's where they are given, be it none.
    """

    name: str
    hosts: dict
    services: dict
    cidr: str = ""
    virtual_address: str = ""
    ephemeral: dict = field(default_factory=dict)
    mirrors: tuple | None = None

    def members(self, role):
        """Return the minion ids of one role, in the definition's order."""
        group = self.hosts.get(role, Hosts())
        if group.ids:
            return list(group.ids)
        return [names.host(self.name, role, n) for n in group.numbers]

    def servers(self):
        """Return the web hosts that balancers know: members, and those beside them."""
        group = self.hosts.get("web", Hosts())
        if not group.beside:
            return self.members("web")
        numbers = sorted({*group.numbers, *group.beside})
        return [names.host(self.name, "web", n) for n in numbers]

    def remaining(self):
        """Return the hosts that go when somebody scales: a count was lowered."""
        return [
            host
            for role, group in self.hosts.items()
            if group.left
            for host in self.members(role)[-group.left :]
        ]

    def profiles(self):
        """Return ``{minion id: cloud profile}`` of the hosts a cloud makes."""
        return {
            minion: group.profile
            for role, group in self.hosts.items()
            if group.profile
            for minion in self.members(role)
        }

    def options(self):
        """Return ``{minion id: its own options}`` over those of its cloud profile."""
        return {
            minion: options
            for role, group in self.hosts.items()
            for minion, options in zip(self.members(role), group.each, strict=False)
        }

    def role_of(self, minion):
        """Return the role of a minion, or ``None`` when it is none of the hosts."""
        for role in self.hosts:
            if minion in self.members(role):
                return role
        return "web" if minion in self.servers() else None

    def all_members(self):
        """Return the minion ids of every role."""
        return [minion for role in self.hosts for minion in self.members(role)]

    def everybody(self):
        """Return the minion ids of every role, and of those beside the members."""
        return list(dict.fromkeys([*self.all_members(), *self.servers()]))


@dataclass(frozen=True)
class Definition:
    """
    Every service and environment that this master looks after.

    ``templates`` are the environments that pushes make others after.
    """

    services: dict
    environments: dict
    templates: dict = field(default_factory=dict)
    indexes: tuple = ()
    signing: dict | None = None
    metrics: dict = field(default_factory=dict)
    mirrors: tuple = ()

    def placement(self, service, environment):
        """
        Return ``(Service, Environment, Placement)``.

        Raises :class:`InvalidDefinitionError` naming the legal values when one of
        them is unknown.
        """
        known = _pick(self.services, service, "Service")
        place = _pick(self.environments, environment, "Environment")
        if service not in place.services:
            raise InvalidDefinitionError(
                f"Service {service}: has no place in environment {environment}; "
                f"add it under environments/{environment}/services. There now: "
                f"{_listing(place.services)}."
            )
        return known, place, place.services[service]

    def environment_of(self, minion):
        """Return the environment that a minion belongs to, or ``None``."""
        for environment in self.environments.values():
            if environment.role_of(minion):
                return environment
        return None


def _pick(known, name, noun):
    if name not in known:
        raise InvalidDefinitionError(
            f"{noun} {name}: is not defined in pillar; the defined ones are "
            f"{_listing(known)}."
        )
    return known[name]


def _listing(values):
    return ", ".join(sorted(values)) or "none"
