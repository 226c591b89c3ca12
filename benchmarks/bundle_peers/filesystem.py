"""
A root folder on a fresh ext4 file system, for one host that is installed to.

Fresh, because ext4 avoids inodes that were deleted a short time ago: installing
right after a similar tree was removed costs several times as much.

This machine is seen in there read-only, and configuration is a copy: a mistake in
here, or in a peer, must not reach the machine.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

_REST_S = 5
_DATABASE = Path("/var/lib/dpkg")
_LENT = ("usr", "dev", "proc", "sys")
_COPIED = ("etc", "var/lib/dpkg")
_MADE = ("opt", "tmp", "run", "root", "var/lib", "var/log", "var/cache")
# Where Debian's packages also put files (changelogs): on the fresh file system too.
_DOCUMENTS = "usr/share/doc"


class FreshRoot:
    """
    A context: this machine's programs and package database on a new file system.

    place
        An empty folder to mount it on, outside of whatever is ever deleted.
    image
        The file that holds the file system.
    lent
        Folders of this machine that are seen inside at the same place, read-only.
    """

    def __init__(self, place, image, lent):
        self.root, self.image = Path(place), Path(image)
        self.lent = [Path(folder) for folder in lent]

    def __enter__(self):
        self.image.unlink(missing_ok=True)
        with open(self.image, "wb") as file:
            file.truncate(3 << 30)
        _run(
            "mkfs.ext4", "-q", "-F", "-E",
            "lazy_itable_init=0,lazy_journal_init=0,nodiscard", self.image,
        )  # fmt: skip
        _run("mount", "-o", "loop", self.image, self.root)
        try:
            self._fill()
        except BaseException:
            self.__exit__()
            raise
        self.settle()
        # After builds a shared machine is slower for a while: floors and peers are
        # measured on one that has come to rest.
        time.sleep(_REST_S)
        return self

    def __exit__(self, *_):
        _run("umount", "--recursive", self.root)
        self.image.unlink()

    def settle(self):
        """
        Write out what is pending, so that nothing but the next step pays for it.

        Of the builds too: this host's disk is a file on the disk that they wrote to.
        """
        os.sync()
        time.sleep(0.2)

    def _fill(self):
        for name in ("bin", "sbin", "lib", "lib64"):
            (self.root / name).symlink_to(f"usr/{name}")
        for name in (*_MADE, "documents"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        for name in _COPIED:
            shutil.copytree(f"/{name}", self.root / name, symlinks=True)
        for name in _LENT:
            _lend(f"/{name}", self.root / name)
        _bind(self.root / "documents", self.root / _DOCUMENTS)
        for folder in self.lent:
            _lend(folder, self.root / str(folder).lstrip("/"))


def database():
    """Return how large the package database is that each run gets a copy of."""
    lists = list(_DATABASE.glob("info/*.list"))
    files = sum(path.read_bytes().count(b"\n") for path in lists)
    return {"packages": len(lists), "files": files}


def cover(folder, place):
    """Show ``folder`` at ``place`` to this benchmark, and to nobody else."""
    Path(place).mkdir(parents=True, exist_ok=True)
    _bind(folder, place)


def uncover(place):
    """Undo :func:`cover`."""
    _run("umount", place)


def clear(folder):
    """Remove a folder, unless something is mounted in it, and make it anew."""
    folder = Path(folder).resolve()
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    places = [Path(line.split()[1]) for line in mounts]
    below = [str(place) for place in places if place.is_relative_to(folder)]
    if below:
        raise RuntimeError(f"Folder {folder}: {', '.join(below)} is mounted there.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _lend(origin, place):
    Path(place).mkdir(parents=True, exist_ok=True)
    _bind(origin, place)
    _run("mount", "--options", "remount,bind,ro", place)


def _bind(origin, place):
    _run("mount", "--bind", origin, place)


def _run(*argv):
    subprocess.run([str(word) for word in argv], check=True, capture_output=True)
