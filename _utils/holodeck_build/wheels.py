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
import shutil
import tempfile
from pathlib import Path

from holodeck_build import source, uv
from holodeck_io import errors, toml

log = logging.getLogger(__name__)
_AS_OF = "--exclude-newer"
# What uv says of an index that failed it.
_UNANSWERED = "Failed to fetch"
# What a project without a [build-system] is built with (PEP 518).
_LEGACY = ("setuptools>=40.8.0",)


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
    words = ["build", "--quiet", "--wheel", "--out-dir", str(target)]
    try:
        python = _environment(_requires(checkout), lock, builder, epoch)
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
        _environment(_requires(checkout), lock, builder, epoch)


def _build_isolated(checkout, words, lock, builder, epoch):
    words = [*words, "--python", builder.interpreter.path, str(checkout)]
    with _constraints(lock) as file:
        words += ["--build-constraints", file]
        # A project that does not build would not be built better by something newer.
        _run_dated(words, (_as_of(epoch), ()), builder.env, "Failed to resolve")


def _requires(checkout):
    path = Path(checkout, "pyproject.toml")
    if not path.is_file():
        return _LEGACY
    try:
        data = toml.parsed(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise errors.HolodeckError(f"pyproject.toml: is no TOML: {error}.") from error
    return tuple(data.get("build-system", {}).get("requires", _LEGACY))


def _environment(requires, lock, builder, epoch):
    """Return the Python of an environment with what a project is built with."""
    month = _day(epoch)[:7]
    parts = (*requires, lock.pins, builder.interpreter.banner, month)
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    home = source.CACHE / "backends" / key
    with source.locked(f"backend-{key}"):
        if not (home / "ready").exists():
            shutil.rmtree(home, ignore_errors=True)
            _make(home, requires, lock, builder, epoch)
            (home / "ready").touch()
    return home / "bin" / "python"


def _make(home, requires, lock, builder, epoch):
    python = str(home / "bin" / "python")
    uv.run("venv", "--quiet", "--no-project", "--python", builder.interpreter.path,
           str(home))  # fmt: skip
    install = ["pip", "install", "--quiet", "--python", python]
    with _constraints(lock) as file:
        install += ["--constraints", file, "--build-constraints", file, *requires]
        month = [_AS_OF, f"{_day(epoch)[:7]}-01T00:00:00Z"]
        _run_dated(install, (month, _as_of(epoch), ()), builder.env)


def _run_dated(words, cutoffs, env, sign=""):
    """
    Run uv as of the first of ``cutoffs`` that has what is wanted.

    sign
        What an error says that another cutoff may mend.

    Newer than the month's begin, or an index that tells no times: the last try takes
    what there is, and its error is the one that counts. An index that did not answer
    is no reason to take something newer.
    """
    *dated, last = cutoffs
    if not any(_has_run([*words, *cutoff], env, sign) for cutoff in dated):
        uv.run(*words, *last, env=env)


def _has_run(words, env, sign):
    try:
        uv.run(*words, env=env)
    except errors.CommandError as error:
        if _UNANSWERED in str(error) or sign not in str(error):
            raise
        return False
    return True


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
