"""
A project's uv.lock, as the pylock that it stands for.

uv itself exports it, without the network, once it finds that the lock is what it
would write for the project now.
"""

import shutil
import tempfile
from pathlib import Path

from holodeck import index_text, pylock_text
from holodeck.lock_text import UnfitLockError
from holodeck_build import source, uv
from holodeck_io import toml
from holodeck_io.errors import CommandError

# An administrator's settings that uv.lock records: the project's own count here.
_RECORDED = ("UV_EXCLUDE_NEWER", "UV_FORK_STRATEGY", "UV_PRERELEASE", "UV_RESOLUTION",
             "UV_CONFIG_FILE")  # fmt: skip

# Of uv's error for an interpreter that the project refuses.
_OTHER_PYTHON = "incompatible with the project's Python requirement"


def exported(folder, extras, python):
    """
    Return the ``uv.lock`` in ``folder`` as the text of a pylock.

    extras
        The project's extras to install.
    python
        The interpreter that installs.

    uv reads a copy in a folder of ours: it looks for a workspace in every folder
    further up, and in a shared one like /tmp anybody could leave a project. A
    project that only its build asks what it depends on is taken as it is: to
    compare would be to run its code.

    Raises :class:`~holodeck.lock_text.UnfitLockError` for a lock that does not fit.
    """
    source.CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=source.CACHE, prefix=".lock-") as work:
        project = Path(work, "project")
        _copy(Path(folder), project)
        words = [*_words(python), *(f"--extra={extra}" for extra in extras)]
        if _is_dynamic(project / "pyproject.toml"):
            return _export([*words, "--frozen"], project)
        try:
            return _export([*words, "--locked"], project)
        except UnfitLockError as error:
            if _OTHER_PYTHON in str(error):
                raise
            # The same error again when it is not about what the project says.
            _export([*words, "--frozen"], project)
    raise UnfitLockError(
        "does not fit its pyproject.toml; run `uv lock` and commit what it changes."
    )


def _copy(folder, project):
    """Copy what uv reads: the lock, settings, and the projects of a workspace."""
    for path in (
        *(folder / name for name in ("uv.lock", "uv.toml")),
        *folder.rglob("pyproject.toml"),
    ):
        inside = folder.resolve() in path.resolve().parents
        if inside and path.is_file():
            target = project / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _is_dynamic(pyproject):
    """Tell whether only building the project says what it depends on."""
    if not pyproject.is_file():
        raise UnfitLockError("has no pyproject.toml beside it; commit it.")
    try:
        settings = toml.parsed(pyproject.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UnfitLockError(f"its pyproject.toml is no TOML: {error}.") from error
    project = pylock_text.of_kind(
        settings.get("project", {}), dict, "`project` in its pyproject.toml"
    )
    dynamic = pylock_text.of_kind(
        project.get("dynamic", []), list, "`project.dynamic` in its pyproject.toml"
    )
    return any(name in dynamic for name in ("dependencies", "optional-dependencies"))


def _words(python):
    return [
        "export", "--quiet", "--offline", "--format", "pylock.toml", "--python", python,
        "--no-default-groups", "--no-emit-project", "--no-header", "--no-annotate",
    ]  # fmt: skip


def _export(words, project):
    """
    Run uv with the project's settings, as when the lock was made, and no others.

    uv looks further up than the project, and where the variables say, then in /etc,
    until there is a file: it finds empty ones of ours.
    """
    for settings in (project.parent / "uv.toml", project.parent / "uv" / "uv.toml"):
        settings.parent.mkdir(exist_ok=True)
        settings.touch()
    env = {
        "UV_NO_CONFIG": None,
        "XDG_CONFIG_HOME": str(project.parent),
        "XDG_CONFIG_DIRS": str(project.parent),
        **dict.fromkeys(_RECORDED),
    }
    try:
        return uv.run(*words, cwd=project, env=env).stdout
    except CommandError as error:
        said = str(error).partition("error: ")[2] or str(error)
        raise UnfitLockError(f"uv refuses it: {index_text.masked(said)}") from None
