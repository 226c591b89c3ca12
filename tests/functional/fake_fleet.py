"""
Minions that are data.

They remember every step as a line of text (``drain web1``), and watch what users
could meet: an untested commit in rotation, or an empty pool.
"""

# ruff: noqa: ARG002 -- fakes take what the real ones take

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from holodeck import names
from holodeck_master import fleet, signals

WEB = ["demo-web1", "demo-web2", "demo-web3"]
OLD, NEW, THIRD = "0" * 40, "1" * 40, "3" * 40
LABELS = {OLD: "old", NEW: "new", THIRD: "third"}


class Killed(BaseException):
    """The runner's process ends here."""


@dataclass
class Host:
    """What a web host runs."""

    commit: str | None = None
    deployment: str | None = None
    passed: set = field(default_factory=set)
    rotation: bool = False
    kept: set = field(default_factory=set)
    order: int = 0
    pid: int = 1
    fault: str | None = None
    lost: bool = False
    changed: list = field(default_factory=list)
    overridden: list = field(default_factory=list)

    @property
    def runs(self):
        """What the suite is about."""
        return self.commit, self.deployment


@dataclass
class Fleet:
    """The minions; ``faults`` is ``{step: error, text or deed}``, each met once."""

    root: object
    config: Callable
    faults: dict = field(default_factory=dict)
    steps: list = field(default_factory=list)
    dangers: list = field(default_factory=list)
    pruned: list = field(default_factory=list)
    deployments_kept: dict = field(default_factory=dict)
    failing: frozenset = frozenset()
    raised: str = ""
    seen: list = field(default_factory=lambda: [[100, 10, 0, 2.5]])
    applied: list = field(default_factory=list)
    listening: int = 0
    hosts: dict = field(default_factory=lambda: {name: Host() for name in WEB})
    wrong_bytes: str = ""
    homeless_code: str = ""
    marks: dict = field(default_factory=dict)
    refreshed: list = field(default_factory=list)
    standing: set = field(default_factory=set)
    probes: list = field(default_factory=list)
    latency: dict = field(default_factory=dict)
    broken_contract: bool = False
    in_service: bool = False
    dead: bool = False
    fuse: Callable = lambda _: None

    def call(self, hosts, function, deadline_s=60, **arguments):
        """Return the values, or raise as the real one does."""
        return self.call_groups([(hosts, function, arguments)], deadline_s)

    def call_groups(self, groups, deadline_s=60):
        """Return the values, or raise as the real one does."""
        replies = self.ask_groups(groups, deadline_s)
        if not all(reply.ok for reply in replies.values()):
            raise fleet.CallFailedError(groups[0][1], replies)
        return {host: reply.value for host, reply in replies.items()}

    def ask(self, hosts, function, deadline_s=60, **arguments):
        """Return one reply for each host."""
        return self.ask_groups([(hosts, function, arguments)], deadline_s)

    def ask_groups(self, groups, deadline_s=60):
        """Return one reply for each host of the groups."""
        with self.begun(groups) as replies:
            return replies(deadline_s)

    @contextlib.contextmanager
    def begun(self, groups):
        """Ask at once, as the real one; yield what tells the answers."""
        self.listening += 1
        try:
            replies = self._replies(groups)
            yield lambda _: replies
        finally:
            self.listening = max(0, self.listening - 1)

    def hang_up(self):
        """Listen no more; whoever asks all the same gets an answer here."""
        self.listening = 0

    def tell(self, hosts, function, **arguments):
        """Call a function of hosts that are not dead."""
        if not self.dead:
            for host in hosts:
                self._reply(host, function, arguments)

    def _replies(self, groups):
        replies = {
            host: self._reply(host, function, arguments)
            for hosts, function, arguments in groups
            for host in hosts
        }
        self._watch()
        return replies

    def _reply(self, host, function, arguments):
        if self.dead:
            raise Killed
        if host in self.hosts and self.hosts[host].lost:
            return fleet.Reply(host, error="is silent for 20 s.", lost=True)
        work = getattr(self, "_" + function.replace(".", "_"))
        try:
            return fleet.Reply(host, work(host, **arguments))
        except RefusedError as error:
            return fleet.Reply(host, error=str(error))

    def step(self, text):
        """Note a step, unless the runner is to die before it."""
        self.fuse(text)
        self.steps.append(text)
        fault = self.faults.pop(text, None)
        # What is dead asks nobody any more: the test brings it back to life.
        self.dead = isinstance(fault, Killed)
        if isinstance(fault, BaseException):
            raise fault
        if callable(fault):
            fault()
        elif fault:
            raise RefusedError(fault)

    def _watch(self):
        # The real one waits here, and looks for signals meanwhile.
        signals.check()
        inside = self._serving()
        if self.in_service and not inside:
            self.dangers.append(f"{self.steps[-1:]}: the pool is empty")
        for name in inside:
            if self.hosts[name].runs not in self.hosts[name].passed:
                self.dangers.append(f"{self.steps[-1:]}: {name} serves untested code")

    def _serving(self):
        """Return the hosts in rotation whose health check passes."""
        return [
            name
            for name, host in self.hosts.items()
            if host.rotation and not host.lost and not host.fault
        ]

    def _webapp_status(self, host):
        status = {"pack": "p", "platform": "Debian 12 x86_64", "services": {}}
        status["mark"] = self.marks.get(host, "")
        found = self.hosts.get(host)
        if found and found.commit:
            status["services"]["guestbook"] = {
                "commit": found.commit,
                "deployment": found.deployment,
                "deployments": sorted(found.kept),
                "running": found.commit,
                "fault": found.fault,
                "pids": [found.pid],
                "turn": found.order,
                "changed": found.changed,
                "overridden": found.overridden,
            }
        return status

    def _bundle_resolve(self, host, repository, ref):
        self.step(f"resolve {ref}")
        known = {"main": NEW, "old": OLD, "third": THIRD}
        if ref not in known:
            raise RefusedError(f"Commit {ref}: is no branch")
        return known[ref]

    def _saltutil_refresh_pillar(self, host, wait):
        self.refreshed.append(short(host))

    def _bundle_build_all(self, host, commit, specs, stored, bases, mark):
        self.step(f"build {LABELS[commit]}")
        return {name: self._manifest(host, name, commit) for name in specs}

    def _manifest(self, host, name, commit):
        content = f"{name} {commit}".encode()
        digest = hashlib.sha256(content).hexdigest()
        pushed = self.root / "minions" / host / "files" / "holodeck" / digest
        pushed.parent.mkdir(parents=True, exist_ok=True)
        pushed.write_bytes(content)
        layer = {
            "role": "app",
            "deltas": [],
            "package": names.app_package(name, commit),
            "root": names.bundle_root(name, commit),
            "filename": f"{names.app_package(name, commit)}.deb",
            "sha256": digest,
            "size": len(content),
            "tree": digest,
        }
        return {"name": name, "commit": commit, "layers": [layer]}

    def _bundle_stage(self, host, bundles, mark):
        shown = " ".join(LABELS[bundle["commit"]] for bundle in bundles)
        self.step(f"stage {short(host)} {shown}")
        wrong = host == self.wrong_bytes
        return {
            layer["root"]: "other" if wrong else layer["tree"]
            for bundle in bundles
            for layer in bundle["layers"]
        }

    def _bundle_verify(self, host, name, commit):
        return {"ok": host != self.wrong_bytes, "differs": []}

    def _balancer_drain(self, host, backend, servers, timeout_s, floor, cut):
        serving = set(self._serving())
        if serving & set(servers) and len(serving - set(servers)) < floor:
            raise RefusedError(f"without {shorts(servers)} too few would serve")
        self.step(f"drain {shorts(servers)}")
        for server in servers:
            self.hosts[server].rotation = False
        return {}

    def _balancer_ready(self, host, backend, servers, timeout_s):
        self.step(f"ready {shorts(servers)}")
        for server in servers:
            self.hosts[server].rotation = True
        return {}

    def _balancer_swap(
        self, host, backend, servers, others, timeout_s, drain_s, floor
    ):  # fmt: skip
        self._balancer_ready(host, backend, servers, timeout_s)
        self._watch()
        return self._balancer_drain(host, backend, others, drain_s, floor, cut=False)

    def _bundle_history(self, host, repository, old, new):
        return [{"commit": new, "subject": LABELS[new]}]

    def _balancer_status(self, host, backend="guestbook"):
        up = self._serving()
        return {
            backend: {
                name: {"status": "UP" if name in up else "DOWN" if host.rotation else
                       "DRAIN"}
                for name, host in self.hosts.items()
            }
        }  # fmt: skip

    def _state_apply(self, host, mods, queue):
        assert queue, "a highstate may run just then"
        self.applied.append((short(host), mods))

    def _webapp_switch(
        self, host, name, commit, deployment, timeout_s, order, mark=""
    ):  # fmt: skip
        one = self.hosts[host]
        if order <= one.order:
            raise RefusedError("a later switch came before this one")
        one.order = order
        if commit == self.homeless_code:
            raise RefusedError("it is not healthy")
        changed = one.commit != commit
        one.pid += changed
        one.changed = []
        one.commit = commit
        one.deployment = deployment or names.deployment(commit, self.config())
        one.kept.add(one.deployment)
        self.step(f"switch {short(host)} {LABELS[commit]}")
        return {"deployment": one.deployment, "changes": {name: 1} if changed else {}}

    def _webapp_refusal(self, host, name, path):
        return None

    def _webapp_raised(self, host, name, lines):
        if fault := self.faults.pop(f"raised {short(host)}", None):
            raise RefusedError(fault)
        return self.raised

    def _webapp_remove(self, host, name):
        self.hosts[host].commit = None
        return True

    def _webtest_run(self, host, **arguments):
        targets = [target["name"] for target in arguments["targets"]]
        self.step(f"suite {shorts(targets)}")
        for target in targets:
            if target in self.hosts:
                self.hosts[target].passed.add(self.hosts[target].runs)
        counts = {"collected": 1, "passed": 1, "skipped": 0, "failed": 0, "error": 0,
                  "total": 1}  # fmt: skip
        ends = {n: "failed" if n in self.failing else "passed" for n in targets}
        return {
            "ok": True,
            "targets": {n: {"state": ends[n], "counts": counts} for n in targets},
        }

    def _webtest_stand_by(self, host, name, commit, standby, mark):
        self.standing.add((host, standby))

    def _webtest_dismiss(self, host, standby):
        self.standing.remove((host, standby))

    def _webtest_probe(self, host, **arguments):
        self.probes.append(arguments)

    def _webtest_probed(self, host, name, turn):
        # Once, as the real one.
        seen, self.seen = self.seen, []
        return seen

    def _webtest_compare(self, host, old, new, **arguments):
        self.step(f"compare {shorts([new['name'], old['name']])}")
        return self.latency

    def _webtest_contract(self, host, **arguments):
        self.step(f"contract {short(arguments['target']['name'])}")
        broken = self.broken_contract
        counts = {"collected": 1, "passed": not broken, "skipped": 0, "failed": broken,
                  "error": 0, "total": 1}  # fmt: skip
        why = {"id": "GET /entries", "why": "Server error"}
        return {
            "state": "failed" if broken else "passed",
            "counts": {name: int(count) for name, count in counts.items()},
            "failures": [why] if broken else [],
            "seconds": 1,
        }

    def _webapp_prune(self, host, name, keep, commits):
        self.deployments_kept[short(host)] = keep
        self._bundle_prune(host, name, commits)

    def _bundle_prune(self, host, name, keep):
        self.pruned.append((short(host), name, [LABELS[c] for c in keep]))


class RefusedError(Exception):
    """A minion says no."""


def short(host):
    """Return a host's name as steps have it."""
    return host.removeprefix("demo-")


def shorts(hosts):
    """Return hosts' names as steps have them."""
    return " ".join(short(host) for host in hosts)
