"""Probes of a tester: a steady one in the background, and one of two hosts at once."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from holodeck_http import results
from holodeck_io import files
from holodeck_io.errors import HolodeckError
from holodeck_tester import invocation, library, session

#: Where probes live, until the machine's next start.
RUN = Path("/run/holodeck/probes")
_LINES = "lines.jsonl"
_GRACE_S = 20
# What comes back through Salt: an hour of seconds.
_SECONDS_MOST = 3600


def start(python, name, asked, turn=""):
    """
    Start a steady probe that outlives this job, in place of one that runs.

    python
        The interpreter of the tester's bundle.
    name
        The service.
    asked
        What :func:`holodeck_http.probe.watch` takes.
    turn
        Its name; nothing begins under one that was ended, which may be heard first.
    """
    if turn and _ended(name).is_file() and _ended(name).read_text() == turn:
        return
    session.sweep(_mark(name))
    argv = _argv(python, {"do": "watch", **asked})
    with open(_home(name) / _LINES, "wb") as output:
        subprocess.Popen(
            session.wrapped(argv, session.unprivileged(), dies=False),
            env=_environment(python, _mark(name)), cwd="/", stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip


def end(name, turn=""):
    """End a steady probe; return what it saw, ``[[second, sent, failed, p95], …]``."""
    RUN.mkdir(parents=True, exist_ok=True, mode=0o755)
    files.write_atomic(_ended(name), turn, durable=False)
    session.sweep(_mark(name))
    file = _home(name) / _LINES
    if not file.is_file():
        return []
    lines = file.read_text().splitlines()
    shutil.rmtree(_home(name))
    return results.by_second(lines)[-_SECONDS_MOST:]


def compare(python, name, asked):
    """
    Return how long two targets take for the same requests.

    asked
        What :func:`holodeck_http.probe.compare` takes.

    Raises :class:`~holodeck_io.errors.HolodeckError` where it came to no end.
    """
    log = _home(name) / "compare.log"
    status, _ = session.run(
        _argv(python, {"do": "compare", **asked}),
        env=_environment(python, f"compare-{os.getpid()}"), cwd="/", log=log,
        seconds=asked["seconds"] + _GRACE_S, user=session.unprivileged(),
    )  # fmt: skip
    said = log.read_text(errors="replace").strip()
    if status:
        raise HolodeckError(f"Latency: was not measured: {said[-2000:] or status}")
    return json.loads(said.splitlines()[-1])


def _ended(name):
    """Return the file with the name of the service's probe that was ended last."""
    return RUN / f".{name}.ended"


def _home(name):
    """Return the folder of a service's probes."""
    home = RUN / name
    home.mkdir(parents=True, exist_ok=True, mode=0o755)
    return home


def _argv(python, asked):
    return [str(python), "-m", "holodeck_http.probe", json.dumps(asked)]


def _mark(name):
    return f"probe-{name}"


def _environment(python, run_id):
    return invocation.environment(
        library=library.readable(python), home="/nonexistent", commit="", run_id=run_id,
        settings={},
    )  # fmt: skip
