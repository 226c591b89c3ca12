"""One release at a time for each service and environment."""

import contextlib
import fcntl
import json
import os
from pathlib import Path

from holodeck_io.errors import HolodeckError
from holodeck_master import records


class LockedError(HolodeckError):
    """Somebody else releases this service there."""


@contextlib.contextmanager
def held(opts, service, environment, message):
    """
    Hold the lock of a service in an environment, or raise :class:`LockedError`.

    The kernel releases it when its owner dies, so a lock is never stale.
    """
    path = Path(opts["cachedir"], "holodeck", "locks", f"{environment}.{service}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise LockedError(_refusal(service, environment, file.read())) from None
        file.truncate(0)
        json.dump(
            {"pid": os.getpid(), "since": records.now(), "message": message}, file
        )
        file.flush()
        yield


def _refusal(service, environment, text):
    try:
        owner = json.loads(text)
        who = f"since {owner['since']} (pid {owner['pid']}): {owner['message']}"
    except ValueError:
        who = "just now"
    return (
        f"{service} in {environment}: is being released {who}. Wait for it, or look "
        f"at `salt-run holodeck.history {service} {environment}`."
    )
