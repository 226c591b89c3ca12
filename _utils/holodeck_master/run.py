"""
One release under way: its steps, and its record.

:mod:`holodeck_master.release` says which steps, in which order;
:mod:`holodeck_master.rolling` takes the hosts over, batch by batch, and
:mod:`holodeck_master.way_back` brings them home.
"""

import contextlib
import time

from holodeck import names
from holodeck.model import REPLACE
from holodeck_io.errors import HolodeckError
from holodeck_master import (
    agreement,
    balancers,
    building,
    environments,
    keeping,
    locks,
    pillar,
    probing,
    records,
    replacing,
    rolling,
    signals,
    stages,
    story,
    telling,
    way_back,
)
from holodeck_master.plan import RefusedReleaseError

_INTERRUPTS = (KeyboardInterrupt, SystemExit, signals.InterruptedReleaseError)


class Run:
    """
    One release under way.

    ``record`` remembers, besides what people are shown, how far each host has come:
    ``touched`` are out of rotation, ``switched`` may run something else than before,
    ``done`` are tested and back, ``failed`` stay out. ``tested`` are about to be back.
    """

    def __init__(self, world, plan, last, record):
        self.world, self.plan, self.last = world, plan, last
        self.served, self.homeless = last, "there is no good release to go back to"
        self.record = {
            "commit": None,
            "previous": last and last["id"],
            "started": records.now(),
            "touched": [],
            "switched": [],
            "done": [],
            "failed": {},
            **record,
        }
        self.story = story.Story(world.records, record.get("id"))
        self.hosts = plan.environment.members("web")
        self._forget_who_is_gone()
        self.statuses, self.tested, self.kept, self.standby = {}, [], [], ""
        self._order, self._is_told = 0, False
        if last and world.records.was_given_up(last):
            # Hosts may have other bytes in its place.
            self.last, self.homeless = None, f"{self.no_way()} was given up"

    def _forget_who_is_gone(self):
        """The environment may have been scaled since the record began."""
        for fact in ("touched", "switched", "done"):
            self.record[fact] = [h for h in self.record[fact] if h in self.hosts]
        failed = self.record["failed"]
        self.record["failed"] = {h: failed[h] for h in failed if h in self.hosts}

    @contextlib.contextmanager
    def recorded(self):
        """Whatever goes wrong from here on stands in the record."""
        with signals.interruptible(locks.wish(self.world.opts, *self.plan.key)):
            try:
                yield
            except (building.UnknownCommitError, RefusedReleaseError):
                raise
            except HolodeckError as error:
                self._fail(error)
            except (Exception, KeyboardInterrupt, SystemExit) as error:
                # A full disk, a mistake of ours: hosts go back all the same.
                self._fail(error)
                raise

    def ensure(self):
        """Every host is there, answers, and has the pack's present code."""
        with self.phase("hosts"):
            self.kept = keeping.stand_in(self)
            self.statuses = environments.ensure(
                self.world,
                replacing.needed(self),
                self.plan.rules.hosts_s,
                balancers.wanted(self.world, self.plan, self.record),
                strict=self.record["kind"] != "rollback",
            )

    def find(self, ref):
        """Find the commit and the configuration that are wanted, on hosts as above."""
        asked = self.world, self.plan.environment, self.plan.service, ref
        with building.asked_early(*asked) as early:
            self.ensure()
            with self.phase("resolve"):
                commit = building.resolve(*asked, early)
        placed = (self.world.records, self.plan.service, self.plan.placement)
        config = pillar.config_digest(*placed)
        self.record |= {
            "commit": commit,
            "config": config,
            "health": self.plan.service.health,
            "settings": pillar.setting_digests(*placed),
            "deployment": names.deployment(commit, config),
        }
        if not (ref and names.is_commit_prefix(ref)):
            self._refuse_what_was_bad()

    def _refuse_what_was_bad(self):
        """A branch whose newest commit was bad is not released again by itself."""
        known = self.world.records.verdict(*self.plan.key, self.record["deployment"])
        if known and known["status"] != records.GOOD:
            short = names.short(known["commit"])
            raise RefusedReleaseError(
                f"Commit {short}: {known['id']} is {known['status']} (`salt-run "
                f"holodeck.show {known['id']}` tells more). To release it all the "
                f"same, ask for it by its id: commit={short}."
            )

    def reuse(self, target):
        """Take commit, bundle and deployment from an earlier record."""
        replacing.check_configuration(self, target)
        for fact in ("commit", "config", "health", "settings", "deployment", "bundle",
                     "suite", "signed_by"):  # fmt: skip
            self.record[fact] = target.get(fact)

    def goes_home(self, target):
        """Tell whether a rollback goes to what served last."""
        is_same = self.served and self.served["deployment"] == target["deployment"]
        return bool(is_same) and self.record["kind"] == "rollback"

    def is_there(self):
        """Tell whether the last good release is this one, and everywhere runs."""
        if keeping.hosts(self.world, self.plan.environment, "incoming"):
            # Of a dead runner.
            return False
        if not self.last or self.last["deployment"] != self.record["deployment"]:
            return False
        if (self.last.get("signed_by") or "") != self._signing_key():
            # New hosts would refuse what the old key has signed.
            return False
        try:
            return agreement.everywhere(self)
        except HolodeckError as error:
            # A release will say what is wrong with whom.
            self.world.say("resolve", str(error))
            return False

    def build(self):
        """Build what was never built."""
        with self.phase("build"):
            manifests = building.build(
                self.world, self.plan, self.record["commit"], self.statuses, self.last
            )
        self.record["bundle"] = manifests[self.plan.service.name]
        self.record["suite"] = manifests[names.suite_bundle(self.plan.service.name)]
        self.record["signed_by"] = self._signing_key()

    def _signing_key(self):
        return (self.world.definition.signing or {}).get("key", "")

    def go(self):
        """Bring it onto the hosts that serve, or new ones in, and call it good."""
        self._begin()
        replacing.settle(self)
        self.record["strategy"] = replacing.strategy(self, self.record)
        self.save()
        if self.record["strategy"] == REPLACE:
            replacing.replace(self)
        else:
            rolling.take_over(self)
        self._finish(records.GOOD)

    def resume(self):
        """
        Take up what a dead runner left: its way forth, or its way back.

        Hosts that it had finished, and that are still as it left them, are not
        touched again.
        """
        self.record.pop("waiting", None)
        failed, self.record["failed"] = self.record["failed"], {}
        self.record["touched"] = [*{**dict.fromkeys(self.record["touched"]), **failed}]
        if "verdict" in self.record:
            home = agreement.at_home(self)
            for hosts in ("touched", "switched"):
                self.record[hosts] = [h for h in self.record[hosts] if h not in home]
            raise HolodeckError(self.record["reason"])
        self.record["done"] = agreement.still_done(self)

    def note(self, phase, hosts, words):
        """Say that hosts have come so far, and remember it for the report."""
        self.story.note(phase, hosts, words)
        self.world.note(phase, hosts, words)

    def test(self, suite, *hosts):
        """Run one of the suites of :mod:`stages`; remember what it proved."""
        try:
            code = {**stages.code(self.record), "standby": self.standby}
            proof = suite(self.world, self.plan, code, *hosts)
        except stages.SuiteFailedError as error:
            self.story.tested(error.proof)
            raise
        if proof:
            self.story.tested(proof)
            self.story.save(self.record["id"])
        return proof

    def next_order(self):
        """Return a number above that of every switch before, also of another clock."""
        marks = [self.service_on(host).get("turn", 0) for host in self.statuses]
        self._order = max(time.time_ns(), self._order + 1, *(m + 1 for m in marks))
        return self._order

    def save(self):
        """Keep the record as it is now."""
        self.world.records.save(self.record)

    def _begin(self):
        if "id" not in self.record:
            service, environment = self.plan.key
            facts = {"phases": self.record.pop("early", []), **self.record}
            self.record = self.world.records.begin(service, environment, **facts)
            # Only now: what they left is noted in this one.
            self.world.records.bury(*self.plan.key, but=self.record["id"])
        self.save()
        if not self._is_told:
            self._is_told = True
            telling.tell(self.world, self.record, telling.BEGIN)

    def no_way(self):
        """Return the beginning of why nobody can go back."""
        return f"there is no way back to {self.served['id']}"

    def without(self, deployment, hosts):
        """Return those of the hosts that have not said that a deployment is there."""
        return [
            host
            for host in hosts
            if deployment not in self.service_on(host).get("deployments", [])
        ]

    def service_on(self, host):
        """Return what a host said of the service, or ``{}``."""
        services = self.statuses.get(host, {}).get("services", {})
        return services.get(self.plan.service.name, {})

    def _fail(self, error):
        """Record the reason, and bring back what was switched."""
        interrupted = isinstance(error, _INTERRUPTS)
        verdict = records.ABORTED if interrupted else records.BAD
        if "verdict" not in self.record:
            self.record["reason"] = str(error) or type(error).__name__
            self.record["verdict"] = verdict
        self.record.pop("waiting", None)
        # Whoever resumes must not go forth again; a full disk must not keep hosts here.
        with contextlib.suppress(Exception):
            self._begin()
        with self.phase("back"), signals.shielded():
            with contextlib.suppress(Exception):
                self.world.say("failed", self.record["reason"])
            # The old hosts first: a new one goes only where others serve.
            came_back = {**way_back.go_back(self), **replacing.withdraw(self)}
        # Of a second try the first one's hosts are home already.
        self.record["back"] = {**self.record.get("back", {}), **came_back}
        self._begin()
        self._finish(self.record.pop("verdict"))

    def _finish(self, status):
        with signals.shielded():
            probing.end(self)
            self.story.save(self.record["id"])
        self.record |= {"status": status, "ended": records.now()}
        self.save()
        telling.tell(self.world, self.record, telling.END)

    @contextlib.contextmanager
    def phase(self, name):
        """Note in the record how long the block takes."""
        at, started = round(time.time(), 2), time.monotonic()
        try:
            yield
        finally:
            seconds = round(time.monotonic() - started, 1)
            key = "phases" if "id" in self.record else "early"
            phase = {"name": name, "at": at, "seconds": seconds}
            self.record.setdefault(key, []).append(phase)
