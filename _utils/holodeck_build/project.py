"""A repository's own package: whether it has one, where, and what builds it."""

from pathlib import Path

from holodeck_io import toml
from holodeck_io.errors import HolodeckError

# What a project without a [build-system] is built with (PEP 518).
_LEGACY = ("setuptools>=40.8.0",)
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
    whole = isinstance(found, (list, tuple)) and all(map(_is_requirement, found))
    if not whole:
        raise HolodeckError(
            f"{_name(folder)}: `requires` of [build-system] is {found!r}; it should be "
            'a list of requirements such as ["setuptools>=61"] (PEP 518).'
        )
    return tuple(found)


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
