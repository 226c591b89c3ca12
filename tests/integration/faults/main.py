"""`tests/nemesis`: many cases in a laboratory of their own, and a table of them."""

import argparse
import concurrent.futures
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
    cases = _cases(words)
    lanes = min(words.lanes, len(cases))
    with concurrent.futures.ProcessPoolExecutor(lanes) as pool:
        shares = [cases[lane::lanes] for lane in range(lanes)]
        running = pool.map(_lane, range(lanes), shares, [words] * lanes)
        found = {name: seen for share in running for name, seen in share.items()}
    _sum_up(found)
    sys.exit(any(found.values()))


def _lane(number, cases, words):
    """Run cases in a laboratory of their own; return ``{case: violations}``."""
    name = f"nemesis{number}"
    prefix, port = f"10.79.{number}", 26505 + 5 * number
    laboratory = Laboratory(name, f"hd-nem{number}", prefix, port)
    laboratory.clear()
    laboratory.open()
    found = {}
    try:
        _prepare(laboratory)
        for case in cases:
            found[case] = _one(laboratory, plan.case(case), words.verbose)
            if found[case] and words.stop:
                break
    finally:
        if not words.keep:
            laboratory.lab.stop()
    return found


def _words():
    parser = argparse.ArgumentParser(prog="tests/nemesis", add_help=False)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seed")
    parser.add_argument("--steps", action="store_true")
    parser.add_argument("--lanes", type=int, default=1)
    parser.add_argument("--stop", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def _cases(words):
    if words.seed is not None:
        return [words.seed]
    if words.steps:
        return plan.every_step()
    return [*map(str, range(words.first, words.first + words.seeds))]


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
    if case.skew_s:
        shown += f", runner's clock {case.skew_s:+d} s"
    if unmet:
        shown += f" (not met: {', '.join(map(str, unmet))})"
    failed = sum(seen.tally.failed.values())
    how = seen.record["status"]
    if seen.first["status"] != how:
        how = f"{seen.first['status']}, {case.end}: {how}"
    print(
        f"{case.name:>10}  {case.commit:<7} {how:<26} {failed:>3}/{seen.tally.sent:<5} "
        f"{seconds:>4.0f} s  {shown}",
        flush=True,
    )
    for line in seen.violations:
        print(f"            VIOLATED: {line}", flush=True)
    if verbose or seen.violations:
        print("\n".join(f"      | {line}" for line in seen.said), flush=True)
    return seen.violations


def _sum_up(found):
    bad = [seed for seed, violations in found.items() if violations]
    print(f"{len(found)} seeds, {len(bad)} with violations{f': {bad}' if bad else ''}.")


if __name__ == "__main__":
    main()
