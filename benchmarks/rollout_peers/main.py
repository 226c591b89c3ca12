"""The benchmark as a recipe; ``benchmarks/rollout`` starts it."""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

from ground import FailedError, Ground
from ways import Ansible, Holodeck, Orchestration

from laboratory import bench
from probe import Probe

_GOAL = 2.0


def main(argv):
    """Measure, print the table, and judge."""
    wanted = _arguments(argv)
    _write(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    try:
        with bench().standing() as laboratory:
            ground = Ground(laboratory, wanted.hosts, wanted.batch)
            peers = [Ansible(ground, wanted.ansible), Orchestration(ground)]
            ways = [Holodeck(ground), *peers]
            found = _measured(ground, ways, wanted.rounds)
            beside = {way.name: _watched(ground, way) for way in ways}
    except FailedError as error:
        sys.exit(str(error))
    if wanted.json:
        data = {"seconds": found, "beside": beside}
        Path(wanted.json).write_text(json.dumps(data, indent=2) + "\n")
    return _judged(found, beside, wanted)


def _measured(ground, ways, rounds):
    """Return ``{way: seconds of each round}``; what is done first is in no clock."""
    found = {way.name: [] for way in ways}
    for number in range(rounds + 1):
        for way in ways:
            deploy = ground.built(f"{type(way).__name__.lower()}-{number}")
            begin = time.monotonic()
            way.deploy(deploy)
            seconds = time.monotonic() - begin
            if ground.served(way.port) != deploy.commit:
                sys.exit(f"{way.name}: did not bring {deploy.commit} to the balancer.")
            if number:
                found[way.name].append(seconds)
            sys.stderr.write(
                f"round {number} of {rounds}: {way.name} {seconds:.1f} s\n"
            )
    return found


def _watched(ground, way):
    """Return what users meet: under a load, and of a commit that fails its suite."""
    name = type(way).__name__.lower()
    with Probe(ground.url(way.port)) as probe:
        way.deploy(ground.built(f"{name}-load"))
        good = ground.served(way.port)
        try:
            way.deploy(ground.built(f"{name}-broken", broken=True))
        except FailedError:
            failed = True
        else:
            failed = False
    return {
        "sent": probe.tally.sent,
        "lost": sum(probe.tally.failed.values()),
        "refused": failed and ground.served(way.port) == good,
        "in_rotation": ground.in_rotation(way.socket),
    }


def _judged(found, beside, wanted):
    _write(f"{wanted.hosts} hosts, {wanted.batch} at once")
    for name, seconds in found.items():
        shown = ", ".join(f"{value:.1f}" for value in seconds)
        _write(f"{name:<30}{statistics.median(seconds):8.2f} s  of {shown}")
    for name, row in beside.items():
        what = "refused" if row["refused"] else "NOT REFUSED"
        _write(
            f"{name:<30}{row['lost']} of {row['sent']} requests failed; a bad commit "
            f"was {what}, {row['in_rotation']} of {wanted.hosts} hosts in rotation"
        )
    _write(f"load {os.getloadavg()[0]:.1f} after")
    medians = {name: statistics.median(seconds) for name, seconds in found.items()}
    ratio = medians[Ansible.name] / medians[Holodeck.name]
    plain = medians[Orchestration.name] / medians[Holodeck.name]
    verdict = "met   " if ratio >= _GOAL else "MISSED"
    _write(f"{verdict} {ratio:5.2f}x >= {_GOAL:g}x  the playbook's time to Holodeck's")
    _write(f"       {plain:5.2f}x          the orchestration's time to Holodeck's")
    return 0 if ratio >= _GOAL else 1


def _arguments(argv):
    parser = argparse.ArgumentParser(prog="benchmarks/rollout")
    parser.add_argument("--hosts", type=int, default=3)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", default="")
    parser.add_argument("--ansible", required=True)
    wanted = parser.parse_args(argv)
    for name in ("hosts", "batch", "rounds"):
        if (value := getattr(wanted, name)) < 1:
            parser.error(f"--{name} {value}: should be 1 or more")
    return wanted


def _write(text):
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
