"""
Pushes released in a process of its own, which outlives whoever started it.

It is not started by ``salt-run``, whose own start takes longer than most steps of a
release: the grains of a minion that nobody asks for, and every runner there is.
A spare one has imported all that it needs, and waits an hour for a push: of several in
a row each but the first begins at once.
"""

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import salt.version

from holodeck_master import pushing

_LOG_BYTES = 1 << 20
_SYSTEMD = Path("/run/systemd/system")
# By the name that the configuration has: behind a link there may be another one now.
_UTILS = Path(__file__).parents[1]
_SPARE_S = 3600
# A spare one that was told has nothing to do but to say that it heard.
_HEARD, _HEARD_S = b"!", 5

# The spare process, and which code it has; one at most.
_spares, _lock = [], threading.Lock()


def apart():
    """
    Return what starts a command in a control group of its own, where systemd has them.

    A restart of the master's unit ends all that is in the unit's group.
    """
    if _SYSTEMD.is_dir() and shutil.which("systemd-run"):
        return ["systemd-run", "--scope", "--quiet", "--collect", "--"]
    return []


def start(opts, pack_home, service, environment):
    """
    Start a process that works off the pushes of a place; return its log.

    What it says stands in the log, after that of the ones before.

    opts
        The master's configuration.
    pack_home
        As for :meth:`holodeck_master.world.World.open`.
    """
    place = Path(opts["cachedir"], "holodeck/runs", f"push-{environment}.{service}")
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if place.exists() and place.stat().st_size > _LOG_BYTES:
        place.unlink()
    words = [opts["conf_file"], str(pack_home), service, environment]
    process = _told_spare(place, words)
    if not process:
        with open(place, "ab") as output:
            process = _started(words, subprocess.DEVNULL, output, output)
    threading.Thread(target=_follow, args=[process], daemon=True).start()
    return str(place)


def _started(words, *streams):
    return subprocess.Popen(
        [*apart(), sys.executable, "-m", __name__, *words],
        stdin=streams[0], stdout=streams[1], stderr=streams[2], cwd=_UTILS,
        start_new_session=True, bufsize=0,
    )  # fmt: skip


def _follow(process):
    """Leave no zombie behind, but a spare process."""
    process.wait()
    with _lock:
        if any(spare.poll() is None for spare, _ in _spares):
            return
        code = _code()
        spare = _started([], subprocess.PIPE, subprocess.PIPE, subprocess.DEVNULL)
        _spares[:] = [(spare, code)]
    spare.wait()


def _told_spare(place, words):
    """Let the spare process do it; return that, or ``None`` where there is none."""
    with _lock:
        found, _spares[:] = _spares[:], []
    line = json.dumps([str(place), *words]).encode() + b"\n"
    for process, code in found:
        # One that has ended breaks the pipe.
        with process.stdin, process.stdout, contextlib.suppress(OSError):
            if code != _code():
                continue
            process.stdin.write(line)
            if _readable(process.stdout, _HEARD_S) and process.stdout.read(1) == _HEARD:
                return process
    return None


def _readable(stream, seconds):
    poll = select.poll()
    poll.register(stream, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _code():
    """Return what changes with the code that a process imports."""
    found = []
    for file in (Path(salt.version.__file__), *sorted(_UTILS.glob("holodeck*/*.py"))):
        # One that is just being replaced is another one a moment later.
        with contextlib.suppress(OSError):
            now = file.stat()
            found.append((str(file), now.st_ino, now.st_mtime_ns, now.st_size))
    return found


def _waited():
    """Be the spare process: return the words that are told, and end without any."""
    if not _readable(sys.stdin, _SPARE_S):
        sys.exit()
    told = sys.stdin.readline()
    if not told:
        sys.exit()  # the master has gone, or has other code
    place, *words = json.loads(told)
    with open(place, "ab") as output:
        os.write(1, _HEARD)
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    return words


if __name__ == "__main__":
    pushing.main(*(sys.argv[1:] or _waited()))
