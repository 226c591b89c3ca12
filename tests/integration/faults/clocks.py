"""Clocks that are wrong: libfaketime, for the runner and for a host's minion."""

import base64
import gzip
from pathlib import Path

_LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
_PLACE = "/usr/local/lib/libfaketime.so.1"
_DROP_IN = "/etc/systemd/system/salt-minion.service.d/clock.conf"
_RESTART = "systemctl daemon-reload; systemctl restart salt-minion"
#: What makes a host's clock right again.
RIGHT = f"rm -f {_DROP_IN}; {_RESTART}"


def skewed(seconds):
    """Return the environment of a process whose clock is wrong by ``seconds``."""
    return _environment(seconds, _LIBRARY) if seconds else {}


def wrong(seconds):
    """Return the script after which a host's minion has a wrong clock."""
    library = base64.b64encode(gzip.compress(_LIBRARY.read_bytes())).decode()
    pairs = _environment(seconds, _PLACE).items()
    lines = "".join(f"Environment={name}={value}\\n" for name, value in pairs)
    return (
        f"echo {library} | base64 -d | gunzip > {_PLACE}; "
        f"mkdir -p {Path(_DROP_IN).parent}; "
        f"printf '[Service]\\n{lines}' > {_DROP_IN}; {_RESTART}"
    )


def _environment(seconds, library):
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{seconds:+d}",
        # Waiting must take as long as it takes.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
