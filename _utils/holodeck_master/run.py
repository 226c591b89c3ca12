"""
One release under way: its steps, its record, and the way back.

:mod:`holodeck_master.release` says which steps, in which order.
"""

import contextlib
import time

from holodeck import names, rollout
from holodeck_io.errors import HolodeckError
from holodeck_master import building, environments, pillar, records, signals, stages

_INTERRUPTS = (KeyboardInterrupt, SystemExit, signals.InterruptedReleaseError)


class Run:
    """One release under way: its record, and what was switched so far."""

    def __init__(self, world, plan, last, facts):
        self.world, self.plan, self.last = world, plan, last
        self._served, self._homeless = last, "there is no good release to go back to"
        self.record = {
            "commit": None,
            "previous": last and last["id"],
            "started": records.now(),
            **facts,
        }
        self._switched = []
        self._touched = []
        self._hosts = plan.environment.members("web")
        self.statuses = {}

    @contextlib.contextmanager
    def recorded(self):
        """Whatever goes wrong from here on stands in the record."""
        with signals.interruptible():
            try:
                yield
            except building.UnknownCommitError:
                # Nothing was released, so there is nothing to record.
                raise
            except HolodeckError as error:
                self._fail(error)
            except (Exception, KeyboardInterrupt, SystemExit) as error:
                # A full disk, a mistake of ours: hosts go back all the same.
                self._fail(error)
                raise

    def ensure(self):
        """Every host is there, answers, and has the pack's present code."""
        with self._phase("hosts"):
            self.statuses = environments.ensure(self.world, self.plan.environment)

    def resolve(self, ref):
        """Find the commit and the configuration that are wanted."""
        with self._phase("resolve"):
            self.record["commit"] = building.resolve(
                self.world, self.plan.environment, self.plan.service, ref
            )
        self.record["config"] = pillar.config_digest(
            self.world.records, self.plan.service, self.plan.placement
        )
        self.record["deployment"] = names.deployment(
            self.record["commit"], self.record["config"]
        )

    def reuse(self, target):
        """Take commit, bundle and deployment from an earlier record."""
        found = self.world.fleet.call(
            self._hosts, "webapp.has",
            name=self.plan.service.name, deployment=target["deployment"],
        )  # fmt: skip
        without = sorted(host for host, here in found.items() if not here)
        if without:
            raise HolodeckError(
                f"Rollback to {target['id']}: its configuration is no longer on "
                f"{', '.join(without)}; release {names.short(target['commit'])} "
                "instead, which takes the configuration that pillar has now."
            )
        for fact in ("commit", "config", "deployment", "bundle", "suite"):
            self.record[fact] = target[fact]

    def is_there(self):
        """Tell whether the last good release is this one, and everywhere runs."""
        if not self.last or self.last["deployment"] != self.record["deployment"]:
            return False
        if self.world.records.was_given_up(self.last):
            return False
        return self._hosts_agree() and self._balancers_agree() and self._bytes_agree()

    def build(self):
        """Build what was never built."""
        with self._phase("build"):
            manifests = building.build(
                self.world, self.plan.environment, self.plan.service,
                self.record["commit"], self.statuses, self.last,
            )  # fmt: skip
        self.record["bundle"] = manifests[self.plan.service.name]
        self.record["suite"] = manifests[names.suite_bundle(self.plan.service.name)]

    def go(self):
        """Stage, roll over, test through the balancer, and call it good."""
        self._begin()
        with self._phase("stage"):
            self._stage()
        with self._phase("rollout"):
            for batch in rollout.batches(self._hosts, self.plan.rules.batch):
                self._roll(batch)
        with self._phase("balancer"):
            stages.suite_on_balancers(self.world, self.plan, self.record["commit"])
            self.world.say("balancer", "the suite passed through every balancer")
            self._agree()
        self._finish(records.GOOD)

    def _agree(self):
        """Whoever meddled meanwhile: good is what every host says at the end."""
        replies = self.world.fleet.call(self._hosts, "webapp.status")
        self.statuses |= replies
        if not self._hosts_agree():
            raise HolodeckError(
                "At the end not every host runs the release; somebody else switched "
                "one of them meanwhile."
            )

    def _begin(self):
        if "id" not in self.record:
            service, environment = self.plan.key
            facts = {"phases": self.record.pop("early", []), **self.record}
            self.record = self.world.records.begin(service, environment, **facts)
        self.world.records.save(self.record)

    def _stage(self):
        """The new bundle, and the one to go back to, are on every host."""
        bundles = [self.record["bundle"]]
        self._give_up_stranded()
        if self.last:
            bundles.append(self.last["bundle"])
        self._check_roots(bundles)
        stages.stage(self.world, self._hosts, bundles)
        testers = self.plan.environment.members("tester")
        stages.stage(self.world, testers, [self.record["suite"]])
        self.world.say("stage", f"{len(self._hosts)} hosts hold the same bytes")

    def _give_up_stranded(self):
        """Go on without a way back where the last good release could not start."""
        stranded = [h for h in self._hosts if self._service_on(h).get("stranded")]
        if self.last and (stranded or self.world.records.was_given_up(self.last)):
            where = f" from {', '.join(stranded)}" if stranded else ""
            self._homeless = (
                f"there is no way back to {self.last['id']}: its Python is gone{where}"
            )
            self.world.say("stage", self._homeless)
            # Before a host gets other bytes in its place, which outlive this release.
            self.record["gave_up"] = self.last["id"]
            self.world.records.save(self.record)
            self.last = None

    def _service_on(self, host):
        services = self.statuses.get(host, {}).get("services", {})
        return services.get(self.plan.service.name, {})

    def _check_roots(self, bundles):
        """One place cannot hold two trees: the same commit built differently."""
        trees = {}
        for layer in (layer for bundle in bundles for layer in bundle["layers"]):
            if trees.setdefault(layer["root"], layer["tree"]) != layer["tree"]:
                raise HolodeckError(
                    f"Bundle {layer['root']}: is built differently than in "
                    f"{self.last['id']}, from the same commit (another lock, Python "
                    "or packager). Make a commit of the change and release that."
                )

    def _roll(self, batch):
        """One batch: out of rotation, switched, tested, and back in."""
        world, plan = self.world, self.plan
        self._touched = batch
        shown = ", ".join(batch)
        stages.drain(world, plan.environment, plan.service.name, batch, plan.rules)
        world.say("rollout", f"{shown}: out of rotation")
        self._switched += batch
        commit = self.record["commit"]
        stages.switch(world, plan.service.name, batch, self.record, plan.rules)
        world.say("rollout", f"{shown}: healthy at {names.short(commit)}")
        stages.suite_on_hosts(world, plan, commit, batch)
        world.say("rollout", f"{shown}: the suite passed")
        stages.ready(world, plan.environment, plan.service.name, batch, plan.rules)
        world.say("rollout", f"{shown}: back in rotation")
        self._touched = []

    def _fail(self, error):
        """Record the reason, and bring back what was switched."""
        interrupted = isinstance(error, _INTERRUPTS)
        self.record["reason"] = str(error) or type(error).__name__
        with self._phase("back"), signals.shielded():
            self.world.say("failed", self.record["reason"])
            self.record["back"] = self._go_back()
        # Last, for it may fail too: a full disk must not keep hosts from home.
        self._begin()
        self._finish(records.ABORTED if interrupted else records.BAD)

    def _go_back(self):
        """
        Bring the hosts back to the last good release; return ``{host: words}``.

        The hosts that are out of rotation go first: good traffic is restored
        before bad is taken away. A host that fails stays out of rotation.
        """
        untouched = [host for host in self._touched if host not in self._switched]
        first = [host for host in self._touched if host in self._switched]
        later = [h for h in [*self._switched, *self._strayed()] if h not in first]
        outcome = {}
        for host in [*untouched, *first, *later]:
            outcome[host] = self._back(host, switched=host not in untouched)
            self.world.say("back", f"{host}: {outcome[host]}")
        return outcome

    def _strayed(self):
        """Return the hosts that a dead runner had left away from the last good."""
        service = self.plan.service.name
        return [
            host
            for host in self._hosts
            if self.last
            and host not in self._switched
            and (status := self.statuses.get(host))
            and status["services"].get(service, {}).get("deployment")
            != self.last["deployment"]
        ]

    def _back(self, host, *, switched):
        here = (self.world, self.plan.environment, self.plan.service.name, [host])
        rules = self.plan.rules
        stays = not switched and (self.last or self._still_serves(host))
        try:
            if not stays:
                stages.drain(*here, rules)
            if not (stays or self.last):
                return f"out of rotation: {self._homeless}"
            if switched:
                stages.switch(self.world, here[2], [host], self.last, rules)
            stages.ready(*here, rules)
        except HolodeckError as error:
            return f"stays out of rotation: {error}"
        return f"in rotation at {names.short(self._served['commit'])}"

    def _still_serves(self, host):
        """Tell whether a host still has the process and bytes of the last good one."""
        found, good = self._service_on(host), self._served
        return (
            good and found.get("stranded") and found["deployment"] == good["deployment"]
        )

    def _finish(self, status):
        self.record["status"] = status
        self.record["ended"] = records.now()
        self.world.records.save(self.record)

    def _hosts_agree(self):
        return all(
            (status := self.statuses[host]["services"].get(self.plan.service.name))
            and status["deployment"] == self.record["deployment"]
            and status["running"] == self.record["commit"]
            and status["fault"] is None
            and not status.get("stranded")
            for host in self._hosts
        )

    def _bytes_agree(self):
        replies = self.world.fleet.ask(
            self._hosts, "bundle.verify",
            name=self.plan.service.name, commit=self.record["commit"],
        )  # fmt: skip
        return all(reply.ok and reply.value["ok"] for reply in replies.values())

    def _balancers_agree(self):
        service = self.plan.service.name
        replies = self.world.fleet.call(
            self.plan.environment.members("balancer"),
            "balancer.status",
            backend=service,
        )
        return all(
            servers[service].get(host, {}).get("status", "").startswith("UP")
            for servers in replies.values()
            for host in self._hosts
        )

    @contextlib.contextmanager
    def _phase(self, name):
        started = time.monotonic()
        try:
            yield
        finally:
            seconds = round(time.monotonic() - started, 1)
            key = "phases" if "id" in self.record else "early"
            self.record.setdefault(key, []).append({"name": name, "seconds": seconds})
