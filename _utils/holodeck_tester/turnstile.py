"""How many suites run at once: as many as keep the cores busy."""

import contextlib
import os
import threading
import time
from pathlib import Path

_STAT = Path("/proc/stat")
_POLL_S = 0.05
# Less than this share of one core idle: another suite would only slow the others.
_IDLE_CORES = 0.5
_IDLE, _IOWAIT = 3, 4


class Turnstile:
    """
    Lets in as many as there are cores at first, then one more as long as cores idle.

    Suites of a service that answers slowly wait most of the time, so many run; those
    that keep a core busy run one for each core, and their times mean something.

    cores
        How many there are; all of this machine by default.
    idle
        Returns how many cores were idle since it was called last.
    """

    def __init__(self, cores=None, idle=None):
        self._cores = cores or len(os.sched_getaffinity(0))
        self._idle = idle or _Idle()
        self._inside = 0
        self._lock = threading.Lock()
        self._asked_at = time.monotonic()

    @contextlib.contextmanager
    def turn(self, end):
        """Wait for a turn, at most until ``end`` by the monotonic clock."""
        inside = self._enter()
        while not inside and time.monotonic() < end:
            time.sleep(_POLL_S)
            inside = self._enter()
        try:
            yield
        finally:
            if inside:
                self._leave()

    def _enter(self):
        with self._lock:
            if self._inside >= self._cores and not self._has_room():
                return False
            self._inside += 1
            return True

    def _leave(self):
        with self._lock:
            self._inside -= 1

    def _has_room(self):
        """Tell whether cores were idle; asked by all who wait, answered in turn."""
        now = time.monotonic()
        if now - self._asked_at < _POLL_S:
            return False
        self._asked_at = now
        return self._idle() > _IDLE_CORES


class _Idle:
    """How many cores were idle since the last call."""

    def __init__(self):
        self._before = self._times()

    def __call__(self):
        before, self._before = self._before, self._times()
        spent = [now - then for now, then in zip(self._before, before, strict=True)]
        idle = spent[_IDLE] + spent[_IOWAIT]
        return idle / max(1, sum(spent)) * (os.cpu_count() or 1)

    def _times(self):
        return [int(word) for word in _STAT.read_text().split("\n", 1)[0].split()[1:9]]
