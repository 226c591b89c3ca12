"""
Run a service's HTTP suite from this minion against live targets.

The suite and its Python come from the bundle ``SERVICE-suite``; the pytest
plugin comes with this pack. It runs as the user ``nobody``. Results are kept in
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
from holodeck import masking, names
from holodeck_http import checks as http_checks
from holodeck_http import invocation, results, session, turnstile
from holodeck_io import files, pillar
from holodeck_io.errors import HolodeckError

# However many may wait for answers: each takes some 60 MB.
_AT_ONCE = 16
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
    test_s=60,
    ready=None,
    ready_s=15,
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
        Optional are ``host`` (the ``Host`` header and TLS server name), ``ca`` (a
        file of certificates to trust), ``cert`` and ``key`` (files of a client's
        certificate), and ``part`` (``[0, 2]``: the first half of the suite's files,
        where two testers share the target).
    suite
        The suite's path inside the bundle; ``suite`` by default. Optional when
        there are checks.
    checks
        A list of checks as data; see :mod:`holodeck_http.checks`.
    deadline_s
        Seconds for all targets together. What runs then is killed with all it
        started, what waits is reported as ``not-run``.
    test_s
        Seconds for each test.
    ready
        A path to wait for before the first test: a 2xx, and where the answer has a
        header ``X-Holodeck-Commit``, that of the commit.
    ready_s
        Seconds to wait for that.
    allow_writes
        Also run tests marked ``writes``.
    bundle
        The root of the tester's bundle;
        ``/opt/holodeck/SERVICE-suite/COMMIT`` by default.
    reports
        The folder for full reports; ``/var/lib/holodeck/webtest`` by default.

    Returns ``{"ok", "targets", "report", "sha256"}``. ``targets`` gives for each
    name ``state`` (``passed``, ``failed``, ``error``, ``timeout``, ``not-run``,
    ``no-tests`` or ``unreachable``), ``counts``, ``failures``, ``seconds`` and
    ``http``, percentiles of its requests in ms. ``matrix`` tells how each test ended
    on each target. At most 256 KiB; ``truncated`` says when something was cut.
    ``report`` is the path of the full JSON lines on this minion.

    Raises :class:`SaltInvocationError` for wrong arguments and
    :class:`HolodeckError` when the tester lacks what the run needs.

    CLI Example:

    .. code-block:: bash

        salt tester1 webtest.run guestbook 4f2c1e90b7a1c5d2e8f3a6b4c7d8e9f0a1b2c3d4 \
            targets='[{name: web1, kind: host, url: "http://10.0.0.7:8000"}]'
    """
    _check_arguments(name, commit, targets, checks, (deadline_s, test_s, ready_s))
    settings = _settings(name)
    end = time.monotonic() + deadline_s
    bundle = Path(bundle or names.bundle_root(names.suite_bundle(name), commit))
    python, suite_folder = _tools(bundle, suite, checks)
    reports = Path(reports or f"{names.STATE}/webtest") / name
    folder = _new_folder(reports / commit)
    options = [f"--http-test-s={test_s}", f"--http-ready-s={ready_s}"]
    options += [f"--http-ready={ready}"] if ready else []
    options += ["--http-allow-writes"] if allow_writes else []
    work = Path(tempfile.mkdtemp(prefix="holodeck-webtest-"))
    try:
        job = _Job(work, folder, python, commit, options, settings)
        job.add(suite_folder, checks)
        entries = _test_all(job, targets, end)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    summary = results.merge([target["name"] for target in targets], entries)
    runs = {t["name"]: results.parse(_text(_lines(folder, t["name"]))) for t in targets}
    summary["matrix"] = results.matrix(runs)
    report = _write_report(folder, summary)
    _prune(reports)
    located = {"report": str(report), "sha256": files.sha256_file(report)}
    return results.cap({**summary, **located})


def _settings(name):
    """Return what the definition gives to this suite; secrets stand in no job."""
    suites = pillar.own(__opts__, dict(__grains__)).get("suites", {})
    return suites.get(name, {})


def _check_arguments(name, commit, targets, checks, times):
    problems = []
    if not names.is_name(name):
        problems.append(f"name: {name!r} is not a service's name.")
    if not names.is_commit(commit):
        problems.append(f"commit: {commit!r} should be a full commit id, 40 digits.")
    for key, value in zip(("deadline_s", "test_s", "ready_s"), times, strict=True):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 < value <= _DEADLINE_MAX_S:
            problems.append(
                f"{key}: {value!r} should be more than 0 seconds and at most "
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

    def __init__(self, work, folder, python, commit, options, settings):
        self.work = work
        self.folder = folder
        self.python = python
        self.commit = commit
        self.options = options
        self.settings = settings
        self.root = work
        self.paths = []
        self.ini = work / "pytest.ini"
        self.ini.write_text("[pytest]\n")
        # Salt's own copy lies where only root may look.
        self.library = work / "library"
        plugin = Path(holodeck_http.__file__).parent
        shutil.copytree(plugin, self.library / plugin.name)
        work.chmod(0o755)

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
    gate = turnstile.Turnstile()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        running = {
            target["name"]: pool.submit(_test_one, job, target, end, gate)
            for target in targets
        }
        return {name: future.result() for name, future in running.items()}


def _test_one(job, target, end, gate):
    with gate.turn(end):
        return _run_one(job, target, end)


def _run_one(job, target, end):
    begin = time.monotonic()
    if begin >= end:
        return results.not_run("The deadline passed before its turn came.")
    home = job.work / f"home-{target['name']}"
    home.mkdir(mode=0o700)
    user = session.unprivileged()
    if user:
        os.chown(home, user.pw_uid, user.pw_gid)
    lines = _lines(job.folder, target["name"])
    log = lines.with_suffix(".log")
    status, timed_out = session.run(
        _argv(job, target, home / lines.name),
        env=_environment(job, home),
        cwd=home,
        log=log,
        seconds=end - begin,
        user=user,
    )
    _take(job, home / lines.name, lines)
    _take(job, log, log)
    entry = results.judge(
        results.parse(_text(lines)),
        exit_status=status,
        timed_out=timed_out,
        output=_text(log)[-_OUTPUT_CHARS:],
        shared="part" in target,
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
        options=job.options,
    )


def _take(job, source, place):
    """Keep what a run wrote, without the secrets that the suite was given."""
    if source.is_file() and not source.is_symlink():
        text = masking.mask(_text(source), map(str, job.settings.values()))
        place.write_text(text, encoding="utf-8")


def _environment(job, home):
    return invocation.environment(
        library=job.library,
        home=home,
        commit=job.commit,
        run_id=uuid.uuid4().hex,
        settings=job.settings,
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
