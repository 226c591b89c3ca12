"""A runner in a process of its own, which outlives whoever started it."""

import subprocess
import sys
import threading
from pathlib import Path

_SALT_RUN = "import salt.scripts; salt.scripts.salt_run()"


def start(opts, function, arguments):
    """
    Start ``salt-run FUNCTION NAME=VALUE …`` for this master; return its log.

    What it prints stands in the log, until the next one for the same arguments.

    opts
        The master's configuration.

    Arguments:
        ``{name: value}``, each a name without spaces and quotes.
    """
    words = [f"{name}={value}" for name, value in arguments.items()]
    log = Path(opts["cachedir"], "holodeck", "runs", "-".join([function, *words]))
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    conf = str(Path(opts["conf_file"]).parent)
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _SALT_RUN, "-c", conf, function, *words],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/",
            start_new_session=True,
        )  # fmt: skip
    # It leaves no zombie behind.
    threading.Thread(target=process.wait, daemon=True).start()
    return str(log)
