"""The benchmark as a recipe; ``benchmarks/http`` starts it."""

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "_utils"))

import goals
import hosts
import request

# A round of hosts takes as long as many of one request.
_REQUEST_ROUNDS = 5


def main(argv):
    """Run what was asked for, print the tables, and judge."""
    wanted = _arguments(argv)
    document = {"cores": os.cpu_count(), "load_before": os.getloadavg()}
    _write(f"{document['cores']} cores, load {document['load_before'][0]:.1f} before")
    judged = []
    if wanted.parts != "hosts":
        found = request.measure(wanted.runs * _REQUEST_ROUNDS, _say)
        document["request"] = found
        judged.append(goals.of_request(found))
        _write(goals.request_table(found))
    if wanted.parts != "request":
        found = _hosts(wanted)
        plain = {ms: [dataclasses.asdict(r) for r in own] for ms, own in found.items()}
        document["hosts"] = plain
        judged += [goals.of_hosts(ms, rounds) for ms, rounds in found.items()]
        _write(goals.hosts_table(found))
    document["load_after"] = os.getloadavg()
    _write(f"load {document['load_after'][0]:.1f} after")
    _write("\n".join(map(str, judged)))
    if wanted.json:
        Path(wanted.json).write_text(json.dumps(document, indent=2) + "\n")
    return 0 if all(goal.met for goal in judged) else 1


def _hosts(wanted):
    hosts.bundle(wanted.work)
    return {
        ms: hosts.measure(wanted.work, ms, wanted.runs, _say) for ms in wanted.latencies
    }


def _arguments(argv):
    parser = argparse.ArgumentParser(prog="benchmarks/http")
    parser.add_argument("--parts", choices=("request", "hosts", "all"), default="all")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--latencies", type=_numbers, default=[0.0, 30.0])
    parser.add_argument("--json", default="")
    parser.add_argument("--work", type=Path, required=True, help=argparse.SUPPRESS)
    wanted = parser.parse_args(argv)
    if wanted.runs < 1:
        parser.error(f"--runs {wanted.runs}: should be 1 or more")
    return wanted


def _numbers(text):
    return [float(word) for word in text.split(",")]


def _write(text):
    sys.stdout.write(f"{text}\n\n")


def _say(line):
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
