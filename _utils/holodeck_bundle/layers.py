"""
The two layers of a bundle: dependencies by lock, and the application by commit.

A lock changes rarely and a commit always, so the dependencies are installed,
compiled and compressed once per lock, and shared by every commit and service
with the same lock.
"""

import hashlib
import json
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from holodeck import names, packaging, spec
from holodeck_bundle import database, delta, source, tree, uv
from holodeck_io import errors, files, process


@dataclass(frozen=True)
class Layer:
    """One tree, its package, and the digests that prove both."""

    role: str
    package: str
    root: str
    file: str
    filename: str
    sha256: str
    size: int
    tree: str
    control: str = ""
    deltas: tuple = ()


@dataclass(frozen=True)
class Packer:
    """How trees become packages here: the format, the tool, and its caller."""

    kind: str
    packager: str
    wrap: Callable

    def bound(self, depends, epoch):
        """Return ``(name, version, root, folder) -> file`` for one tree."""

        def packed(name, version, root, folder):
            return self.wrap(
                name,
                version,
                str(root),
                str(Path(folder, f"{name}.{self.kind}")),
                kind=self.kind,
                packager=self.packager,
                depends=depends,
                epoch=epoch,
            )

        return packed


@dataclass(frozen=True)
class Interpreter:
    """The Python that a bundle is built for and runs on."""

    path: str
    banner: str
    short: str

    @classmethod
    def find(cls, wanted=""):
        """
        Return the interpreter at ``wanted``, or the system's.

        The path names the minor version (``/usr/bin/python3.11``): a link
        ``python3`` would point elsewhere after a distribution upgrade.
        """
        path = str(Path(wanted or "/usr/bin/python3").resolve())
        banner = process.run([path, "-VV"]).stdout.strip()
        short = process.run(
            [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        ).stdout.strip()
        return cls(path, banner, short)

    def site(self, prefix):
        """Return the site-packages folder of a virtualenv."""
        return Path(prefix, "lib", f"python{self.short}", "site-packages")

    def dependency(self, kind):
        """Return the package that provides it, in the format's own words."""
        return Path(self.path).name if kind == "deb" else self.path


def deps_key(lock, interpreter):
    """Return the key of a dependencies' layer: what its bytes depend on."""
    system = platform.freedesktop_os_release()
    parts = (
        str(spec.FORMAT), lock, interpreter.banner, platform.machine(),
        system.get("ID", ""), system.get("VERSION_ID", ""),
    )  # fmt: skip
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def dependencies(lock, interpreter, pack):
    """
    Return the dependencies' layer of a hashed ``lock``, built when it is new.

    pack
        A :class:`Packer`.
    """
    key = deps_key(lock, interpreter)
    home = _layer_home(key, pack)
    with source.locked(f"layer-{key}"):
        if not (home / "layer.json").exists():
            _build_dependencies(lock, interpreter, key, home, pack)
    return key, Layer(**json.loads((home / "layer.json").read_text(encoding="utf-8")))


def _layer_home(key, pack):
    return source.CACHE / "layers" / f"{key}-{pack.packager}-{pack.kind}"


def application(name, commit, key, interpreter, recipe, pack):
    """
    Build the layer of one commit on top of the dependencies with ``key``.

    recipe
        Called with ``(prefix, interpreter)``; puts the application into the
        virtualenv and returns the time that its files get.

    Returns the :class:`Layer`; its file stays in the builder's cache.
    """
    root = names.bundle_root(name, commit)
    home = source.CACHE / "bundles" / name
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".build-") as work:
        prefix = Path(work, "root", root.lstrip("/"))
        _virtualenv(prefix, interpreter)
        site = interpreter.site(names.deps_root(key))
        pth = interpreter.site(prefix) / "_holodeck_deps.pth"
        pth.write_text(f"import site; site.addsitedir({str(site)!r})\n")
        for script in tree.scripts(_layer_home(key, pack) / "venv"):
            shutil.copy(script, prefix / "bin" / script.name)
        epoch = recipe(prefix, interpreter)
        _finish(prefix, interpreter, epoch)
        tree.normalise_parents(prefix, Path(work, "root"), epoch)
        return _wrap(
            "app", names.app_package(name, commit), root, Path(work, "root"), home,
            pack.bound(depends=(names.deps_package(key),), epoch=epoch),
        )  # fmt: skip


def with_delta(layer, bases):
    """
    Return the layer with its difference from the one of ``bases`` that it follows.

    Both trees are unpacked from their packages in this builder's cache. Where the
    base's is not there any more, hosts get the whole layer.
    """
    base = next((b for b in bases if b["role"] == layer.role), None)
    if base is None or base["tree"] == layer.tree or not layer.file.endswith(".deb"):
        return layer
    if not Path(base["file"]).is_file():
        return layer
    target = Path(layer.file).with_suffix(f".from-{base['tree'][:12]}.delta")
    with tempfile.TemporaryDirectory(prefix="holodeck-delta-") as work:
        trees = [_unpacked(facts, Path(work, side)) for side, facts in (
            ("base", base), ("new", asdict(layer)))]  # fmt: skip
        delta.create(*trees, target)
    candidate = {
        "base_root": base["root"],
        "file": str(target),
        "filename": target.name,
        "sha256": files.sha256_file(target),
        "size": target.stat().st_size,
    }
    return replace(layer, deltas=(candidate,))


def _unpacked(layer, folder):
    process.run(packaging.extract_argv(layer["file"], str(folder)))
    return folder / layer["root"].lstrip("/")


def _build_dependencies(lock, interpreter, key, home, pack):
    root = names.deps_root(key)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".build-") as work:
        prefix = Path(work, "root", root.lstrip("/"))
        requirements = Path(work, "requirements.txt")
        requirements.write_text(lock, encoding="utf-8")
        _virtualenv(prefix, interpreter)
        uv.run(
            "pip", "sync", "--quiet", "--require-hashes", "--python",
            str(prefix / "bin" / "python"), str(requirements),
        )  # fmt: skip
        _finish(prefix, interpreter, tree.EPOCH)
        tree.normalise_parents(prefix, Path(work, "root"), tree.EPOCH)
        layer = _wrap(
            "deps", names.deps_package(key), root, Path(work, "root"), home,
            pack.bound(
                depends=(interpreter.dependency(pack.kind),), epoch=tree.EPOCH
            ),
        )  # fmt: skip
        # The scripts are all that the applications' layers copy from here.
        (home / "venv").mkdir()
        shutil.copytree(prefix / "bin", home / "venv" / "bin", symlinks=True)
    files.write_atomic(home / "layer.json", json.dumps(asdict(layer)))


def _virtualenv(prefix, interpreter):
    prefix.parent.mkdir(parents=True, exist_ok=True)
    uv.run(
        "venv", "--quiet", "--no-project", "--relocatable", "--python",
        interpreter.path, str(prefix),
    )  # fmt: skip


def _finish(prefix, interpreter, epoch):
    """
    Make a filled virtualenv fit to be packed.

    Of pyvenv.cfg only the three lines that Python reads stay. uv needs its own
    until here: without `relocatable` in it, scripts name the build's folder.
    """
    Path(prefix, "pyvenv.cfg").write_text(
        f"home = {Path(interpreter.path).parent}\n"
        "include-system-site-packages = false\n"
        f"version = {interpreter.banner.split()[1]}\n",
        encoding="utf-8",
    )
    tree.normalise(prefix, interpreter.path, epoch)


def _wrap(role, package, root, staging, home, pack):
    digest = files.tree_digest(staging / root.lstrip("/"))
    built = Path(pack(package, packaging.layer_version(digest), staging, home))
    if not built.is_file():
        raise errors.HolodeckError(f"Package {built}: the packager left no file.")
    return Layer(
        role=role,
        package=package,
        root=root,
        file=str(built),
        filename=built.name,
        sha256=files.sha256_file(built),
        size=built.stat().st_size,
        tree=digest,
        control=database.control_of(built),
    )
