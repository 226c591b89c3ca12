"""The benchmark as a recipe; ``benchmarks/openstack`` starts it."""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from salt_cloud import SaltCloud
from stack import Stack

_GOAL = 1.3


def main(argv):
    """Measure, print the table, and judge."""
    wanted = _arguments(argv)
    _write(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    stack = Stack()
    stack.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = _measured(SaltCloud(Path(folder), stack), wanted)
    finally:
        stack.stop()
    if wanted.json:
        Path(wanted.json).write_text(json.dumps(found, indent=2) + "\n")
    return _judged(found, wanted.servers)


def _measured(cloud, wanted):
    names = [f"bench{number}" for number in range(wanted.servers)]
    found = {"salt-cloud": [], "openstacksdk": []}
    # What the services do for the first time is in neither clock.
    _by_sdk(cloud.stack, names[:1])
    cloud.stack.clear()
    for number in range(wanted.rounds):
        for way, make in (("openstacksdk", _by_sdk), ("salt-cloud", _by_salt_cloud)):
            begin = time.monotonic()
            make(cloud if way == "salt-cloud" else cloud.stack, names)
            found[way].append(time.monotonic() - begin)
            cloud.stack.clear()
        sys.stderr.write(f"round {number + 1} of {wanted.rounds}\n")
    return found


def _by_salt_cloud(cloud, names):
    made = cloud.create(*names)
    faults = [entry for entry in made.values() if "Error" in entry]
    if faults or made.keys() != set(names):
        sys.exit(f"salt-cloud did not make all servers: {faults}")


def _by_sdk(stack, names):
    connection = stack.connect("lab")

    def make(name):
        return connection.create_server(
            name, image="lab-image", flavor="m1.nano", auto_ip=False, wait=True
        )

    with ThreadPoolExecutor(len(names)) as pool:
        states = {server.status for server in pool.map(make, names)}
    if states != {"ACTIVE"}:
        sys.exit(f"openstacksdk did not make all servers: {states}")


def _judged(found, servers):
    for way, seconds in found.items():
        shown = ", ".join(f"{value:.1f}" for value in seconds)
        median = statistics.median(seconds)
        _write(f"{servers} servers by {way:<14}{median:8.2f} s  of {shown}")
    medians = {way: statistics.median(seconds) for way, seconds in found.items()}
    ratio = medians["salt-cloud"] / medians["openstacksdk"]
    _write(f"load {os.getloadavg()[0]:.1f} after")
    verdict = "met   " if ratio <= _GOAL else "MISSED"
    _write(f"{verdict} {ratio:5.2f}x <= {_GOAL:g}x  salt-cloud, to openstacksdk alone")
    return int(ratio > _GOAL)


def _arguments(argv):
    parser = argparse.ArgumentParser(prog="benchmarks/openstack")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--servers", type=int, default=8)
    parser.add_argument("--json")
    return parser.parse_args(argv)


def _write(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
