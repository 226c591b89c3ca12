"""The benchmark as a recipe; ``benchmarks/bundles`` starts it."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import apps
import filesystem
import goals
import report
from debs import DhVirtualenv, Fpm, Whole
from ours import Ours
from peers import Pex, PexPacked, Shiv, UvSync
from results import Results
from rounds import FLOORS, Rounds

PEERS = (
    Ours(), DhVirtualenv(), Pex(), PexPacked(), Shiv(), UvSync(), Fpm(), Whole(),
)  # fmt: skip
_NOTES = """\
Read with: the clock of a shared machine is noisy, the processor's seconds less so.
RSS is the largest process. `pyc` no: hosts compile by themselves, or at every start.
dh-virtualenv leaves debug symbols in wheels as they are, as ours does.
pex and shiv take the sources as they are, ours builds the project's wheel. They are
installed by a copy and the first start, which unpacks them. `uv pip sync` downloads
on the host. A difference is installed durably, and then proven with the rest of the
bundle: that is no part of its row, and stands below the tables. Floors copy our own
trees: `copy of the tree` copies the changed files alone after the first install, `copy
of the layer` every file of the new layers."""


def main(argv):
    """Run what was asked for, print the tables, and judge."""
    wanted = _arguments(argv)
    peers, absent = _chosen(wanted.peers)
    results = Results(_facts(peers))
    state = {"machine": _machine(), "load_before": os.getloadavg()}
    for name in ("small", "large") if wanted.apps == "all" else (wanted.apps,):
        app = apps.create(name, Path(wanted.work, name))
        rounds = Rounds(app, wanted.work, wanted.root, results, _say)
        for number in range(1, wanted.runs + 1):
            rounds.run(peers, number)
    state |= {"load_after": os.getloadavg(), "absent": absent, "runs": wanted.runs}
    verdicts = {app: goals.judge(results, app) for app in results.values}
    _write(_text(results, state, verdicts))
    if wanted.json:
        document = _document(results, state, verdicts)
        Path(wanted.json).write_text(json.dumps(document, indent=2) + "\n")
    missed = [goal for goal in verdicts.get(goals.APP, ()) if goal.met is False]
    return 1 if missed or results.failures else 0


def _arguments(argv):
    parser = argparse.ArgumentParser(prog="benchmarks/bundles")
    parser.add_argument("--apps", choices=("small", "large", "all"), default="all")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers", default="")
    parser.add_argument("--json", default="")
    parser.add_argument("--work", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--root", required=True, help=argparse.SUPPRESS)
    wanted = parser.parse_args(argv)
    if wanted.runs < 1:
        parser.error(f"--runs {wanted.runs}: should be 1 or more")
    return wanted


def _chosen(names):
    """Return the peers that can run, ours first, and why others cannot."""
    wanted = {name.strip() for name in names.split(",")} - {""}
    unknown = wanted - {peer.name for peer in PEERS}
    if unknown:
        known = ", ".join(peer.name for peer in PEERS)
        sys.exit(f"--peers {', '.join(sorted(unknown))}: should be of {known}")
    chosen = [
        peer
        for peer in PEERS
        if not wanted or peer.name in wanted or isinstance(peer, Ours)
    ]
    absent = {peer.name: gone for peer in chosen if (gone := peer.unavailable())}
    return [peer for peer in chosen if peer.name not in absent], absent


def _facts(peers):
    facts = {
        peer.name: {
            "pyc": "yes" if peer.compiled else "no",
            "rival": not isinstance(peer, Ours),
        }
        for peer in peers
    }
    return facts | {floor.name: {"pyc": "yes", "rival": False} for floor in FLOORS}


def _machine():
    return {
        "cores": os.cpu_count(),
        "kernel": os.uname().release,
        "tools": {
            name: _version(argv)
            for name, argv in {
                "uv": ["uv", "--version"],
                "nfpm": ["nfpm", "--version"],
                "pex": ["pex", "--version"],
                "shiv": ["shiv", "--version"],
                "dpkg": ["dpkg", "--version"],
                "dh-virtualenv": ["dh_virtualenv", "--version"],
                "zstd": ["zstd", "--version"],
            }.items()
        },
        "dpkg_database": filesystem.database(),
    }


def _version(argv):
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if any(map(str.isdigit, line))]
    return lines[0].strip() if lines else ""


def _text(results, state, verdicts):
    """Return everything that is printed at the end."""
    parts = [
        _headline(state),
        *(report.tables(results, app) for app in results.values),
        *(report.proof(results, app) for app in results.values),
        _NOTES,
    ]
    for name, gone in state["absent"].items():
        parts.append(f"{name}: not measured: {', '.join(gone)} is not on PATH.")
    parts += [f"FAILED {failure}" for failure in results.failures]
    for app, judged in verdicts.items():
        title = "" if app == goals.APP else " (they are the large one's; not judged)"
        lines = "\n".join(f"  {goal}" for goal in judged)
        parts.append(f"goals, {app} application{title}:\n{lines}")
    return "\n\n".join(parts)


def _headline(state):
    database = state["machine"]["dpkg_database"]
    return (
        f"{state['machine']['cores']} cores, load {state['load_before'][0]:.1f} before "
        f"and {state['load_after'][0]:.1f} after, {state['runs']} runs; a package "
        f"database of {database['packages']} packages and {database['files']:,} files"
    )


def _document(results, state, verdicts):
    judged = {
        app: [{**vars(goal), "met": goal.met} for goal in found]
        for app, found in verdicts.items()
    }
    return {
        **state, "values": results.plain(), "goals": judged,
        "failures": results.failures,
    }  # fmt: skip


def _write(text):
    sys.stdout.write(f"\n{text}\n")


def _say(line):
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
