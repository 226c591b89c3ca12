"""
Pushes released in processes of their own, which outlive whoever started them.

They are not started by ``salt-run``: to import Salt, to collect the grains of a minion
that nobody asks for and to load every runner takes longer than most steps of a release.
One process has imported Salt and waits, as long as the process that started it lives;
each release is forked from it.
"""

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

_LOG_BYTES = 1 << 20
_SYSTEMD = Path("/run/systemd/system")
_UTILS = Path(__file__).resolve().parents[1]
_PACK_PREFIX, _WORK = "holodeck", "holodeck_master.pushing"

_lock = threading.Lock()
_spawners = []


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
    _ask({"log": str(place), "words": words})
    return str(place)


def _ask(request):
    line = json.dumps(request).encode() + b"\n"
    with _lock:
        try:
            _spawners[0].stdin.write(line)
        except (IndexError, OSError):
            # There is none yet, or it was killed.
            _spawners[:] = [_spawner()]
            _spawners[0].stdin.write(line)


def _spawner():
    return subprocess.Popen(
        [*apart(), sys.executable, "-m", __name__],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=_UTILS, bufsize=0,
        start_new_session=True,
    )  # fmt: skip


def main():
    """Fork a process for each line of the input, a request of :func:`start`."""
    importlib.import_module(_WORK)
    # Salt stays, and all else that it needs; the pack is imported by each anew.
    for name in [name for name in sys.modules if name.startswith(_PACK_PREFIX)]:
        del sys.modules[name]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin.buffer:
        if not os.fork():
            _become(**json.loads(line))


def _become(log, words):
    """Be the process that works off the pushes of a place, and end with it."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with open(log, "ab") as output, open(os.devnull, "rb") as nothing:
        for file, number in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(file.fileno(), number)
    importlib.import_module(_WORK).main(*words)
    sys.exit()


if __name__ == "__main__":
    main()
