"""
The lock of a commit's dependencies: found, proven complete, made one text.

The text decides what is installed, is part of the layer's key, and is what uv
installs from. uv.lock and pylock.toml name the URL of each file, so their packages
come from there and no index is asked.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from holodeck import lock_text, pylock_text
from holodeck_build import uv_lock
from holodeck_io import toml
from holodeck_io.errors import HolodeckError

_FOUND = ("uv.lock", "pylock.toml", "requirements.txt")
_PYLOCK = re.compile(r"pylock(\.[^./]+)?\.toml")


@dataclass(frozen=True)
class Lock:
    """
    What is installed, as one text.

    ``name`` is the path in the checkout, empty for a bare text; ``form`` is
    ``requirements`` or ``pylock``; ``hashed`` tells whether every file is proven;
    ``pins`` are the versions as requirements, to build packages with.
    """

    name: str
    form: str
    text: str
    hashed: bool
    pins: str

    @property
    def filename(self):
        """The name that the text's file needs: uv goes by it."""
        return "pylock.toml" if self.form == "pylock" else "requirements.txt"


def read(checkout, wanted="", *, allow_unhashed=False, extras=(), python=""):
    """
    Return the :class:`Lock` of a checkout.

    checkout
        The folder with the commit's files.
    wanted
        The lock's path in it; by default the first there is of ``uv.lock``,
        ``pylock.toml`` and ``requirements.txt``.
    allow_unhashed
        Take packages that no hash proves.
    extras
        The project's extras to install; only a ``uv.lock`` knows them.
    python
        The interpreter of the bundle, by default the system's.

    Raises :class:`~holodeck_io.errors.HolodeckError` for a lock that is missing,
    does not fit its project, has a credential, or does not prove every file.
    """
    name = wanted or _first(checkout)
    if extras and Path(name).name != "uv.lock":
        raise HolodeckError(
            f"Lock {name}: knows no extras ({', '.join(extras)}); lock with them, or "
            "commit a uv.lock."
        )
    try:
        text = _text(checkout, name)
        if Path(name).name == "uv.lock":
            lock_text.refuse_credentials(text)
            pylock_text.refuse_outside(_parsed(text))
            folder = Path(checkout, name).parent
            exported = uv_lock.exported(folder, extras, python or "/usr/bin/python3")
            return _pylock(name, exported, allow_unhashed)
        if _PYLOCK.fullmatch(Path(name).name):
            return _pylock(name, text, allow_unhashed)
        return _requirements(name, text, allow_unhashed, _beside(checkout, name))
    except lock_text.UnfitLockError as error:
        raise HolodeckError(f"Lock {name}: {error}") from error


def from_text(text, *, allow_unhashed=False):
    """Return the :class:`Lock` of requirements that stand in pillar."""
    try:
        return _requirements("", text, allow_unhashed, None)
    except lock_text.UnfitLockError as error:
        raise HolodeckError(f"Requirements in the definition: {error}") from error


def sync_words(lock, file, python, since=None):
    """
    Return uv's words that bring a virtualenv exactly to a lock.

    lock
        The :class:`Lock`.
    file
        The path of a file with its text, named ``lock.filename``.
    python
        The virtualenv's ``bin/python``.
    since
        The :class:`Lock` that the virtualenv is at already, if any: what differs
        is installed anew, what is not in the new one is removed, the rest stays.
    """
    words = ["pip", "sync", "--quiet", "--python", str(python)]
    words += ["--preview-features", "pylock", "--allow-empty-requirements"]
    if lock.hashed:
        words.append("--require-hashes")
    for name in lock_text.changed(since.text, lock.text) if since else ():
        words += ["--reinstall-package", name]
    return [*words, str(file)]


def _first(checkout):
    for name in _FOUND:
        if Path(checkout, name).is_file():
            return name
    raise HolodeckError(
        f"Lock: the commit has none of {', '.join(_FOUND)}; commit what `uv lock` or "
        "`uv pip compile --generate-hashes` writes, or name the file in the "
        "definition's `lock`."
    )


def _text(checkout, name):
    """Return a file's text; a link may not lead to the builder's own files."""
    path, home = Path(checkout, name).resolve(), Path(checkout).resolve()
    if home not in path.parents or not path.is_file():
        raise lock_text.UnfitLockError(
            "is no file of the commit; commit it, or name another in the "
            "definition's `lock`."
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise lock_text.UnfitLockError(
            f"is no UTF-8 text (byte {error.start}); lock again."
        ) from error


def _beside(checkout, name):
    """Return what reads the files that a ``-r`` in the lock names."""
    folder = Path(name).parent

    def text(path):
        try:
            return _text(checkout, folder / path)
        except lock_text.UnfitLockError as error:
            raise lock_text.UnfitLockError(f"includes {path}, which {error}") from error

    return text


def _requirements(name, text, allow_unhashed, include):
    canonical, hashed = lock_text.requirements(
        text, allow_unhashed=allow_unhashed, include=include
    )
    return Lock(name, "requirements", canonical, hashed, lock_text.pins(canonical))


def _pylock(name, text, allow_unhashed):
    lock_text.refuse_credentials(text)
    data = _parsed(text)
    canonical, hashed = pylock_text.canonical(data, allow_unhashed=allow_unhashed)
    return Lock(name, "pylock", canonical, hashed, pylock_text.pins(data))


def _parsed(text):
    try:
        return toml.parsed(text)
    except ValueError as error:
        raise lock_text.UnfitLockError(f"is no TOML: {error}.") from error
