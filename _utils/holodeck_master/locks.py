"""One release at a time for each service and environment."""

import contextlib
import fcntl
import json
import os
import re
from pathlib import Path

from holodeck_io.errors import HolodeckError
from holodeck_master import records


class LockedError(HolodeckError):
    """Somebody else releases this service there."""


def held(opts, service, environment, message, *, heeds=True):
    """
    Hold the lock of a service in an environment, or raise :class:`LockedError`.

    The kernel releases it when its owner dies, so a lock is never stale.

    heeds
        Whether its owner is a release, which heeds wishes.
    """
    what = f"{service} in {environment}: is being released"
    look = f"look at `salt-run holodeck.history {service} {environment}`."
    refusal = (what, f"Wait for it, or {look}")
    facts = {"message": message, "heeds": heeds}
    return _held(opts, service, environment, facts, refusal)


def held_hosts(opts, environment, message):
    """Hold the lock under which an environment's hosts come and go; as :func:`held`."""
    what = f"Environment {environment}: its hosts are being changed"
    # No service has this name.
    refusal = (what, "Wait for the end.")
    return _held(opts, "", environment, {"message": message}, refusal)


@contextlib.contextmanager
def _held(opts, service, environment, facts, refusal):
    place = path(opts, service, environment)
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise LockedError(_refusal(refusal, file.read())) from None
        # Before anybody can see that a release runs, and wish something of it.
        wish(opts, service, environment).unlink(missing_ok=True)
        file.truncate(0)
        json.dump({"pid": os.getpid(), "since": records.now(), **facts}, file)
        file.flush()
        yield


def is_held(opts, service, environment):
    """
    Tell whether a release runs, without touching its lock.

    Trying the lock could refuse the very release that is about to take it, so the
    kernel's table of locks is read instead.
    """
    return bool(owner(opts, service, environment))


def owner(opts, service, environment):
    """Return what the owner of a lock said of itself; ``{}`` where nobody holds it."""
    place = path(opts, service, environment)
    try:
        inode, found = place.stat().st_ino, json.loads(place.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    # Not the device: on btrfs and overlays the table shows another than stat does.
    mark = re.compile(rf"FLOCK .* {found['pid']} \S+:{inode} ")
    held = mark.search(Path("/proc/locks").read_text(encoding="ascii"))
    return found if held else {}


def wish(opts, service, environment):
    """Return the file of what is asked of the release that runs."""
    place = path(opts, service, environment)
    return place.with_name(f"{place.name}.wish")


def path(opts, service, environment):
    """Return the lock's file."""
    return Path(opts["cachedir"], "holodeck", "locks", f"{environment}.{service}")


def _refusal(words, text):
    what, advice = words
    try:
        owner = json.loads(text)
        who = f"since {owner['since']} (pid {owner['pid']}): {owner['message']}"
    except ValueError:
        who = "just now"
    return f"{what} {who}. {advice}"
