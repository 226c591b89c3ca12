"""Locks that the kernel releases when their owner dies."""

import contextlib
import fcntl
import time
from pathlib import Path

_POLL_S = 0.2


@contextlib.contextmanager
def held(path, check=None):
    """
    Wait for the lock file at ``path`` and hold it.

    check
        Called again and again while it waits; ends the wait by raising.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="ascii") as file:
        if check is None:
            fcntl.flock(file, fcntl.LOCK_EX)
        while check and not _taken(file):
            check()
            time.sleep(_POLL_S)
        yield


def _taken(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
