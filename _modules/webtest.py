"""
Run a service's HTTP suite from this minion against live targets.

The suite and its Python come from the bundle ``SERVICE-suite``; the pytest
plugin comes with this pack. Results are kept in
``/var/lib/holodeck/webtest/SERVICE/COMMIT/``.
"""

import concurrent.futures
import datetime as dt
import json
import os
import shutil
import tempfile
import time
import uuid
from pathlib import Path, PurePosixPath

from salt.exceptions import SaltInvocationError

import holodeck_http
from holodeck import names
from holodeck_http import checks as http_checks
from holodeck_http import invocation, results, session
from holodeck_io import files
from holodeck_io.errors import HolodeckError

# Runs wait for answers most of the time, so they may outnumber the cores.
_AT_ONCE = 8
# A release tests host by host: each is one run.
_KEEP_RUNS = 100
_OUTPUT_CHARS = 2000
_DEADLINE_MAX_S = 7200


def run(
    name,
    commit,
    targets,
    suite=None,
    checks=None,
    deadline_s=300,
    allow_writes=False,
    bundle=None,
    reports=None,
):
    r"""
    Run the suite and the checks of a service against each target.

    name
        The service.
    commit
        The full commit id that should be running; tests see it as
        ``HOLODECK_COMMIT``.
    targets
        A list of ``{name, kind, url}``: ``kind`` is ``host`` or ``balancer``.
        Optional are ``host`` (the ``Host`` header and TLS server name) and
        ``ca`` (a file of certificates to trust).
    suite
        The suite's path inside the bundle; ``suite`` by default. Optional when
        there are checks.
    checks
        A list of checks as data; see :mod:`holodeck_http.checks`.
    deadline_s
        Seconds for all targets together. What runs then is killed with all it
        started, what waits is reported as ``not-run``.
    allow_writes
        Also run tests marked ``writes``.
    bundle
        The root of the tester's bundle;
        ``/opt/holodeck/SERVICE-suite/COMMIT`` by default.
    reports
        The folder for full reports; ``/var/lib/holodeck/webtest`` by default.

    Returns ``{"ok", "targets", "report", "sha256"}``. ``targets`` gives for each
    name ``state`` (``passed``, ``failed``, ``error``, ``timeout``, ``not-run``,
    ``no-tests`` or ``unreachable``), ``counts``, ``failures`` and ``seconds``. At
    most 256 KiB; ``truncated`` says when reasons were cut. ``report`` is the path
    of the full JSON lines on this minion.

    Raises :class:`SaltInvocationError` for wrong arguments and
    :class:`HolodeckError` when the tester lacks what the run needs.

    CLI Example:

    .. code-block:: bash

        salt tester1 webtest.run guestbook 4f2c1e90b7a1c5d2e8f3a6b4c7d8e9f0a1b2c3d4 \
            targets='[{name: web1, kind: host, url: "http://10.0.0.7:8000"}]'
    """
    _check_arguments(name, commit, targets, checks, deadline_s)
    end = time.monotonic() + deadline_s
    bundle = Path(bundle or names.bundle_root(names.suite_bundle(name), commit))
    python, suite_folder = _tools(bundle, suite, checks)
    reports = Path(reports or f"{names.STATE}/webtest") / name
    folder = _new_folder(reports / commit)
    work = Path(tempfile.mkdtemp(prefix="holodeck-webtest-"))
    try:
        job = _Job(work, folder, python, commit, allow_writes)
        job.add(suite_folder, checks)
        entries = _test_all(job, targets, end)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    summary = results.merge([target["name"] for target in targets], entries)
    report = _write_report(folder, summary)
    _prune(reports)
    located = {"report": str(report), "sha256": files.sha256_file(report)}
    return results.cap({**summary, **located})


def _check_arguments(name, commit, targets, checks, deadline_s):
    problems = []
    if not names.is_name(name):
        problems.append(f"name: {name!r} is not a service's name.")
    if not names.is_commit(commit):
        problems.append(f"commit: {commit!r} should be a full commit id, 40 digits.")
    number = isinstance(deadline_s, (int, float)) and not isinstance(deadline_s, bool)
    if not number or not 0 < deadline_s <= _DEADLINE_MAX_S:
        problems.append(
            f"deadline_s: {deadline_s!r} should be more than 0 seconds and at most "
            f"{_DEADLINE_MAX_S}."
        )
    problems += invocation.target_problems(targets)
    if checks:
        problems += http_checks.problems(checks)
    if problems:
        raise SaltInvocationError("webtest.run: " + "\n".join(problems))


def _tools(bundle, suite, checks):
    """Return the interpreter and the suite's folder, ``None`` for checks alone."""
    relative = PurePosixPath(suite or "suite")
    if relative.is_absolute() or ".." in relative.parts:
        raise SaltInvocationError(
            f"suite: {suite!r} should be a relative path inside the bundle."
        )
    python = bundle / "bin" / "python"
    if not os.access(python, os.X_OK):
        raise HolodeckError(
            f"Bundle {bundle}: has no bin/python; install the tester's bundle with "
            "bundle.install first."
        )
    folder = bundle / relative
    if folder.exists():
        return python, folder
    if suite or not checks:
        raise HolodeckError(
            f"Suite {folder}: does not exist; give the suite's path in the bundle, "
            "or checks."
        )
    return python, None


class _Job:
    """What is the same for each target of one run."""

    def __init__(self, work, folder, python, commit, allow_writes):
        self.work = work
        self.folder = folder
        self.python = python
        self.commit = commit
        self.allow_writes = bool(allow_writes)
        self.root = work
        self.paths = []
        self.ini = work / "pytest.ini"
        self.ini.write_text("[pytest]\n")

    def add(self, suite, checks):
        """Take the suite's folder, the checks, or both."""
        if suite:
            self.root = suite
            self.paths.append(suite)
        if checks:
            # Named as pytest collects it; the ids of its checks begin so.
            path = self.work / "pillar.checks.json"
            path.write_text(json.dumps(checks))
            self.paths.append(path)


def _test_all(job, targets, end):
    workers = min(_AT_ONCE, len(targets))
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        running = {
            target["name"]: pool.submit(_test_one, job, target, end)
            for target in targets
        }
        return {name: future.result() for name, future in running.items()}


def _test_one(job, target, end):
    begin = time.monotonic()
    if begin >= end:
        return results.not_run("The deadline passed before its turn came.")
    home = job.work / f"home-{target['name']}"
    home.mkdir()
    lines = _lines(job.folder, target["name"])
    log = lines.with_suffix(".log")
    status, timed_out = session.run(
        _argv(job, target, lines),
        env=_environment(job, home),
        cwd=home,
        log=log,
        seconds=end - begin,
    )
    entry = results.judge(
        results.parse(_text(lines)),
        exit_status=status,
        timed_out=timed_out,
        output=_text(log)[-_OUTPUT_CHARS:],
    )
    return {**entry, "seconds": round(time.monotonic() - begin, 3)}


def _argv(job, target, lines):
    return invocation.argv(
        job.python,
        target,
        job.paths,
        results=lines,
        root=job.root,
        ini=job.ini,
        allow_writes=job.allow_writes,
    )


def _environment(job, home):
    return invocation.environment(
        # Where Salt put its copy of this pack's _utils.
        library=Path(holodeck_http.__file__).parent.parent,
        home=home,
        commit=job.commit,
        run_id=uuid.uuid4().hex,
    )


def _text(path):
    return path.read_text(errors="replace") if path.exists() else ""


def _lines(folder, target):
    return folder / f"{target}.jsonl"


def _new_folder(parent):
    # Sorts by time; the end keeps two runs of one second apart.
    now = dt.datetime.now(dt.timezone.utc)
    folder = parent / f"{now:%Y%m%dT%H%M%S.%fZ}-{os.getpid()}"
    folder.mkdir(parents=True)
    return folder


def _write_report(folder, summary):
    """Join the targets' lines into one file, each target's verdict before them."""
    report = folder / "report.jsonl"
    with report.open("w", encoding="utf-8") as file:
        for name, entry in summary["targets"].items():
            head = {"event": "target", "name": name, "state": entry["state"]}
            file.write(json.dumps(head) + "\n")
            file.write(_text(_lines(folder, name)))
    return report


def _prune(reports):
    """Keep the newest runs of a service, over all its commits."""
    runs = sorted(reports.glob("*/*/"), key=lambda folder: folder.name)
    for folder in runs[:-_KEEP_RUNS]:
        shutil.rmtree(folder, ignore_errors=True)
