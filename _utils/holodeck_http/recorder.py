"""
The result file: JSON lines, each flushed at once, so that a kill loses nothing.

``{"event": "collected", "count": N}`` comes first, ``started`` and ``test`` for
each test follow, ``finished`` comes last. Where several testers share a target,
``total`` counts the tests of all. :mod:`holodeck_http.results` reads it.
"""

import json
import time

from holodeck_http import results, suite
from holodeck_http.client import TransportError

_WHY_CHARS = 4000
#: Consecutive tests without any answer after which the target counts as dead:
#: waiting for each of the rest would only burn the deadline.
_GIVE_UP_AFTER = 3
_BAD = ("failed", "error")
_PHASES = {"setup", "call", "teardown"}


class Recorder:
    """A pytest plugin that writes one result file."""

    def __init__(self, path, tested):
        self._tested = tested
        # Line buffering: each line is in the kernel's hands when written.
        self._file = open(path, "w", buffering=1, encoding="utf-8")  # noqa: SIM115
        self._begin = time.monotonic()
        self._collect_errors = []
        self._reports = []
        self._kinds = {}
        self._silent = 0
        self._session = None

    def _write(self, event, **fields):
        self._file.write(json.dumps({"event": event, **fields}) + "\n")

    def pytest_collectreport(self, report):
        """Keep what could not be collected until the first line is written."""
        if report.failed:
            self._collect_errors.append(report)

    def pytest_collection_finish(self, session):
        """Say how many tests are to run."""
        self._session = session
        count = len(session.items)
        total, digest = session.config.stash.get(suite.WHOLE, (count, ""))
        self._write("collected", count=count, total=total, digest=digest)
        for report in self._collect_errors:
            self._write(
                "test",
                id=report.nodeid,
                outcome="error",
                phase="collect",
                why=_why(report),
                kind="CollectError",
                seconds=0,
            )

    def pytest_runtest_logstart(self, nodeid):
        """Say what runs, so that a kill shows the culprit."""
        self._reports = []
        self._kinds = {}
        self._tested.last = None
        self._write("started", id=nodeid)

    def pytest_runtest_makereport(self, call):
        """Remember the exception's kind: reports carry only text."""
        if call.excinfo is not None:
            silent = isinstance(call.excinfo.value, TransportError)
            name = "TransportError" if silent else call.excinfo.typename
            self._kinds[call.when] = name

    def pytest_runtest_logreport(self, report):
        """Collect the phases of one test."""
        self._reports.append(report)

    def pytest_runtest_logfinish(self, nodeid):
        """Write one test's line."""
        outcome, decisive = _outcome(self._reports)
        fields = {"id": nodeid, "outcome": outcome}
        fields["seconds"] = round(sum(each.duration for each in self._reports), 4)
        if decisive is not None:
            fields.update(phase=decisive.when, why=_why(decisive))
            fields["kind"] = self._kinds.get(decisive.when, "")
        if outcome in _BAD:
            fields["curl"] = self._tested.curl()
        self._write("test", **fields)
        self._give_up(fields)

    def not_ready(self, why):
        """Say that the target was not waited for in vain: no test has run."""
        self._write(
            "test", id="ready", outcome="error", phase="ready", why=why,
            kind="TransportError", seconds=0,
        )  # fmt: skip

    def _give_up(self, fields):
        is_silent = fields.get("kind") == "TransportError"
        self._silent = self._silent + 1 if is_silent else 0
        if self._silent >= _GIVE_UP_AFTER:
            self._stop(f"{self._silent} tests in a row got no answer")
        elif fields["outcome"] in _BAD and fields["id"] in self._smoke():
            self._stop("a smoke test failed")

    def _smoke(self):
        """Return the ids of the smoke tests, where those of a live target go first."""
        if self._tested.kind is None:
            return set()
        items = self._session.items
        return {item.nodeid for item in items if item.get_closest_marker("smoke")}

    def _stop(self, why):
        self._write("stopped", why=why)
        self._session.shouldfail = why

    def pytest_sessionfinish(self, exitstatus):
        """Say that the run came to its end."""
        seconds = round(time.monotonic() - self._begin, 3)
        http = results.percentiles(self._tested.seconds)
        self._write("finished", exit=int(exitstatus), seconds=seconds, http=http)

    def pytest_unconfigure(self):
        """Close the file."""
        self._file.close()


def _outcome(reports):
    """Return (outcome, the report that decided it or ``None``)."""
    for report in reports:
        if report.failed:
            return ("failed" if report.when == "call" else "error"), report
    for report in reports:
        if report.skipped:
            return "skipped", report
    # A test that some plugin ran in its own way has said nothing: no proof.
    told = {report.when for report in reports}
    return ("passed" if told >= _PHASES else "error"), None


def _why(report):
    if isinstance(report.longrepr, tuple):  # a skip: file, line, reason
        return str(report.longrepr[2])[:_WHY_CHARS]
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        return f"{crash.path}:{crash.lineno}: {crash.message}"[:_WHY_CHARS]
    return report.longreprtext[-_WHY_CHARS:]
