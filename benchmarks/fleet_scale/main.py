"""The benchmark as a recipe; ``benchmarks/scale`` starts it."""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import yaml
from meter import Meter

from laboratory import bench

# What any program takes on the machine as it is: its hosts share the processors.
_FLOOR = [sys.executable, "-c", "import salt.minion"]
_PAGE = "guestbook/templates/index.html"
# Time for each batch, and the master's processor time for each host, may not grow by
# more than what a run differs from the next.
_NOISE = 1.25
# Each boots, and then applies a highstate.
_STEP = 12


def main(argv):
    """Measure, print the table, and judge."""
    wanted = _arguments(argv)
    _write(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    with bench(filtering=wanted.filtering).standing() as laboratory:
        found = _measured(laboratory, wanted)
    if wanted.json:
        Path(wanted.json).write_text(json.dumps(found, indent=2) + "\n")
    return _judged(found, wanted)


def _measured(laboratory, wanted):
    first = min(wanted.hosts)
    laboratory.define(
        ("local-small, count: 3", f"local-small, count: {first}"),
        ("batch: 1\n", f"batch: {wanted.batch}\n"),
    )
    _checked(*laboratory.release("main"))
    meter, found = Meter(laboratory.lab), {}
    for hosts in sorted(wanted.hosts):
        _scale(laboratory, meter, hosts)
        found[hosts] = [
            _released(laboratory, meter, f"scale-{hosts}-{number}")
            for number in range(wanted.rounds)
        ]
    return found


def _scale(laboratory, meter, hosts):
    """Grow by as many hosts at once as one machine's processors bear."""
    now = len(laboratory.hosts())
    while now < hosts:
        now = min(now + _STEP, hosts)
        _, cost = _run(laboratory, meter, "scale", "demo", f"web={now}")
        sys.stderr.write(f"{now} hosts in {cost.wall_s:.0f} s\n")


def _released(laboratory, meter, name):
    """Release a commit of one line; return what it cost."""
    repository = laboratory.repository
    repository.branch(
        name, name, lambda: repository.edit(_PAGE, "<h1>", f"<h1>{name} ")
    )
    repository.push()
    commit = f"commit={laboratory.commit(name)}"
    floor_s = statistics.median(_floor() for _ in range(5))
    data, cost = _run(laboratory, meter, "release", "guestbook", "env=demo", commit)
    record = data["release"]
    _checked(0 if record["status"] == "good" else 1, record)
    phases = {phase["name"]: phase["seconds"] for phase in record["phases"]}
    sys.stderr.write(f"{name}: {cost.wall_s:.1f} s, {phases}\n")
    return {**vars(cost), "cpu_s": cost.cpu_s, "phases": phases, "floor_s": floor_s}


def _floor():
    began = time.monotonic()
    subprocess.run(_FLOOR, check=True)
    return time.monotonic() - began


def _run(laboratory, meter, function, *words):
    program = laboratory.lab.home / "bin/salt-run"
    code, said, cost = meter.run(
        [program, "--out=yaml", f"holodeck.{function}", *words]
    )
    data = yaml.safe_load(said)
    record = data.get("release") if isinstance(data, dict) else None
    _checked(code, record.get("reason") if record else said)
    return data, cost


def _checked(code, said):
    if code:
        sys.exit(f"The command failed: {str(said)[-3000:]}")


def _judged(found, wanted):
    rows = {
        "batches": (lambda hosts, _: math.ceil(hosts / wanted.batch), "{:.0f}"),
        "whole release, s": (lambda _, row: row["wall_s"], "{:.1f}"),
        "  build, s": (lambda _, row: row["phases"]["build"], "{:.1f}"),
        "  stage, s": (lambda _, row: row["phases"]["stage"], "{:.1f}"),
        "  rollout, s": (lambda _, row: row["phases"]["rollout"], "{:.1f}"),
        "  … for each batch, s": (
            lambda hosts, row: _per_batch(hosts, row, wanted.batch),
            "{:.2f}",
        ),
        "one other program, s": (lambda _, row: row["floor_s"], "{:.2f}"),
        "  … batches to it": (
            lambda hosts, row: _to_floor(hosts, row, wanted.batch),
            "{:.2f}",
        ),
        "master's processor, s": (lambda _, row: row["master_cpu_s"], "{:.1f}"),
        "salt-run's processor, s": (lambda _, row: row["runner_cpu_s"], "{:.1f}"),
        "  both for each host, s": (lambda hosts, row: row["cpu_s"] / hosts, "{:.2f}"),
        "master's memory, MB": (lambda _, row: row["master_mb"], "{:.0f}"),
        "salt-run's memory, MB": (lambda _, row: row["runner_mb"], "{:.0f}"),
        "events for each host": (
            lambda hosts, row: sum(row["events"].values()) / hosts,
            "{:.1f}",
        ),
    }
    _write(f"{'web hosts':<26}" + "".join(f"{hosts:>10}" for hosts in found))
    for name, (value, form) in rows.items():
        medians = [
            statistics.median(value(hosts, row) for row in measured)
            for hosts, measured in found.items()
        ]
        shown = "".join(f"{form.format(median):>10}" for median in medians)
        _write(f"{name:<26}{shown}")
    _write(f"load {os.getloadavg()[0]:.1f} after")
    grown = [
        _grown(found, lambda hosts, row: _to_floor(hosts, row, wanted.batch)),
        _grown(found, lambda hosts, row: row["cpu_s"] / hosts),
    ]
    for ratio, name in zip(
        grown,
        (
            "a batch's time to the other program's",
            "processor time of master and salt-run for a host",
        ),
        strict=True,
    ):
        verdict = "met   " if ratio <= _NOISE else "MISSED"
        _write(f"{verdict} {ratio:5.2f}x <= {_NOISE}x  {name}, most hosts to fewest")
    return 0 if max(grown) <= _NOISE else 1


def _per_batch(hosts, row, batch):
    return row["phases"]["rollout"] / math.ceil(hosts / batch)


def _to_floor(hosts, row, batch):
    return _per_batch(hosts, row, batch) / row["floor_s"]


def _grown(found, value):
    """Return the value at the most hosts, to that at the fewest."""
    least, most = (
        statistics.median(value(hosts, row) for row in found[hosts])
        for hosts in (min(found), max(found))
    )
    return most / least


def _arguments(argv):
    parser = argparse.ArgumentParser(prog="benchmarks/scale")
    parser.add_argument("--hosts", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--filtering", action="store_true")
    parser.add_argument("--json", default="")
    wanted = parser.parse_args(argv)
    for name in ("batch", "rounds"):
        if (value := getattr(wanted, name)) < 1:
            parser.error(f"--{name} {value}: should be 1 or more")
    if len(set(wanted.hosts)) == 1 or min(wanted.hosts) < 2 * wanted.batch:
        parser.error(
            f"--hosts {wanted.hosts}: should be two fleets or more, each of two "
            "batches or more"
        )
    return wanted


def _write(text):
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
