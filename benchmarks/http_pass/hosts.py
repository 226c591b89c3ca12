"""A suite over many hosts by two testers, beside the least that it could take."""

import contextlib
import dataclasses
import os
import shlex
import statistics
import time
from pathlib import Path

from server import Hosts
from tester import Tester

from holodeck_http import dealing

HOSTS = 10
_TESTERS = ("t1", "t2")
_FILES, _TESTS = 20, 10
TESTS = _FILES * _TESTS
_TEST = """
def test_{number}(app):
    assert app.get("/{file}/{number}").json["status"] == "ok"
"""


@dataclasses.dataclass(frozen=True)
class Round:
    """
    One round: one host alone, then all hosts by two testers.

    alone_s, wall_s
        The clock of each.
    cpu_s
        Processor seconds of the second: testers, suites and server.
    others
        The cores that everything else on this machine took meanwhile.
    """

    alone_s: float
    wall_s: float
    cpu_s: float
    others: float

    @property
    def floor_s(self):
        """The least that it could take."""
        return max(self.alone_s, self.cpu_s / cores())

    @property
    def ratio(self):
        """The clock to the least."""
        return self.wall_s / self.floor_s

    @property
    def ratio_left(self):
        """The same, had this machine only the cores that others left."""
        left = max(cores() - self.others, self.cpu_s / self.wall_s)
        return self.wall_s / max(self.alone_s, self.cpu_s / left)


def cores():
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def bundle(work):
    """Make the testers' bundle: the venv's Python, and a suite."""
    root = work / "bundle"
    (root / "bin").mkdir(parents=True)
    python = root / "bin" / "python"
    venv = shlex.quote(str(work / "venv" / "bin" / "python"))
    python.write_text(f'#!/bin/sh\nexec {venv} "$@"\n')
    python.chmod(0o755)
    (root / "suite").mkdir()
    for file in range(_FILES):
        tests = [_TEST.format(file=file, number=number) for number in range(_TESTS)]
        (root / "suite" / f"test_{file}.py").write_text("\n".join(tests))


def measure(work, latency_ms, rounds, say):
    """Return the :class:`Round` of each round."""
    found = []
    with contextlib.ExitStack() as stack:
        hosts = stack.enter_context(Hosts(HOSTS, latency_ms))
        testers = {name: stack.enter_context(Tester(work, name)) for name in _TESTERS}
        targets = [_target(number, port) for number, port in enumerate(hosts.ports)]
        for number in range(rounds):
            alone_s, *_ = _pass(testers, targets[:1], hosts)
            wall_s, cpu_s, others = _pass(testers, targets, hosts)
            found.append(Round(alone_s, wall_s, cpu_s, others))
            say(f"hosts, {latency_ms:g} ms: round {number + 1} of {rounds}")
    return found


def median(rounds, what):
    """Return the median of a figure over all rounds."""
    return statistics.median(getattr(each, what) for each in rounds)


def _target(number, port):
    url = f"http://127.0.0.1:{port}"
    return {"name": f"web{number}", "kind": "host", "url": url}


def _pass(testers, targets, hosts):
    """Test the targets as the master would; return clock, processor, others' cores."""
    dealt = dealing.assign(list(testers)[: len(targets)], targets)
    begin, served, busy = time.monotonic(), hosts.cpu_s(), _busy_s()
    for name, own in dealt.items():
        testers[name].start(own)
    answers = [testers[name].answer() for name in dealt]
    wall_s = time.monotonic() - begin
    cpu_s = sum(a["cpu_s"] for a in answers) + hosts.cpu_s() - served
    _check(answers, len(targets))
    return wall_s, cpu_s, max(0, _busy_s() - busy - cpu_s) / wall_s


def _check(answers, count):
    states = [state for answer in answers for state in answer["states"]]
    passed = sum(answer["passed"] for answer in answers)
    if states != ["passed"] * count or passed != count * TESTS:
        raise SystemExit(f"hosts: {passed} tests passed, the hosts are {states}")


def _busy_s():
    """Return the seconds that all cores of this machine have worked."""
    first = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0]
    user, nice, system, _idle, _iowait, irq, softirq = map(int, first.split()[1:8])
    ticks = user + nice + system + irq + softirq
    return ticks / os.sysconf("SC_CLK_TCK")
