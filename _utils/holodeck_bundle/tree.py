"""
Trees that are the same bytes wherever and whenever they are built.

What differs between two builds of the same input is removed or made constant:
times, modes, compiled files' source times, and the notes that uv leaves about
where a package came from.
"""

import base64
import csv
import hashlib
import io
import os
import shutil
from pathlib import Path

from holodeck_io import process
from holodeck_io.errors import HolodeckError

# 1980-01-01: the first time that every archive format can say.
EPOCH = 315532800
_LEFTOVERS = ("direct_url.json", "uv_cache.json", "uv_build.json")
_LEFTOVERS_TOP = (".lock", ".gitignore", "CACHEDIR.TAG")


def normalise(prefix, python, epoch):
    """
    Make the virtualenv at ``prefix`` independent of its build.

    prefix
        The virtualenv's folder, in the build's own place.
    python
        The interpreter that compiles it.
    epoch
        The time that every file gets, in seconds since 1970.
    """
    prefix = Path(prefix)
    _remove_leftovers(prefix)
    for record in prefix.rglob("*.dist-info/RECORD"):
        _forget_generator(record.with_name("WHEEL"))
        _rewrite_record(record)
    _compile(prefix, python)
    for path in [prefix, *prefix.rglob("*")]:
        _normalise_inode(path, epoch)


def normalise_parents(prefix, top, epoch):
    """Do the same to the folders from ``prefix`` up to ``top``: they are packed too."""
    for path in Path(prefix).parents:
        _normalise_inode(path, epoch)
        if path == Path(top):
            return


def scripts(prefix):
    """Return the console scripts of a virtualenv: files, not interpreters."""
    return sorted(
        path
        for path in Path(prefix, "bin").iterdir()
        if path.is_file() and not path.is_symlink()
    )


def _remove_leftovers(prefix):
    for name in _LEFTOVERS:
        for path in prefix.rglob(f"*.dist-info/{name}"):
            path.unlink()
    for name in _LEFTOVERS_TOP:
        (prefix / name).unlink(missing_ok=True)
    for pattern in ("activate*", "deactivate*", "pydoc.bat"):
        for path in (prefix / "bin").glob(pattern):
            path.unlink()
    for cache in list(prefix.rglob("__pycache__")):
        shutil.rmtree(cache)
    # A link to `lib` that no interpreter of Debian or RPM systems reads.
    (prefix / "lib64").unlink(missing_ok=True)
    for path in prefix.rglob("*"):
        if path.is_symlink() and path.is_dir():
            raise HolodeckError(
                f"Link {path.relative_to(prefix)}: points at a folder, which nfpm "
                "turns into an empty one; put the folder's files there instead."
            )


def _forget_generator(wheel):
    """
    Leave out which version of a build backend made a wheel.

    It is the backend that PyPI had on the day of the build.
    """
    if not wheel.is_file():
        return
    lines = wheel.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("Generator:")]
    # Written anew, not in place: uv may hard-link files into its cache.
    wheel.unlink()
    wheel.write_text("".join(kept), encoding="utf-8")


def _rewrite_record(record):
    site = record.parent.parent
    rows = csv.reader(io.StringIO(record.read_text(encoding="utf-8")))
    kept = [row for row in rows if row and (site / row[0]).exists()]
    for row in kept:
        if row[0].endswith(".dist-info/WHEEL"):
            row[1:] = _recorded(site / row[0])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(sorted(kept))
    record.unlink()
    record.write_text(text.getvalue(), encoding="utf-8")


def _recorded(path):
    """Return the hash and the size of a file as RECORD has them (PEP 376)."""
    content = path.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return [f"sha256={digest.decode().rstrip('=')}", str(len(content))]


def _compile(prefix, python):
    """
    Compile everything once, here, never on a host.

    ``unchecked-hash`` records no time. The recorded path is relative to the
    prefix: with the commit in it every file would differ between commits.
    Some packages ship files that are no Python of this version (templates,
    tests), so compileall's status says nothing.
    """
    places = [str(prefix / name) for name in ("lib", "app") if (prefix / name).is_dir()]
    process.run(
        [
            python, "-m", "compileall", "-q", "-j", "0",
            "--invalidation-mode", "unchecked-hash",
            "-s", str(prefix), "-p", "", *places,
        ],
        check=False,
        env={"PYTHONHASHSEED": "0"},
    )  # fmt: skip


def _normalise_inode(path, epoch):
    if not path.is_symlink():
        info = path.stat()
        executable = path.is_dir() or info.st_mode & 0o100
        path.chmod(0o755 if executable else 0o644)
    os.utime(path, (epoch, epoch), follow_symlinks=False)
