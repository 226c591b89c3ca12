"""A runner in a process of its own, which outlives whoever started it."""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

_LOG_BYTES = 1 << 20
_SYSTEMD = Path("/run/systemd/system")
_SALT_RUN = "import salt.scripts; salt.scripts.salt_run()"


def apart():
    """
    Return what starts a command in a control group of its own, where systemd has them.

    A restart of the master's unit ends all that is in the unit's group.
    """
    if _SYSTEMD.is_dir() and shutil.which("systemd-run"):
        return ["systemd-run", "--scope", "--quiet", "--collect", "--"]
    return []


def start(opts, function, options):
    """
    Start ``salt-run FUNCTION NAME=VALUE …`` for this master; return its log.

    What it prints stands in the log, after that of the ones before.

    opts
        The master's configuration.

    options
        ``{name: value}``, each a name without spaces and quotes.
    """
    words = [f"{name}={value}" for name, value in options.items()]
    log = Path(opts["cachedir"], "holodeck", "runs", "-".join([function, *words]))
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    conf = str(Path(opts["conf_file"]).parent)
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.unlink()
    with open(log, "ab") as output:
        process = subprocess.Popen(
            [*apart(), sys.executable, "-c", _SALT_RUN, "-c", conf, function, *words],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/",
            start_new_session=True,
        )  # fmt: skip
    # It leaves no zombie behind.
    threading.Thread(target=process.wait, daemon=True).start()
    return str(log)
