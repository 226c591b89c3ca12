"""The benchmark as a recipe; ``benchmarks/push`` starts it."""

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from floors import HOSTS, TRIPS, Floors

from laboratory import bench

_GOAL = 1.5
_LAST = f"demo-web{HOSTS}: back in rotation"
_PLACE = ("guestbook/templates/index.html", "<h1>")


@dataclasses.dataclass(frozen=True)
class Push:
    """One push: its clock, and its floors, in seconds."""

    clock_s: float
    build_s: float
    trip_s: float
    suite_s: float

    @property
    def floor_s(self):
        """The least that it could take."""
        return self.build_s + TRIPS * self.trip_s + HOSTS * self.suite_s

    @property
    def ratio(self):
        """The clock to the least."""
        return self.clock_s / self.floor_s


def main(argv):
    """Measure, print the table, and judge."""
    wanted = _arguments(argv)
    _write(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    with bench().standing() as laboratory:
        found = _measured(laboratory, wanted.runs)
    if wanted.json:
        rows = [dataclasses.asdict(push) for push in found]
        Path(wanted.json).write_text(json.dumps(rows, indent=2) + "\n")
    return _judged(found)


def _measured(laboratory, runs):
    laboratory.lab.start_api()
    code, record = laboratory.release("main")
    if code:
        sys.exit(f"The first release failed: {record.get('reason')}")
    secret = laboratory.lab.home / "push-secret"
    laboratory.repository.release_pushes(laboratory.lab.api, secret)
    found = []
    for number in range(runs):
        clock_s = _pushed(laboratory.repository, f"push-{number}", "main")
        _changed(laboratory.repository, f"floor-{number}")
        subprocess.run(
            ["git", "push", "--quiet", "origin", f"floor-{number}"],
            cwd=laboratory.repository.tree, check=True, capture_output=True,
        )  # fmt: skip
        floors = Floors(laboratory)
        build_s = floors.build_s(laboratory.commit(f"floor-{number}"))
        found.append(Push(clock_s, build_s, floors.trip_s(), floors.suite_s()))
        sys.stderr.write(f"push {number + 1} of {runs}\n")
    return found


def _pushed(repository, branch, to):
    """Push a commit of one line; return the seconds until all hosts serve it."""
    _changed(repository, branch)
    begin = time.monotonic()
    process = subprocess.Popen(
        ["git", "push", "--force", "origin", f"{branch}:{to}"],
        cwd=repository.tree, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    clock_s, said = None, []
    for line in process.stderr:
        said.append(line)
        if _LAST in line:
            clock_s = time.monotonic() - begin
    if process.wait() or clock_s is None:
        sys.exit(f"The push was not released:\n{''.join(said)}")
    return clock_s


def _changed(repository, branch):
    path, anchor = _PLACE
    repository.branch(
        branch, branch, lambda: repository.edit(path, anchor, f"{anchor}{branch} ")
    )


def _judged(found):
    rows = {
        "git push to the third host in service": "clock_s",
        "the sum of the floors": "floor_s",
        "  build of the layers": "build_s",
        f"  a Salt round trip, {TRIPS} of them": "trip_s",
        f"  the suite on one host, {HOSTS} of them": "suite_s",
    }
    for name, what in rows.items():
        value = statistics.median(getattr(push, what) for push in found)
        _write(f"{name:<40}{value:8.2f} s")
    ratio = statistics.median(push.ratio for push in found)
    _write(f"load {os.getloadavg()[0]:.1f} after")
    verdict = "met   " if ratio <= _GOAL else "MISSED"
    _write(f"{verdict} {ratio:5.2f}x <= {_GOAL:g}x  a push, to the sum of its floors")
    return 0 if ratio <= _GOAL else 1


def _arguments(argv):
    parser = argparse.ArgumentParser(prog="benchmarks/push")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", default="")
    wanted = parser.parse_args(argv)
    if wanted.runs < 1:
        parser.error(f"--runs {wanted.runs}: should be 1 or more")
    return wanted


def _write(text):
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
