"""
What people ask of a release while it runs: to pause, to go on, to stop.

A wish is a small file beside the lock of service and environment, on the machine
that runs the release; taking the lock removes the wish of before.
"""

import json

from holodeck_io import files
from holodeck_io.errors import HolodeckError
from holodeck_master import locks, records

PAUSE, PROMOTE, ABORT = "pause", "promote", "abort"


def make(world, key, word, user):
    """
    Leave a wish for the release that runs; return its record, or ``None``.

    key
        The service's and the environment's name.

    Raises :class:`~holodeck_io.errors.HolodeckError` when none runs, or when there
    is nothing to promote.
    """
    where = " in ".join(key)
    owner = locks.owner(world.opts, *key)
    if owner and not owner.get("heeds", True):
        raise HolodeckError(f"{where}: no release runs; {owner['message']}, just now.")
    if not owner:
        raise HolodeckError(
            f"{where}: no release runs; `salt-run holodeck.history {' '.join(key)}` "
            "shows how the last one ended."
        )
    record = world.records.unfinished(*key)
    if word == PROMOTE and not (record or {}).get("waiting"):
        raise HolodeckError(
            f"{where}: waits for nobody; `promote` ends a pause, or the hold after "
            "the first batch."
        )
    file = locks.wish(world.opts, *key)
    if read(file).get("word") == ABORT:
        raise HolodeckError(f"{where}: is being aborted; nothing else counts any more.")
    wish = {"word": word, "user": user, "since": records.now()}
    files.write_atomic(file, json.dumps(wish))
    return record


def read(file):
    """Return the wish in a file as ``{"word", "user", "since"}``, or ``{}``."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
