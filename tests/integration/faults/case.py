"""One case from its beginning to its end."""

import contextlib
import os
import queue
import re
import subprocess
import threading
import time
from dataclasses import dataclass, field

from faults import checks, clocks, plan
from faults.deeds import Nemesis
from probe import Probe
from repository import Repository

_PER_SECOND = 25
_STREAMS = 2
_DEADLINE_S = 300
_SETTLE_S = 1
_SICK = """
    started = __import__("time").monotonic()

    @app.before_request
    def fall_ill():
        if request.path == "/healthz" and __import__("time").monotonic() > started + 5:
            abort(500)
"""
_LAST = """
    @app.before_request
    def fail():
        if request.path != "/healthz" and app.config["HOST"].endswith("web3"):
            abort(500)
"""


@dataclass
class Seen:
    """What was seen of one case."""

    commit: str
    before: str
    per_second: int = _PER_SECOND * _STREAMS
    code: int | None = None
    hung: int = 0
    first: dict = field(default_factory=dict)
    record: dict = field(default_factory=dict)
    met: list = field(default_factory=list)
    said: list = field(default_factory=list)
    tally: object = None
    refused: bool = True
    violations: list = field(default_factory=list)


def run(laboratory, case):
    """Release the case's commit while its faults happen; return what was seen."""
    _make_commit(laboratory, case)
    branch = f"seed-{case.name}"
    before = laboratory.last_good()["commit"]
    seen = Seen(laboratory.commit(branch), before)
    with Probe(laboratory.url, per_second=_PER_SECOND) as probe:
        nemesis = _release(laboratory, case, branch, seen)
        nemesis.mend()
        _conclude(laboratory, case, seen)
        time.sleep(_SETTLE_S)
    seen.tally, seen.refused = probe.tally, nemesis.refused
    seen.violations = checks.violations(laboratory, case, seen)
    return seen


def _release(laboratory, case, branch, seen):
    process = subprocess.Popen(
        [laboratory.lab.home / "bin/salt-run", "holodeck.release", "guestbook",
         f"commit={seen.commit}", "env=demo", f"message={branch}"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, **clocks.skewed(case.skew_s)},
    )  # fmt: skip
    nemesis = Nemesis(laboratory, process)
    waiting = list(case.faults)

    def meet(line):
        while waiting and re.search(waiting[0].at, line):
            fault = waiting.pop(0)
            seen.met.append(fault)
            nemesis.do(fault)

    meet(plan.START)
    for line in _lines(process, seen):
        seen.said.append(line)
        meet(line)
    killed = any(fault.deed == "runner" for fault in seen.met)
    seen.code = None if killed else process.returncode
    return nemesis


def _lines(process, seen):
    """Yield what the runner says until it ends; end it when it hangs."""
    said = queue.SimpleQueue()

    def read():
        for line in process.stdout:
            said.put(line.rstrip())
        said.put(None)

    reader = threading.Thread(target=read)
    reader.start()
    end = time.monotonic() + _DEADLINE_S
    with contextlib.suppress(queue.Empty):
        while (line := said.get(timeout=max(0.1, end - time.monotonic()))) is not None:
            yield line
    if process.poll() is None and time.monotonic() > end:
        seen.hung = _DEADLINE_S
        process.kill()
    process.wait()
    reader.join()


def _conclude(laboratory, case, seen):
    """By itself, or by one command: the release comes to an end."""
    seen.first = seen.record = laboratory.records()[0]
    if seen.commit != seen.record.get("commit"):
        # It ended before it had a record.
        seen.first = seen.record = {"status": "aborted"}
        return
    dead, away = seen.record["status"] == "running", seen.record.get("away")
    if dead or away:
        verb = case.end if dead else "resume"
        laboratory.runner(verb, "guestbook", "env=demo")
        seen.record = laboratory.records()[0]


def _make_commit(laboratory, case):
    """Make the branch of the case: a new text, and what is wrong with it."""
    repository = laboratory.repository

    def change():
        text = f"Seed {case.name}, {time.time_ns()}"
        repository.edit(
            "guestbook/templates/index.html", "<h1>", f"<!-- {text} --><h1>"
        )
        _CHANGES[case.commit](repository)

    repository.branch(f"seed-{case.name}", plan.COMMITS[case.commit], change)
    repository.push()


def _slow(repository):
    start = "app = create_app()"
    slow = f'__import__("time").sleep(6)\n{start}'
    repository.edit("guestbook/wsgi.py", start, slow)


_CHANGES = {
    "good": lambda _: None,
    "slow": _slow,
    "crash": Repository.crash,
    "broken": Repository.break_pages,
    "last": lambda repository: repository.break_pages(_LAST),
    "sick": lambda repository: repository.break_pages(_SICK),
}
