"""The machine's programs that local hosts need, and the packages that have them."""

import os
import shutil
import sys
from pathlib import Path

from holodeck_io.errors import HolodeckError

RUN = {
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "bridge": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setsid": "util-linux",
    "mount": "mount",
    "mkfs.ext4": "e2fsprogs",
}
BUILD = {
    "mmdebstrap": "mmdebstrap",
    "setpriv": "util-linux",
    "chroot": "coreutils",
}
# A daemon's PATH may lack sbin, where half of them are.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing(programs):
    """Return the Debian packages of those ``programs`` that the machine lacks."""
    path = f"{os.environ.get('PATH', '')}:{PATH}"
    return sorted(
        {
            package
            for name, package in programs.items()
            if not shutil.which(name, path=path)
        }
    )


def require(programs):
    """Raise one error that names all packages to install, if any is missing."""
    packages = missing(programs)
    if packages:
        raise HolodeckError(
            f"nspawn: this machine lacks {', '.join(packages)}; "
            f"run: apt-get install {' '.join(packages)}"
        )


def find_uv():
    """Return the path of uv: beside this Python first, then on the PATH."""
    beside = Path(sys.executable).parent / "uv"
    found = beside if os.access(beside, os.X_OK) else shutil.which("uv")
    if not found:
        raise HolodeckError(
            f"nspawn: building an image needs uv; run: {sys.executable} -m pip "
            "install uv"
        )
    return str(Path(found).resolve())
