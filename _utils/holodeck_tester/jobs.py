"""One run of a suite: a pytest for each target, and what each one proved."""

import concurrent.futures
import contextlib
import json
import logging
import os
import tempfile
import time
import uuid
from pathlib import Path

from holodeck import masking
from holodeck_http import results
from holodeck_io import files, process
from holodeck_tester import (
    invocation,
    library,
    reporting,
    session,
    standby,
    turnstile,
    warm,
)

log = logging.getLogger(__name__)
# However many may wait for answers: each takes memory.
_AT_ONCE = 16
_OUTPUT_CHARS = 2000
_LINES = "results.jsonl"
#: Where jobs work: in memory, until the machine's next start at most.
WORK = Path("/run/holodeck/webtest")


@contextlib.contextmanager
def job(folder, python, commit, options, settings, standby=None):
    """
    Yield a :class:`Job` with a work folder of its own, which goes with it.

    folder
        Where results are kept.
    python
        The bundle's interpreter.
    options
        The plugin's, the same for each target.
    settings
        What the definition gives to the suite.
    standby
        The name of a pytest that may stand by for it; see
        :mod:`holodeck_tester.standby`.
    """
    with work_folder() as work:
        yield Job(work, folder, python, commit, options, settings, standby)


@contextlib.contextmanager
def work_folder():
    """Yield a folder that goes with its job; what killed jobs have left goes before."""
    for folder in (WORK.parent, WORK):
        files.make_folder(folder)
    for old in WORK.iterdir():
        if not Path("/proc", old.name.partition("-")[0]).exists():
            _remove(old)
    work = Path(tempfile.mkdtemp(dir=WORK, prefix=f"{os.getpid()}-"))
    work.chmod(0o755)
    try:
        yield work
    finally:
        _remove(work)


def _write(path, text):
    """Write a file that a suite reads, whatever the minion's umask."""
    path.write_text(text)
    path.chmod(0o644)


def _remove(folder):
    """
    Remove a folder, whatever a suite has made in it.

    Python's own way recurses, and is stopped by folders that lie deep enough.
    """
    process.run(["rm", "--recursive", "--force", "--", str(folder)], check=False)


class Job:
    """What is the same for each target of one run."""

    def __init__(self, work, folder, python, commit, options, settings, standby_):
        self._work, self._folder = work, folder
        self._python, self._commit = python, commit
        self._options, self._settings = options, settings
        self._mask = masking.Mask(settings.values())
        self._root, self._paths = work, []
        self._standby, self._user = standby_, None
        self._ini = work / "pytest.ini"
        _write(self._ini, "[pytest]\n")
        self._library = library.readable(python)

    def add(self, suite, checks):
        """Take the suite's folder, the checks, or both."""
        if suite:
            self._root = suite
            self._paths.append(suite)
        if checks:
            # Named as pytest collects it; the ids of its checks begin so.
            path = self._work / "pillar.checks.json"
            _write(path, json.dumps(checks))
            self._paths.append(path)

    def test_all(self, targets, end):
        """
        Return ``{target: (entry, tests)}``.

        They are what :func:`~holodeck_http.results.judge` and
        :func:`~holodeck_http.results.outcomes` say of its run.

        end
            The deadline by the monotonic clock.
        """
        gate = turnstile.Turnstile()
        workers = min(_AT_ONCE, len(targets))
        with (
            self._server() as server,
            concurrent.futures.ThreadPoolExecutor(workers) as pool,
        ):
            self._user = server.user
            running = {
                target["name"]: pool.submit(self._test_one, server, target, end, gate)
                for target in targets
            }
            return {name: future.result() for name, future in running.items()}

    def stand_by(self):
        """Have a pytest there for the runs of other jobs, as long as they want it."""
        with self._own_server() as server:
            standby.offer(self._standby, self._kind(), server)

    def _kind(self):
        return standby.kind(self._python, self._library, self._commit, self._settings)

    @contextlib.contextmanager
    def _server(self):
        if self._standby:
            with standby.borrowed(self._standby, self._kind()) as server:
                if server:
                    yield server
                    return
        with self._own_server() as server:
            yield server

    def _own_server(self):
        user = session.unprivileged()
        home = session.home(self._work / "home", user)
        empty = self._work / "empty"
        files.make_folder(empty)
        own = invocation.common(empty, self._ini)
        return warm.started(
            [str(self._python), *invocation.FORKSERVER],
            [*own, str(empty)],
            env=self._environment(home),
            cwd=home,
            work=self._work,
            user=user,
        )

    def _test_one(self, server, target, end, gate):
        with gate.turn(end):
            begin = time.monotonic()
            if begin >= end:
                why = "The deadline passed before its turn came."
                return results.not_run(why), {}
            status, timed_out = self._run(server, target, end - begin)
            seconds = round(time.monotonic() - begin, 3)
        # Other targets take their turn meanwhile.
        try:
            entry, tests = self._judged(target, status, timed_out)
        except Exception as error:
            # A suite writes what it likes; it is the verdict on no other target.
            log.exception("The results of %s", target["name"])
            why = f"Its results cannot be read: {type(error).__name__}: {error}"
            entry, tests = {**results.not_run(why), "state": "error"}, {}
        return {**entry, "seconds": seconds}, tests

    def _run(self, server, target, seconds):
        home = session.home(self._work / f"home-{target['name']}", self._user)
        return server.run(
            self._arguments(target, home / _LINES),
            home=home,
            log=self._work / f"{target['name']}.log",
            seconds=seconds,
        )

    def _judged(self, target, status, timed_out):
        name = target["name"]
        lines = reporting.lines(self._folder, name)
        printed = lines.with_suffix(".log")
        reporting.take(self._work / f"home-{name}" / _LINES, lines, self._mask.lines)
        reporting.take_log(self._work / f"{name}.log", printed, self._mask.text)
        run = results.parse(reporting.text(lines))
        entry = results.judge(
            run,
            exit_status=status,
            timed_out=timed_out,
            output=reporting.text(printed)[-_OUTPUT_CHARS:],
            shared="part" in target,
        )
        return entry, results.outcomes(run)

    def _arguments(self, target, lines):
        return [
            *invocation.common(self._root, self._ini),
            *invocation.of_target(target, lines),
            *self._options,
            *map(str, self._paths),
        ]

    def _environment(self, home):
        return invocation.environment(
            library=self._library,
            home=home,
            commit=self._commit,
            run_id=uuid.uuid4().hex,
            settings=self._settings,
        )
