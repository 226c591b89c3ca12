"""Clocks that are wrong, for the runner and for a host's minion."""

import base64
import functools
import gzip
import subprocess
import tempfile
from pathlib import Path

_SOURCE = Path(__file__).with_name("clock.c")
_PLACE = "/usr/local/lib/clock.so"
_DROP_IN = "/etc/systemd/system/salt-minion.service.d/clock.conf"
_RESTART = "systemctl daemon-reload; systemctl restart salt-minion"
#: What makes a host's clock right again.
RIGHT = f"rm -f {_DROP_IN}; {_RESTART}"


def skewed(seconds):
    """Return the environment of a process whose clock is wrong by ``seconds``."""
    return _environment(seconds, _library()) if seconds else {}


def wrong(seconds):
    """Return the script after which a host's minion has a wrong clock."""
    library = base64.b64encode(gzip.compress(_library().read_bytes())).decode()
    pairs = _environment(seconds, _PLACE).items()
    lines = "".join(f"Environment={name}={value}\\n" for name, value in pairs)
    return (
        f"echo {library} | base64 -d | gunzip > {_PLACE}; "
        f"mkdir -p {Path(_DROP_IN).parent}; "
        f"printf '[Service]\\n{lines}' > {_DROP_IN}; {_RESTART}"
    )


def _environment(seconds, library):
    return {"LD_PRELOAD": str(library), "CLOCK_SKEW_S": str(seconds)}


def _library():
    return Path(_compiled().name, "clock.so")


@functools.cache
def _compiled():
    """Compile the wrong clock; return its folder, which goes with this process."""
    folder = tempfile.TemporaryDirectory(prefix="holodeck-clock-")
    library = Path(folder.name, "clock.so")
    argv = ["cc", "-shared", "-fPIC", "-O1", "-o", library, _SOURCE]
    subprocess.run(argv, check=True)
    return folder
