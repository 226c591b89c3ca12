"""Pushes released one after the other, the newest of each branch alone."""

import logging
import time
from pathlib import Path

import salt.config

from holodeck import commit_status, names
from holodeck_io.errors import HolodeckError
from holodeck_master import (
    building,
    ephemeral,
    forges,
    locks,
    pushes,
    records,
    registry,
    release,
    telling,
)
from holodeck_master.plan import RefusedReleaseError
from holodeck_master.world import World

log = logging.getLogger(__name__)
#: What the tags of what pushers are told begin with; service and environment follow.
TAG = "holodeck/push"

_POLL_S = 1
_TOLD = (records.BAD, records.ABORTED)
_GOOD = (records.GOOD, pushes.UNCHANGED)


def main(conf_file, pack_home, service, environment):
    """
    Work off the pushes of a place, in a process that does nothing else.

    conf_file
        The master's configuration.
    pack_home
        As for :meth:`holodeck_master.world.World.open`.
    """
    logging.basicConfig()
    opts, key = salt.config.master_config(conf_file), (service, environment)

    def opened(say):
        return World.open(opts, say, Path(pack_home))

    for outcome in work_off(opts, key, opened, announcer(opts, key)):
        log.warning("%(release)s is %(state)s: %(reason)s", outcome)


def announcer(opts, key):
    """Return what fires what pushers of a place are told as an event."""
    announce = telling.announcer(opts)
    return lambda facts: announce("/".join([TAG, *key]), facts)


def work_off(opts, key, open_world, announce=lambda _facts: None):
    """
    Release what was pushed to a place until nothing waits; return what came of each.

    key
        The service's and the environment's name.
    open_world
        Returns a :class:`~holodeck_master.world.World` that says to its argument what
        it does.
    announce
        Called with ``{"release", "state", "line"}`` for all that pushers are told;
        :func:`announcer` makes events of it.

    Returns ``[{"release", "state", "reason"}, …]``; nothing where somebody else works.
    """
    desk, done = pushes.Desk(opts), []
    # Who pushed between the last look and the end of the turn has woken nobody.
    while True:
        with desk.turn(key) as mine:
            if not mine:
                return done
            while push := desk.take(key):
                done.append(_outcome(desk, key, push, open_world, announce))
                desk.done(key)
        if not desk.waits(key):
            return done


def _tidy(world, desk, environment):
    """Destroy what a push has made, since it has passed."""
    if environment not in registry.Registry(world.opts).all():
        return
    try:
        ephemeral.destroy(world, desk, environment)
    except HolodeckError as error:
        world.say("destroy", f"{error} `salt-run holodeck.expire` tries again.")


def _outcome(desk, key, push, open_world, announce):
    """Release one push, and tell those who follow it."""
    teller = _Teller(desk, push, announce)
    try:
        world = open_world(teller.say)
        record = _released(desk, key, push, world, teller)
    except (RefusedReleaseError, building.UnknownCommitError) as error:
        return teller.end(pushes.REFUSED, {}, str(error))
    except HolodeckError as error:
        return teller.end("failed", {}, str(error))
    except Exception as error:
        teller.end("failed", {}, f"{type(error).__name__}: {error}")
        raise
    state = pushes.UNCHANGED if record.get("unchanged") else record["status"]
    if state in _GOOD:
        _tidy(world, desk, key[1])
    return teller.end(state, record, record.get("reason", ""))


def _released(desk, key, push, world, teller):
    """Release what is the newest by the time when no other release runs."""
    said = False
    while True:
        while locks.is_held(world.opts, *key):
            if not said:
                world.say("waits", "for the release that runs")
                said = True
            time.sleep(_POLL_S)
        if desk.waits(key):
            push = desk.take(key)
            teller.follow(push)
        teller.tell_forge(world, key, push["commit"])
        try:
            return release.release(
                world, *key, push["branch"], _order(push), check=_Check(push)
            )
        except locks.LockedError as error:
            # Somebody was faster, or changes the hosts; it waits for that one too.
            if not said:
                world.say("waits", str(error))
                said = True
            time.sleep(_POLL_S)


def _order(push):
    who = push["pusher"] or "somebody"
    return {
        "user": who, "message": f"push of {push['branch']} by {who}",
        "reserved": push["release"],
    }  # fmt: skip


class _Check:
    """Refuses what a push must not do, once the branch's newest commit is known."""

    def __init__(self, push):
        self._push = push

    def __call__(self, run):
        new, last = run.record["commit"], run.last and run.last["commit"]
        pushed = self._push["commit"]
        # Who rewrites a branch says so, or says from which commit it was taken back.
        meant = self._push["forced"] or last in self._push["befores"]
        if new != pushed and (
            not self._is_known(run, pushed) or self._is_older(run, new, pushed)
        ):
            raise RefusedReleaseError(
                f"Commit {names.short(pushed)}: was pushed, and the git server gives "
                f"the builder {names.short(new)}; push again when it has the other."
            )
        if last not in {None, new} and not meant and self._is_older(run, new, last):
            raise RefusedReleaseError(
                f"Commit {names.short(new)}: is older than {names.short(last)}, which "
                "runs. To go back, use `holodeck.rollback`, or release the commit by "
                "its id."
            )

    def _is_known(self, run, commit):
        """Tell whether a commit is in the repository, yet or still."""
        plan = run.plan
        try:
            building.resolve_known(run.world, plan.environment, plan.service, commit)
        except building.UnknownCommitError:
            return False
        return True

    def _is_older(self, run, one, other):
        """Tell whether a commit lies in the past of another."""
        plan = run.plan
        return one != other and not building.history(
            run.world, plan.environment, plan.service, other, one
        )


class _Teller:
    """Tells those who follow a push, and the forge, how far it has come."""

    def __init__(self, desk, push, announce):
        self._desk, self._announce = desk, announce
        self._forge, self._commit = None, None
        self.follow(push)

    def follow(self, push):
        """Tell those who follow this push from now on."""
        self._followers, self._release = push["followers"], push["release"]

    def say(self, phase, message):
        """Tell one more thing that is done."""
        self._tell(f"{phase:>9}  {message}")

    def tell_forge(self, world, key, commit):
        """Tell the forge too from now on, of this commit."""
        service, environment = key
        known = world.definition.services[service]

        def tell(commit, state, words):
            why = forges.tell(world.opts, known, environment, commit, state, words)
            if why:
                self._tell(f"   status  the forge was not told: {why}")

        if commit != self._commit:
            self._forge, self._commit = tell, commit
            tell(commit, commit_status.PENDING, f"{self._release} begins")

    def end(self, state, record, reason):
        """Tell how it ended, and return that."""
        release = record.get("id") or self._release
        # What a release said as it went has been told already.
        first = reason.splitlines()[0] if state in _TOLD else reason.strip()
        why = f": {first}" if first else ""
        line = f"{release} is {state}{why}"
        if self._forge:
            status = commit_status.SUCCESS if state in _GOOD else commit_status.FAILURE
            # A later commit of the branch may be what was released.
            said = self._public(line, release, state, first)
            for commit in {self._commit, record.get("commit") or self._commit}:
                self._forge(commit, status, said)
        self._tell(release=release, state=state, line=line)
        return {"release": release, "state": state, "reason": reason}

    @staticmethod
    def _public(line, release, state, first):
        """Return what a forge may show to everybody: no word of a host's log."""
        if state in _TOLD and not first.startswith("The suite"):
            line = f"{release} is {state}; holodeck.show {release} tells why"
        return " ".join(line.split())

    def _tell(self, line, state=pushes.RUNNING, **facts):
        self._desk.tell(self._followers, state=state, line=line, **facts)
        told = {"release": self._release, **facts}
        self._announce({**told, "state": state, "line": line})
