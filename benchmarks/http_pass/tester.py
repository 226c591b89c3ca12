"""
A tester: ``webtest.run`` as a minion has it loaded, in a process of its own.

    tester.py WORK NAME

Reads lines with lists of targets as JSON; answers each with what the run cost.
"""

import importlib.util
import json
import resource
import subprocess
import sys
from pathlib import Path

_PACK = Path(__file__).resolve().parents[2]
_COMMIT = "4f2c1e90b7a1c5d2e8f3a6b4c7d8e9f0a1b2c3d4"


class Tester:
    """A running tester process; as a context manager it ends with the block."""

    def __init__(self, work, name):
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, __file__, work, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.communicate()

    def start(self, targets):
        """Let it test."""
        self._process.stdin.write(json.dumps(targets) + "\n")
        self._process.stdin.flush()

    def answer(self):
        """Wait for what the run gave: ``{"states", "passed", "cpu_s"}``."""
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name}: ended without an answer")
        return json.loads(line)


def _main(work, name):
    run = _loaded()
    _say("ready")
    for line in sys.stdin:
        before = _cpu_s()
        result = run(
            "guestbook", _COMMIT, json.loads(line), deadline_s=3600,
            bundle=str(work / "bundle"), reports=str(work / name / "reports"),
        )  # fmt: skip
        entries = result["targets"].values()
        answer = {
            "states": [entry["state"] for entry in entries],
            "passed": sum(entry["counts"]["passed"] for entry in entries),
            "cpu_s": _cpu_s() - before,
        }
        _say(json.dumps(answer))


def _loaded():
    """Return ``webtest.run`` of the checkout, without a pillar."""
    sys.path.insert(0, str(_PACK / "_utils"))
    path = _PACK / "_modules" / "webtest.py"
    spec = importlib.util.spec_from_file_location("holodeck_webtest", path)
    module = importlib.util.module_from_spec(spec)
    module.__opts__, module.__grains__, module.__pillar__ = {}, {}, {}
    spec.loader.exec_module(module)
    module.pillar.own = lambda *_: {}
    return module.run


def _cpu_s():
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2])
