"""
What a builder keeps: the trees and packages of layers that it made.

The next build starts from the last one's tree, and differences are made of both.
"""

import contextlib
import hashlib
import json
import platform
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from holodeck import names, spec
from holodeck_build import recorded, source
from holodeck_build.interpreter import Interpreter
from holodeck_build.lockfile import Lock
from holodeck_build.packing import Packer, Tree
from holodeck_io import files

# Trees that nobody asked for in so long go, but never the newest few.
_DAY_S = 24 * 3600
_KEPT, _KEPT_S = 6, 14 * _DAY_S


@dataclass(frozen=True)
class Builder:
    """
    What both layers are built by, and for: one interpreter, packager and index.

    ``tools`` are the system packages to build with, and their versions: what a
    package without a wheel finds here decides what it becomes.
    """

    interpreter: Interpreter
    pack: Packer
    env: dict
    tools: tuple = ()

    @property
    def suffix(self):
        """Tell apart what other tools, or another Python, make of the same input."""
        words = (
            str(spec.FORMAT), self.interpreter.banner, self.pack.packager,
            self.pack.kind,
        )  # fmt: skip
        return hashlib.sha256("\0".join(words).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Dependencies:
    """The dependencies' tree on this builder, packed or about to be."""

    key: str
    home: Path
    lock: Lock

    @property
    def tree(self):
        """The tree to pack."""
        package, root = names.deps_package(self.key), names.deps_root(self.key)
        return Tree("deps", package, root, self.home / "root")

    @property
    def prefix(self):
        """The virtualenv's folder on this builder."""
        return self.tree.prefix

    @property
    def facts(self):
        """
        What was found out when they were installed.

        ``needs`` are the system packages that their files link to, ``missing`` a
        sentence for each library that one wants and nobody has.
        """
        return _noted(self.home, "facts.json")


def lock_key(lock, interpreter):
    """Return the key of what a lock asks for: of one, one layer is made at a time."""
    system = platform.freedesktop_os_release()
    parts = (
        str(spec.FORMAT), lock.text, interpreter.banner, platform.machine(),
        system.get("ID", ""), system.get("VERSION_ID", ""),
    )  # fmt: skip
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def content_key(key, prefix):
    """
    Return the key of a dependencies' layer: of its lock, and of what came of it.

    A package without a wheel may be built to other bytes on another day or builder.
    They get a place of their own on hosts, whose services keep what they started with.
    """
    content = recorded.content(prefix)
    return hashlib.sha256(f"{key}\0{content}".encode()).hexdigest()[:16]


def known(lock, builder):
    """Return the :class:`Dependencies` that came of a lock here, or ``None``."""
    with contextlib.suppress(OSError):
        key = _note(lock, builder).read_text(encoding="ascii")
        found = Dependencies(key, deps_home(key, builder), lock)
        if is_packed(found.home):
            return found
    return None


def remember(found, builder):
    """Keep which layer came of a lock."""
    note = _note(found.lock, builder)
    note.parent.mkdir(parents=True, exist_ok=True)
    files.write_atomic(note, found.key)


def _note(lock, builder):
    words = (lock_key(lock, builder.interpreter), *builder.tools)
    name = hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
    return source.CACHE / "locks-made" / f"{name}-{builder.suffix}"


def workshop():
    """Return a context of a new folder for one build's work."""
    home = source.CACHE / "work"
    home.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=home)


def prune():
    """Remove what this builder has not needed for long, and what died in its work."""
    kept = [source.CACHE / "layers", source.CACHE / "backends"]
    kept += (source.CACHE / "bundles").glob("*")
    for shelf in kept:
        homes = [home for home in shelf.glob("*") if not home.name.startswith(".")]
        for home in sorted(homes, key=_age)[_KEPT:]:
            if _KEPT_S < _age(home) < float("inf"):
                _discard(home)
    # No build takes as long.
    unfinished = [home for shelf in kept for home in shelf.glob(".build-*")]
    for home in (*unfinished, *(source.CACHE / "work").glob("*")):
        if _age(home) > _DAY_S:
            shutil.rmtree(home, ignore_errors=True)


def _discard(home):
    """Remove a folder so that a kill leaves it whole, or out of its place."""
    gone = home.with_name(f".build-{home.name}.gone")
    with contextlib.suppress(FileNotFoundError):
        home.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _age(path):
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        # Another build replaced or removed it since it was listed.
        return float("inf")


def donor(builder, bases, lock):
    """Return the dependencies to start from: those of ``bases``, or the newest."""
    shelf, tools = source.CACHE / "layers", list(builder.tools)
    homes = [home_of(base, builder) for base in bases if base["role"] == "deps"]
    homes += sorted(shelf.glob(f"*-{builder.suffix}"), key=_age)
    for home in homes:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            facts = _noted(home, "facts.json")
            alike = (facts["lock"]["form"], facts["tools"]) == (lock.form, tools)
            if alike and tree_in(home):
                return Dependencies(
                    home.name.split("-")[0], home, Lock(**facts["lock"])
                )
    return None


def app_donor(shelf, builder, bases):
    """Return an application's tree that was built before, for what it has compiled."""
    homes = [home_of(base, builder) for base in bases if base["role"] == "app"]
    homes += sorted(shelf.glob(f"*-{builder.suffix}"), key=_age)
    for found in homes:
        with contextlib.suppress(OSError, ValueError):
            prefix = Path(f"{found}/root{layer_in(found)['root']}")
            if is_whole(found, prefix):
                return prefix
    return None


def is_whole(home, prefix):
    """
    Tell whether the tree in a folder of the cache is still what was packed.

    What is made of a damaged tree would be packed as if it were right.
    """
    with contextlib.suppress(OSError):
        return files.tree_digest(prefix) == tree_in(home)
    return False


def is_packed(home):
    """
    Tell whether dependencies were finished: a build may have died, or its disk.

    Applications copy their scripts, which are looked at, as is the package; the rest
    of the tree is before another is made of it.
    """
    with contextlib.suppress(OSError, ValueError, KeyError):
        root = layer_in(home)["root"]
        scripts = files.tree_digest(f"{home}/root{root}/bin")
        whole = scripts == _noted(home, "facts.json")["scripts"]
        return whole and has_package(home)
    return False


def has_package(home):
    """Tell whether a folder of the cache has the package that its note names."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        layer = layer_in(home)
        return files.sha256_file(home / layer["filename"]) == layer["sha256"]
    return False


def tree_in(home):
    """Return the digest of the tree in a folder of the cache, or ``None``."""
    try:
        return layer_in(home)["tree"]
    except (OSError, ValueError):
        return None


def layer_in(home):
    """Return the fields of the packed layer in a folder of the cache."""
    return _noted(home, "layer.json")


def _noted(home, name):
    return json.loads((home / name).read_text(encoding="utf-8"))


def home_of(layer, builder):
    """Return where a layer of hosts lies on this builder."""
    *_, name, version = layer["root"].split("/")
    if name == "deps":
        return deps_home(version, builder)
    return app_home(name, version, layer["sha256"], builder)


def deps_home(key, builder):
    """Return the folder of the dependencies with that key."""
    return source.CACHE / "layers" / f"{key}-{builder.suffix}"


def app_home(name, commit, sha256, builder):
    """
    Return the folder of one bundle's own layer.

    Of a commit there are several where it is built by several recipes: what one
    build is about to push is never replaced by another.
    """
    folder = f"{commit}-{sha256[:16]}-{builder.suffix}"
    return source.CACHE / "bundles" / name / folder
