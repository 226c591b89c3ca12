"""A repository's own package: whether it has one, where, and what builds it."""

from pathlib import Path

from holodeck_io import toml
from holodeck_io.errors import HolodeckError

# What a project without a [build-system] is built with (PEP 518).
_LEGACY = ("setuptools>=40.8.0",)
_LEGACY_BACKEND = "setuptools.build_meta:__legacy__"
_SCRIPTS = ("scripts", "gui-scripts", "entry-points")


def find(checkout, lock_name):
    """
    Return the folder of the package in a checkout, or ``None``.

    lock_name
        The lock's path in the checkout: a package beside it is the one that it
        locks; else it is the repository's root.

    A ``pyproject.toml`` alone makes no package: many have it for their linters.
    """
    for folder in (Path(checkout, lock_name).parent, Path(checkout)):
        if is_packaged(folder):
            return folder
    return None


def is_packaged(folder):
    """
    Tell whether a folder holds a package that is to be built.

    It does with a ``setup.py``, a ``[build-system]``, entry points in ``[project]``,
    or ``package = true`` for uv; with ``package = false`` it does not.
    """
    data = _pyproject(folder)
    wanted = _table(_table(data, "tool", folder), "uv", folder).get("package")
    if isinstance(wanted, bool):
        return wanted
    about = _table(data, "project", folder)
    return (
        Path(folder, "setup.py").is_file()
        or "build-system" in data
        or any(name in about for name in _SCRIPTS)
    )


def requires(folder):
    """
    Return the requirements of what builds the package in ``folder``.

    Raises :class:`HolodeckError` unless they are a list of requirements: a word of
    them that begins with ``-`` would be an option.
    """
    found = _table(_pyproject(folder), "build-system", folder).get("requires", _LEGACY)
    try:
        return requirements(found)
    except ValueError as error:
        raise HolodeckError(
            f"{_name(folder)}: `requires` of [build-system]: {error}; it should be a "
            'list of requirements such as ["setuptools>=61"] (PEP 518).'
        ) from error


def requirements(found):
    """Return a list of requirements as a tuple; raise ``ValueError`` for none."""
    if not isinstance(found, (list, tuple)) or not all(map(_is_requirement, found)):
        raise ValueError(repr(found))
    return tuple(found)


def backend(folder):
    """
    Return ``(name, paths)`` of the build backend, and where it is looked for.

    Raises :class:`HolodeckError` where they are no text and no list of texts.
    """
    table = _table(_pyproject(folder), "build-system", folder)
    name = table.get("build-backend", _LEGACY_BACKEND)
    paths = table.get("backend-path", [])
    texts = [name, *(paths if isinstance(paths, list) else [None])]
    if not all(isinstance(text, str) and text for text in texts):
        raise HolodeckError(
            f"{_name(folder)}: the backend {name!r} in {paths!r} of [build-system] "
            "should be a text, its path a list of texts (PEP 517)."
        )
    return name, paths


def _is_requirement(value):
    return isinstance(value, str) and value[:1].isalnum() and value.isprintable()


def _pyproject(folder):
    path = Path(folder, "pyproject.toml")
    if not path.is_file():
        return {}
    try:
        return toml.parsed(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise HolodeckError(f"{_name(folder)}: is no TOML: {error}.") from error


def _table(data, name, folder):
    found = data.get(name, {})
    if not isinstance(found, dict):
        raise HolodeckError(
            f"{_name(folder)}: {name!r} is {found!r}; it should be a table [{name}]."
        )
    return found


def _name(folder):
    home = "" if Path(folder).name == "checkout" else f"{Path(folder).name}/"
    return f"{home}pyproject.toml"
