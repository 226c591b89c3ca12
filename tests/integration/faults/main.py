"""`tests/nemesis`: many cases in a laboratory of their own, and a table of them."""

import argparse
import json
import sys
import time

from faults import plan
from faults.case import run
from laboratory import Laboratory

_DISKS = """\
nemesis-web:
  provider: local
  image: bookworm
  size: small
  disk_mb: 600
"""


def main():
    """Run the seeds; exit with 1 when an invariant was violated."""
    words = _words()
    laboratory = Laboratory("nemesis", "hd-nem0", "10.79.0", 26505)
    laboratory.clear()
    laboratory.open()
    found = {}
    try:
        _prepare(laboratory)
        for seed in _seeds(words):
            found[seed] = _one(laboratory, plan.case(seed), words.verbose)
            if found[seed] and words.stop:
                break
    finally:
        if not words.keep:
            laboratory.lab.stop()
    _sum_up(found)
    sys.exit(any(found.values()))


def _words():
    parser = argparse.ArgumentParser(prog="tests/nemesis", add_help=False)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--stop", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def _seeds(words):
    if words.seed is not None:
        return [words.seed]
    return range(words.first, words.first + words.seeds)


def _prepare(laboratory):
    """Hosts with small disks, and a time that every batch has to stay healthy."""
    lab = laboratory.lab
    (lab.conf / "cloud.profiles").write_text(_DISKS)
    example = lab.home / "pillar/holodeck/example.sls"
    text = example.read_text()
    text = text.replace("web: {profile: local-small", "web: {profile: nemesis-web")
    text = text.replace("min_healthy_s: 0", "min_healthy_s: 1")
    example.write_text(text)
    code, record = laboratory.release("main")
    if code:
        sys.exit(f"The first release failed: {json.dumps(record, indent=1)}")


def _one(laboratory, case, verbose):
    started = time.monotonic()
    seen = run(laboratory, case)
    seconds = time.monotonic() - started
    unmet = [fault for fault in case.faults if fault not in seen.met]
    shown = ", ".join(map(str, seen.met)) or "none"
    if unmet:
        shown += f" (not met: {', '.join(map(str, unmet))})"
    failed = sum(seen.tally.failed.values())
    how = seen.record["status"]
    if seen.first["status"] != how:
        how = f"{seen.first['status']}, {case.end}: {how}"
    print(
        f"{case.seed:>4}  {case.commit:<7} {how:<26} {failed:>3}/{seen.tally.sent:<5} "
        f"{seconds:>4.0f} s  {shown}",
        flush=True,
    )
    for line in seen.violations:
        print(f"      VIOLATED: {line}", flush=True)
    if verbose or seen.violations:
        print("\n".join(f"      | {line}" for line in seen.said), flush=True)
    return seen.violations


def _sum_up(found):
    bad = [seed for seed, violations in found.items() if violations]
    print(f"{len(found)} seeds, {len(bad)} with violations{f': {bad}' if bad else ''}.")


if __name__ == "__main__":
    main()
