"""
A pytest that stands by: it has imported what a suite needs, for all runs of a rollout.

A job of its own has it, under a name. Runs that know the name are forked from it, where
they have the same bundle and the same settings; each other one starts its own. It ends
when it is dismissed, when nobody wants it for a while, and after a run that did not
leave it as it was.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import time
from pathlib import Path

from holodeck_io import files
from holodeck_tester import warm

#: Where jobs say which pytest stands by, until the machine's next start; root's alone.
FOLDER = Path("/run/holodeck/standby")
IDLE_S = 300
_POLL_S = 0.1
# What it takes to end one, with all that hangs on it.
_END_S = 8
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,199}")


def problems(name):
    """Return what is wrong with a name to stand by under, ``[]`` for nothing."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return []
    return [f"standby: {name!r} should be letters, digits, '.' and '-', at most 200."]


def kind(python, library, commit, settings):
    """
    Return what a pytest may be shared by: the same bytes, with the same settings.

    A bundle that was put in place anew is another one, whatever its name.
    """
    root = Path(python).parents[1].stat()
    facts = [str(python), root.st_ino, root.st_ctime_ns, str(library), commit, settings]
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def offer(name, kind_, server):
    """
    Let the runs of others have a server as long as anybody wants it.

    kind_
        As :func:`kind` returned it.
    """
    files.make_folder(FOLDER.parent)
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    place = FOLDER / name
    facts = {"kind": kind_, **server.facts}
    files.write_atomic(place, json.dumps(facts), mode=0o600, durable=False)
    with open(place, encoding="utf-8") as file:
        while _is_at(place, file) and not _is_idle(file):
            time.sleep(_POLL_S)
        if _is_at(place, file):
            place.unlink(missing_ok=True)


def dismiss(name):
    """End what stands by under a name, and the runs that it has."""
    (FOLDER / name).unlink(missing_ok=True)


@contextlib.contextmanager
def borrowed(name, kind_):
    """Yield the server that stands by, ``None`` where none of the kind does."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(FOLDER / name, encoding="utf-8"))
        except FileNotFoundError:
            yield None
            return
        # From here on it does not end for being idle.
        fcntl.flock(file, fcntl.LOCK_SH)
        server = _server(name, kind_, file)
        try:
            yield server
        finally:
            os.utime(file.fileno())
            if server and not server.is_whole:
                _end(name, server)


def _server(name, kind_, file):
    facts = json.load(file)
    if facts.pop("kind") != kind_ or not _is_at(FOLDER / name, file):
        return None
    server = warm.Server(**facts)
    if not server.answers():
        # Its job was killed, or a run has stopped it.
        dismiss(name)
        return None
    return server


def _end(name, server):
    """End it, and wait for that: nothing outlives its run."""
    dismiss(name)
    end = time.monotonic() + _END_S
    while server.is_there() and time.monotonic() < end:
        time.sleep(_POLL_S)


def _is_at(place, file):
    """Tell whether an open file is still the one of its place."""
    try:
        return os.path.samestat(place.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _is_idle(file):
    """Tell whether nobody has it, and nobody had for a while; nobody gets it then."""
    if time.time() - os.fstat(file.fileno()).st_mtime < IDLE_S:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
