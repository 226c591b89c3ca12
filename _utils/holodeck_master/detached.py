"""
Pushes released in a process of its own, which outlives whoever started it.

It is not started by ``salt-run``, whose own start takes longer than most steps of a
release: the grains of a minion that nobody asks for, and every runner there is.
"""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

from holodeck_master import pushing

_LOG_BYTES = 1 << 20
_SYSTEMD = Path("/run/systemd/system")
# By the name that the configuration has: behind a link there may be another one now.
_UTILS = Path(__file__).parents[1]


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
    with open(place, "ab") as output:
        process = subprocess.Popen(
            [*apart(), sys.executable, "-m", __name__, *words],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=_UTILS,
            start_new_session=True,
        )  # fmt: skip
    # It leaves no zombie behind.
    threading.Thread(target=process.wait, daemon=True).start()
    return str(place)


if __name__ == "__main__":
    pushing.main(*sys.argv[1:])
