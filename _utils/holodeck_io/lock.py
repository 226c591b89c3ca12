"""Locks that the kernel releases when their owner dies."""

import contextlib
import fcntl
from pathlib import Path


@contextlib.contextmanager
def held(path):
    """Wait for the lock file at ``path`` and hold it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
