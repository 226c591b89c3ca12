"""
What a builder keeps: the trees and packages of layers that it made.

The next build starts from the last one's tree, and differences are made of both.
"""

import contextlib
import hashlib
import json
import platform
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from holodeck import names, spec
from holodeck_build import source
from holodeck_build.interpreter import Interpreter
from holodeck_build.lockfile import Lock
from holodeck_build.packing import Packer, Tree
from holodeck_io import files

# Trees that nobody asked for in so long go, but never the newest few.
_KEPT, _KEPT_S = 6, 14 * 24 * 3600


@dataclass(frozen=True)
class Builder:
    """What both layers are built by, and for: one interpreter, packager and index."""

    interpreter: Interpreter
    pack: Packer
    env: dict

    @property
    def suffix(self):
        """Tell apart what other tools, or another Python, make of the same input."""
        words = (self.interpreter.banner, self.pack.packager, self.pack.kind)
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


def deps_key(lock, interpreter):
    """Return the key of a dependencies' layer: what its bytes depend on."""
    system = platform.freedesktop_os_release()
    parts = (
        str(spec.FORMAT), lock.text, interpreter.banner, platform.machine(),
        system.get("ID", ""), system.get("VERSION_ID", ""),
    )  # fmt: skip
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def prune():
    """Remove trees and packages that this builder has not needed for long."""
    for shelf in (source.CACHE / "layers", *(source.CACHE / "bundles").glob("*")):
        homes = [home for home in shelf.glob("*") if not home.name.startswith(".")]
        for home in sorted(homes, key=_age)[_KEPT:]:
            if _age(home) > _KEPT_S:
                shutil.rmtree(home, ignore_errors=True)


def _age(path):
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        # Another build replaced or removed it since it was listed.
        return float("inf")


def donor(builder, bases, lock):
    """Return the dependencies to start from: those of ``bases``, or the newest."""
    shelf = source.CACHE / "layers"
    homes = [home_of(base["root"], builder) for base in bases if base["role"] == "deps"]
    homes += sorted(shelf.glob(f"*-{builder.suffix}"), key=_age)
    for home in homes:
        with contextlib.suppress(OSError, ValueError):
            facts = json.loads((home / "facts.json").read_text(encoding="utf-8"))
            if facts["lock"]["form"] == lock.form and tree_in(home):
                return Dependencies(
                    home.name.split("-")[0], home, Lock(**facts["lock"])
                )
    return None


def app_donor(home, builder, bases):
    """Return an application's tree that was built before, for what it has compiled."""
    homes = [home_of(base["root"], builder) for base in bases if base["role"] == "app"]
    homes += sorted(home.parent.glob(f"*-{builder.suffix}"), key=_age)
    for found in homes:
        with contextlib.suppress(OSError, ValueError):
            layer = json.loads((found / "layer.json").read_text(encoding="utf-8"))
            prefix = Path(f"{found}/root{layer['root']}")
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

    Applications copy their scripts, which are looked at; the rest of the tree is
    before another is made of it.
    """
    with contextlib.suppress(OSError, ValueError, KeyError):
        layer = json.loads((home / "layer.json").read_text(encoding="utf-8"))
        facts = json.loads((home / "facts.json").read_text(encoding="utf-8"))
        scripts = files.tree_digest(f"{home}/root{layer['root']}/bin")
        whole = Path(layer["file"]).stat().st_size == layer["size"]
        return whole and scripts == facts["scripts"]
    return False


def tree_in(home):
    """Return the digest of the tree in a folder of the cache, or ``None``."""
    try:
        return json.loads((home / "layer.json").read_text(encoding="utf-8"))["tree"]
    except (OSError, ValueError):
        return None


def home_of(root, builder):
    """Return where the layer of that place on hosts lies on this builder."""
    *_, name, version = root.split("/")
    if name == "deps":
        return deps_home(version, builder)
    return app_home(name, version, builder)


def deps_home(key, builder):
    """Return the folder of the dependencies with that key."""
    return source.CACHE / "layers" / f"{key}-{builder.suffix}"


def app_home(name, commit, builder):
    """Return the folder of one bundle's own layer."""
    return source.CACHE / "bundles" / name / f"{commit}-{builder.suffix}"
