"""
The project's own wheel, built on the builder.

What builds a project (setuptools, hatchling) is installed once, compiled by its first
use, and shared by every commit that asks for the same: most of a build's time is
otherwise spent on making that environment and on reading the backend's sources.

Which version builds is decided by the lock, where it has the backend, and otherwise
by the commit's time: what came out later does not count, so the same commit is built
by the same backend on every day.
"""

import contextlib
import datetime as dt
import hashlib
import logging
import os
import shutil
import stat
import tempfile
from pathlib import Path

from holodeck_build import project, source, uv
from holodeck_io import errors, files

log = logging.getLogger(__name__)
_AS_OF = "--exclude-newer"
# What uv says of an index that failed it.
_UNANSWERED = "Failed to fetch"
_UNRESOLVED = "Failed to resolve"
_READY = "ready"


def build(checkout, target, lock, builder, epoch):
    """
    Build the project in ``checkout``; return the wheel's path, in ``target``.

    target
        An empty folder.
    lock
        The :class:`~holodeck_build.lockfile.Lock` whose versions count.
    builder
        The :class:`~holodeck_build.cache.Builder`.
    epoch
        The commit's time, in seconds since 1970.
    """
    words = ["build", "--wheel", "--out-dir", str(target)]
    try:
        python = _environment(project.requires(checkout), lock, builder, epoch)
        words_here = [*words, "--no-build-isolation", "--python", str(python)]
        uv.run(*words_here, str(checkout), env=builder.env)
    except errors.CommandError as error:
        # A backend may ask for more at build time: an environment of its own then.
        log.info("Project: not by the shared backend: %s", error)
        _build_isolated(checkout, words, lock, builder, epoch)
    return next(Path(target).glob("*.whl"))


def prepare(checkout, lock, builder, epoch):
    """Make what :func:`build` needs while something else is under way."""
    with contextlib.suppress(errors.HolodeckError):
        # It is tried again by the build, whose error is the one that counts.
        _environment(project.requires(checkout), lock, builder, epoch)


def _build_isolated(checkout, words, lock, builder, epoch):
    words = [*words, "--python", builder.interpreter.path, str(checkout)]
    with _constraints(lock) as file:
        words += ["--build-constraints", file]
        try:
            uv.run(*words, *_as_of(epoch), env=builder.env)
        except errors.CommandError as error:
            # A project that does not build would not be built better by something
            # newer, nor is an index that did not answer a reason for it.
            if _UNANSWERED in str(error) or _UNRESOLVED not in str(error):
                raise
            uv.run(*words, env=builder.env)


def _environment(requires, lock, builder, epoch):
    """
    Return the Python of an environment with what a project is built with.

    Commits of a month share one, as of its first day. What came out later is taken as
    of the commit's day; where the index tells no times, as of today.
    """
    today = dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%d")
    what = (*requires, lock.pins, builder.interpreter.banner)
    month, day, now = (
        (_home(what, cutoff or f"found on {today}"), cutoff)
        for cutoff in (f"{_day(epoch)[:7]}-01T00:00:00Z", _as_of(epoch)[1], "")
    )
    with source.locked(f"backend-{_home(what, '').name}"):
        home = next((home for home, _ in (month, day, now) if _is_ready(home)), None)
        for found, cutoff in (month, day):
            if home is None and _is_made(found, requires, lock, builder, cutoff):
                home = found
        if home is None:
            home = now[0]
            _make(home, requires, lock, builder)
    os.utime(home)
    return home / "bin" / "python"


def _home(what, cutoff):
    key = hashlib.sha256("\0".join([*what, cutoff]).encode()).hexdigest()[:16]
    return source.CACHE / "backends" / key


def _is_ready(home):
    """
    Tell whether an environment is there as it was made.

    Every project's build may write into it: what one left is no part of another's.
    """
    try:
        return (home / _READY).read_text(encoding="ascii") == _fingerprint(home)
    except FileNotFoundError:
        return False


def _fingerprint(home):
    """Return a digest of what was last changed, without what is compiled by use."""
    digest = hashlib.sha256()
    for name in files.names_below(home):
        facts = os.lstat(f"{home}/{name}")
        if name != _READY and "__pycache__" not in name and not _is_folder(facts):
            digest.update(f"{name} {facts.st_size} {facts.st_ctime_ns}\n".encode())
    return digest.hexdigest()


def _is_folder(facts):
    return stat.S_ISDIR(facts.st_mode)


def _is_made(home, requires, lock, builder, cutoff):
    """Make an environment as of a moment; tell whether all of it was out by then."""
    try:
        _make(home, requires, lock, builder, cutoff)
    except errors.CommandError as error:
        shutil.rmtree(home, ignore_errors=True)
        if _UNANSWERED in str(error):
            # An index that did not answer is no reason to take something newer.
            raise
        return False
    return True


def _make(home, requires, lock, builder, cutoff=""):
    shutil.rmtree(home, ignore_errors=True)
    python = str(home / "bin" / "python")
    uv.run("venv", "--quiet", "--no-project", "--python", builder.interpreter.path,
           str(home))  # fmt: skip
    words = ["pip", "install", "--quiet", "--python", python]
    with _constraints(lock) as file:
        words += ["--constraints", file, "--build-constraints", file]
        words += [_AS_OF, cutoff] if cutoff else []
        if requires:
            uv.run(*words, "--", *requires, env=builder.env)
    (home / _READY).write_text(_fingerprint(home), encoding="ascii")


def _as_of(epoch):
    return [_AS_OF, f"{_day(epoch)}T23:59:59Z"]


def _day(epoch):
    return dt.datetime.fromtimestamp(epoch, dt.timezone.utc).strftime("%Y-%m-%d")


@contextlib.contextmanager
def _constraints(lock):
    """Yield the path of a file with the lock's versions."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(lock.pins)
        file.flush()
        yield file.name
