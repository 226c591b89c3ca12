"""Times what metrics cost a release; ``benchmarks/metrics --help`` tells the rest."""

import argparse
import dataclasses
import functools
import statistics
import sys
import tempfile
import time
from pathlib import Path

from fake_world import opened

from holodeck_master import measuring

_ENVIRONMENT = "demo"
_COMPONENT = {
    "type": "library", "version": "1.2.3", "purl": "pkg:pypi/package@1.2.3",
    "hashes": [{"alg": "SHA-256", "content": "0" * 64}] * 2,
    "licenses": [{"license": {"id": "MIT"}}],
}  # fmt: skip
_BUNDLE = {"sbom": {"components": [{**_COMPONENT, "name": f"p{n}"} for n in range(45)]}}
_PHASES = ("hosts", "resolve", "build", "stage", "rollout", "balancer")
_FACTS = {
    "kind": "release", "commit": "1" * 40, "user": "root", "bundle": _BUNDLE,
    "suite": _BUNDLE, "phases": [{"name": name, "seconds": 1.5} for name in _PHASES],
    "ended": "2026-01-01T10:01:00Z",
}  # fmt: skip


def main():
    """Print the table."""
    words = argparse.ArgumentParser()
    words.add_argument("--services", type=int, default=50)
    words.add_argument("--records", type=int, default=100)
    words.add_argument("--runs", type=int, default=50)
    options = words.parse_args()
    with tempfile.TemporaryDirectory() as home:
        world = _world(Path(home), options.services)
        for service in world.definition.services:
            _fill(world.records, service, options.records)
        one = next(Path(home, "holodeck/releases").rglob("*.p")).stat().st_size
        head = f"{options.services} services of {options.records} records"
        sys.stdout.write(f"{head} of {one} bytes\n")
        keep = functools.partial(measuring.keep, world, "s0", _ENVIRONMENT)
        _time("the first time", keep, 1)
        _time("begin or end of a release", keep, options.runs)
        _time("holodeck.metrics", functools.partial(measuring.text, world), 10)


def _world(home, services):
    world = opened(home)
    definition = world.definition
    service = definition.services["guestbook"]
    environment = definition.environments[_ENVIRONMENT]
    names = [f"s{number}" for number in range(services)]
    placed = dict.fromkeys(names, environment.services["guestbook"])
    environment = dataclasses.replace(environment, services=placed)
    definition = dataclasses.replace(
        definition,
        services={name: dataclasses.replace(service, name=name) for name in names},
        environments={_ENVIRONMENT: environment},
        metrics={"file": str(home / "holodeck.prom")},
    )
    return dataclasses.replace(world, definition=definition)


def _fill(records, service, many):
    for number in range(1, many + 1):
        place = {"service": service, "environment": _ENVIRONMENT, "number": number}
        status = {"status": "good" if number % 10 else "bad"}
        release = {"id": f"{service}.{_ENVIRONMENT}.{number}"}
        begin = {"started": "2026-01-01T10:00:00Z"}
        records.save({**_FACTS, **place, **status, **release, **begin})


def _time(name, work, runs):
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        taken.append((time.perf_counter() - started) * 1000)
    median, worst = statistics.median(taken), max(taken)
    line = f"{name:<26} {median:8.1f} ms, worst {worst:8.1f} ms of {runs}"
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
