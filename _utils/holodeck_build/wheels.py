"""
The project's own wheel, built on the builder, in the sandbox.

What builds a project (setuptools, hatchling) is installed once, compiled, and shared by
every commit that asks for the same: most of a build's time is otherwise spent on making
that environment and on reading the backend's sources.

Which version builds is decided by the lock, where it has the backend, and otherwise
by the commit's time: what came out later does not count, so the same commit is built
by the same backend on every day.
"""

import contextlib
import datetime as dt
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from pathlib import Path

from holodeck import confinement
from holodeck_build import backend_inside, project, source, tree, uv
from holodeck_io import errors

log = logging.getLogger(__name__)
# What uv says of an index that failed it.
_UNANSWERED = "Failed to fetch"
_READY = "ready"


def build(folder, checkout, lock, builder, epoch, confined):
    """
    Build the project in ``folder``; return the wheel's path, beside the checkout.

    checkout
        The folder with the commit's files; ``folder`` is it, or lies in it.
    lock
        The :class:`~holodeck_build.lockfile.Lock` whose versions count.
    builder
        The :class:`~holodeck_build.cache.Builder`.
    epoch
        The commit's time, in seconds since 1970.
    confined
        Runs a command in the sandbox; writes to nothing but ``confined.workdir``.
        A project's build script is whatever the last commit made of it.
    """
    wanted = project.requires(folder)
    target = Path(confined.workdir, "wheel")
    target.mkdir()
    ask = _Backend(folder, checkout, builder, confined)
    home = _environment(wanted, lock, builder, epoch)
    try:
        ask(backend_inside.WHEEL, home, target)
    except errors.CommandError as error:
        # A backend may ask for more at build time.
        more = ask.requires(home)
        if not set(more) - set(wanted):
            raise
        log.info("Project: asks for %s: %s", more, error)
        home = _environment((*wanted, *more), lock, builder, epoch)
        ask(backend_inside.WHEEL, home, target)
    for wheel in target.glob("*.whl"):
        return wheel
    raise errors.HolodeckError(
        f"Project: its backend {project.backend(folder)[0]} left no wheel; look at its "
        "`build_wheel` (PEP 517)."
    )


def prepare(folder, lock, builder, epoch):
    """Make what :func:`build` needs while something else is under way."""
    with contextlib.suppress(errors.HolodeckError):
        # It is tried again by the build, whose error is the one that counts.
        _environment(project.requires(folder), lock, builder, epoch)


class _Backend:
    """A project's build backend, asked in the sandbox."""

    def __init__(self, folder, checkout, builder, confined):
        self._folder, self._checkout = folder, checkout
        self._builder, self._confined = builder, confined
        self._program = Path(confined.workdir, "backend.py")
        shutil.copyfile(backend_inside.__file__, self._program)
        self._program.chmod(0o644)

    def __call__(self, hook, home, target):
        """Call a hook, with the environment in ``home``."""
        backend, paths = project.backend(self._folder)
        argv = [str(home / "bin" / "python"), str(self._program), hook, backend]
        argv += [str(self._checkout), str(self._folder.relative_to(self._checkout))]
        # One that is built where it lies says the same as one built in memory.
        mapped = f"-ffile-prefix-map={self._checkout}={backend_inside.SCRATCH}"
        flags = {key: f"{one} {mapped}" for key, one in uv.COMPILER_FLAGS.items()}
        readable = [str(home), *self._builder.interpreter.outside]
        if self._confined.workdir not in self._checkout.parents:
            readable.append(str(self._checkout))
        self._confined(
            [*argv, str(target), *paths],
            readable=readable,
            env={
                "PATH": confinement.path_with(home),
                "SOURCE_DATE_EPOCH": str(tree.EPOCH),
                **flags,
            },
        )

    def requires(self, home):
        """Return what the backend wants besides."""
        answer = Path(self._confined.workdir, "requires.json")
        self(backend_inside.REQUIRES, home, answer)
        try:
            return project.requirements(json.loads(answer.read_bytes()))
        except ValueError as error:
            raise errors.HolodeckError(
                f"Project: its backend answers get_requires_for_build_wheel wrongly: "
                f"{error}; it should be a list of requirements (PEP 517)."
            ) from error


def _environment(requires, lock, builder, epoch):
    """
    Return the folder of an environment with what a project is built with.

    Commits of a month share one, as of its first day. What came out later is taken as
    of the commit's day; where the index tells no times, as of today.
    """
    day, today = _day(epoch), _day(time.time())
    what = (*requires, lock.pins, builder.interpreter.banner)
    dated = {
        _home(what, cutoff): cutoff
        for cutoff in (f"{day[:7]}-01T00:00:00Z", f"{day}T23:59:59Z")
    }
    undated = _home(what, f"found on {today}")
    with source.locked(f"backend-{_home(what, '').name}"):
        ready = [one for one in (*dated, undated) if (one / _READY).exists()]
        home = ready[0] if ready else _made(dated, undated, requires, lock, builder)
    os.utime(home)
    return home


def _home(what, cutoff):
    key = hashlib.sha256("\0".join([*what, cutoff]).encode()).hexdigest()[:16]
    return source.CACHE / "backends" / key


def _made(dated, undated, requires, lock, builder):
    """Make the first environment whose moment had all that is wanted; return it."""
    for home, cutoff in dated.items():
        if _is_made(home, requires, lock, builder, cutoff):
            return home
    _make(undated, requires, lock, builder)
    return undated


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
    # Builds see it read-only: what is to be compiled is compiled here.
    words = ["pip", "install", "--quiet", "--compile-bytecode", "--python", python]
    with _constraints(lock) as file:
        words += ["--constraints", file, "--build-constraints", file]
        words += ["--exclude-newer", cutoff] if cutoff else []
        if requires:
            uv.run(*words, "--", *requires, env=builder.env)
    (home / _READY).touch()


def _day(epoch):
    return dt.datetime.fromtimestamp(epoch, dt.timezone.utc).strftime("%Y-%m-%d")


@contextlib.contextmanager
def _constraints(lock):
    """Yield the path of a file with the lock's versions."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(lock.pins)
        file.flush()
        yield file.name
