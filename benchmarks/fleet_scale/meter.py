"""What a master spends: processor time, memory, and the events on its bus."""

import collections
import contextlib
import dataclasses
import os
import subprocess
import threading
import time
from pathlib import Path

import psutil
import salt.config
import salt.utils.event

_PERIOD_S = 1
_MB = 1 << 20


@dataclasses.dataclass
class Cost:
    """What one command cost; times in seconds, memory in MB."""

    wall_s: float = 0.0
    master_cpu_s: float = 0.0
    master_mb: float = 0.0
    runner_cpu_s: float = 0.0
    runner_mb: float = 0.0
    events: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    @property
    def cpu_s(self):
        """Processor time of the master and of the command."""
        return self.master_cpu_s + self.runner_cpu_s


class Meter:
    """Watches one master."""

    def __init__(self, lab):
        self._opts = salt.config.master_config(str(lab.conf / "master"))
        pid = int((lab.home / "master.pid").read_text().split()[0])
        self._master = psutil.Process(pid)

    def run(self, argv):
        """Run a command of the master's; return ``(exit code, output, Cost)``."""
        cost = Cost()
        with self._listening(cost), self._weighing(cost):
            before, begin = self._cpu_s(), time.monotonic()
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
            said = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            cost.wall_s = time.monotonic() - begin
            cost.master_cpu_s = self._cpu_s() - before
        cost.runner_cpu_s = usage.ru_utime + usage.ru_stime
        cost.runner_mb = usage.ru_maxrss / 1024
        return process.returncode, said, cost

    def _processes(self):
        return [self._master, *self._master.children(recursive=True)]

    def _cpu_s(self):
        """Return what all processes had so far, also those that have ended since."""
        total = 0.0
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
                total += times.children_user + times.children_system
        return total

    @contextlib.contextmanager
    def _weighing(self, cost):
        """Keep the largest proportional set size of all processes together."""

        def weigh():
            while not stop.wait(_PERIOD_S):
                found = sum(_pss(process.pid) for process in self._processes())
                cost.master_mb = max(cost.master_mb, found / _MB)

        stop = threading.Event()
        thread = threading.Thread(target=weigh)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    @contextlib.contextmanager
    def _listening(self, cost):
        """Count the events on the bus by what their tags begin with."""

        def listen():
            with salt.utils.event.get_event("master", opts=self._opts) as bus:
                bus.connect_pub()
                ready.set()
                while not stop.is_set():
                    event = bus.get_event(wait=0.5, full=True, auto_reconnect=True)
                    if event:
                        cost.events[_kind(event["tag"])] += 1

        ready, stop = threading.Event(), threading.Event()
        thread = threading.Thread(target=listen)
        thread.start()
        ready.wait()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _kind(tag):
    """Return what is the same in the tags of one kind."""
    words = tag.split("/")
    if tag.startswith("salt/job/"):
        return f"salt/job/{words[3]}"
    return "/".join(words[:2]) if "/" in tag else "a job's or a file's own"


def _pss(pid):
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    [line] = [line for line in text.splitlines() if line.startswith("Pss:")]
    return int(line.split()[1]) * 1024
