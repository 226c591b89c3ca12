"""How one commit of a repository, or a bare lock, becomes a bundle."""

import concurrent.futures
import hashlib
import json
import shlex
import shutil
from dataclasses import asdict
from pathlib import Path, PurePosixPath

from holodeck import confinement
from holodeck.spec import FORMAT
from holodeck_build import (
    cache,
    indexes,
    layers,
    lockfile,
    project,
    sandbox,
    source,
    tree,
    uv,
    wheels,
)
from holodeck_build.cache import Builder
from holodeck_build.interpreter import Interpreter
from holodeck_bundle import inventory, system
from holodeck_io import errors, files, process

# Bytes of a checkout that are copied into memory to be built there.
_IN_MEMORY = 64 << 20


def build(name, commit, spec, pack, bases=(), private=()):
    """
    Build both layers of ``commit`` and return the bundle's manifest.

    spec
        What goes in, as :py:func:`bundle.build` has it.
    pack
        The :class:`~holodeck_build.packing.Packer`.
    bases
        The layers that hosts have already, for differences.
    private
        Package indexes with their credentials.
    """
    _check_tools(spec, pack.kind)
    interpreter = Interpreter.find(spec.get("python", ""))
    with (
        cache.workshop() as folder,
        indexes.environment(private) as env,
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        versions = pool.submit(_tools, pack)
        checkout = Path(folder, "checkout")
        files.make_folder(checkout)
        epoch = _checkout(spec, commit, checkout)
        lock = _lock(spec, checkout, interpreter)
        recipe = _Recipe(name, commit, spec, checkout, lock, epoch)
        tools = system.versions(spec.get("packages", {}).get("build", ()), pack.kind)
        builder = Builder(interpreter, pack, {**env, **_uv_cache(tools)}, tools)
        recipe.start(pool, builder)
        with source.locked(f"layer-{cache.lock_key(lock, interpreter)}"):
            found = layers.dependencies(lock, builder, bases)
            # The application is built while the dependencies are compressed.
            packed = pool.submit(layers.packed, found, builder, bases)
            provenance = recipe.provenance(interpreter, versions.result())
            application = layers.application(
                name, commit, found, builder,
                lambda prefix: recipe.fill(prefix, found, builder, provenance),
                _run_time(spec), bases,
            )  # fmt: skip
            made = [asdict(layer) for layer in (packed.result(), application)]
            warnings = found.facts["missing"]
    cache.prune()
    uv.tidy()
    prefix = Path(f"{Path(application.file).parent}/root{application.root}")
    return {
        "name": name, "commit": commit, "layers": made, **inventory.read(prefix),
        "warnings": warnings,
    }  # fmt: skip


class _Recipe:
    """What goes into the application's layer."""

    def __init__(self, name, commit, spec, checkout, lock, epoch):
        self.name, self.commit, self.spec = name, commit, spec
        self.checkout, self.lock, self.epoch = checkout, lock, epoch
        # The repository's own package, where it has one that is wanted.
        wanted = bool(spec.get("project"))
        self.package = project.find(checkout, lock.name) if wanted else None
        self._command = spec.get("build", {}).get("command")
        self._wheel = None

    def start(self, pool, builder):
        """
        Build the repository's own package while its dependencies are fetched.

        Where a build command comes before, only what builds it is made ready.
        """
        if self.package and not self._command:
            self._wheel = pool.submit(self._built, builder)
        elif self.package:
            pool.submit(wheels.prepare, self.package, self.lock, builder, self.epoch)

    def provenance(self, interpreter, tools):
        """Return what the bundle is made of and by; nothing in it names a builder."""
        return {
            "name": self.name,
            "commit": self.commit,
            "lock": self.lock.name,
            "lock_sha256": hashlib.sha256(self.lock.text.encode()).hexdigest(),
            "python": interpreter.banner,
            "format": FORMAT,
            **tools,
        }

    def fill(self, prefix, found, builder, provenance):
        """Put the application into its virtualenv; return the time of its files."""
        if self._command:
            self._prepare(found)
        if self.spec.get("project"):
            self._install_project(prefix, builder)
        copies = {**self.spec.get("copy", {}), **self._artefacts()}
        for origin, target in copies.items():
            _copy(self.checkout, origin, prefix / target)
        note = json.dumps(provenance, indent=2, sort_keys=True) + "\n"
        files.write_anew(prefix / inventory.PROVENANCE, note)
        sites = [builder.interpreter.site(top) for top in (found.prefix, prefix)]
        needs = [*found.facts["needs"], *_run_time(self.spec)]
        # Hashes are in the dependencies' own: here each commit would move them.
        system = layers.system_packages(needs, builder.pack.kind)
        inventory.write(prefix, sites, provenance, system=system)
        return self.epoch

    def _prepare(self, found):
        """Run the service's own build command, which must not touch the builder."""
        self._confined(self.checkout)(
            shlex.split(self._command),
            readable=(found.prefix,),
            env={
                "PATH": confinement.path_with(found.prefix),
                "SOURCE_DATE_EPOCH": str(self.epoch),
                "HOLODECK_COMMIT": self.commit,
            },
        )

    def _artefacts(self):
        named = self.spec.get("build", {}).get("artefacts", ())
        folders = {PurePosixPath(folder) for folder in named}
        # One within another comes with it.
        top = [one for one in folders if not folders.intersection(one.parents)]
        return {str(one): Path("share", one) for one in sorted(top)}

    def _install_project(self, prefix, builder):
        """
        Install the repository's own package, or put its files on the path.

        A repository without packaging is legal: a plain folder of modules.
        """
        if not self.package:
            shutil.copytree(self.checkout, prefix / "app", symlinks=True)
            pth = builder.interpreter.site(prefix) / "_holodeck_app.pth"
            pth.write_text("../../../app\n", encoding="utf-8")
            return
        wheel = self._wheel.result() if self._wheel else self._built(builder)
        # Nobody else asks the cache for this file: what lies there may be ours.
        uv.run(
            "pip", "install", "--quiet", "--no-deps", "--link-mode", "hardlink",
            "--python", str(prefix / "bin" / "python"), str(wheel),
        )  # fmt: skip

    def _built(self, builder):
        """
        Build the wheel: in memory, unless the checkout is large or was worked in.

        A disk that has just removed many files makes new ones slowly.
        """
        workdir = self.checkout.parent
        if not self._command and files.size_below(self.checkout) < _IN_MEMORY:
            workdir /= "out"
            workdir.mkdir()
        return wheels.build(
            self.package, self.checkout, self.lock, builder, self.epoch,
            self._confined(workdir),
        )  # fmt: skip

    def _confined(self, workdir):
        """Return the sandbox, as far as the definition opens it."""
        wanted = self.spec.get("build", {})
        return sandbox.Confined(
            workdir, wanted.get("network", False), wanted.get("timeout_s", 600)
        )


def _uv_cache(tools):
    """Keep what is compiled with some tools from what others would make of it."""
    if not tools:
        return {}
    name = hashlib.sha256("\0".join(tools).encode()).hexdigest()[:16]
    return {"UV_CACHE_DIR": str(source.CACHE / f"uv-{name}")}


def _check_tools(spec, kind):
    """Say at once which system packages a build lacks, before anything is fetched."""
    wanted = spec.get("packages", {}).get("build", ())
    missing = system.missing(wanted, kind)
    if missing:
        raise errors.HolodeckError(
            f"System packages {', '.join(missing)}: are not on this builder, and the "
            "definition's `packages` asks for them to build with; apply the state "
            "holodeck.builder, or install them."
        )


def _run_time(spec):
    return tuple(spec.get("packages", {}).get("run", ()))


def _checkout(spec, commit, checkout):
    if not spec.get("repository"):
        return tree.EPOCH
    return source.export(spec["repository"], commit, checkout)


def _lock(spec, checkout, interpreter):
    """Return the lock that decides what is installed."""
    unhashed = spec.get("allow_unhashed", False)
    if spec.get("requirements"):
        return lockfile.from_text(spec["requirements"], allow_unhashed=unhashed)
    return lockfile.read(
        checkout, spec.get("lock", ""), allow_unhashed=unhashed,
        extras=spec.get("extras", ()), python=interpreter.path,
    )  # fmt: skip


def _tools(pack):
    """Return the versions of the tools that bytes depend on."""
    tools = ("uv", pack.packager, *(("zstd",) if pack.kind == "deb" else ()))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        said = pool.map(lambda tool: process.run([tool, "--version"]).stdout, tools)
    versions = {tool: _version(text) for tool, text in zip(tools, said, strict=True)}
    return {"packager": pack.packager, **versions}


def _version(text):
    """Return the first word that looks like a version, such as ``v1.5.4``."""
    words = (word.strip("v,*") for word in text.split())
    return next((w for w in words if w[:1].isdigit() and "." in w), "unknown")


def _copy(checkout, origin, target):
    home, source_folder = checkout.resolve(), Path(checkout, origin).resolve()
    if home not in source_folder.parents or not source_folder.is_dir():
        raise errors.HolodeckError(
            f"Folder {origin}: is not in the commit, nor made by its build command; "
            "the definition names it as the HTTP suite or as an artefact."
        )
    strays = [
        (link, _led_to(link, source_folder, home)) for link in _links(source_folder)
    ]
    shutil.copytree(source_folder, target, symlinks=True)
    for link, inside in strays:
        if inside:
            # It leads to another part of the commit, which is not in the bundle.
            copy = Path(target, link.relative_to(source_folder))
            copy.unlink()
            shutil.copy(inside, copy)


def _links(folder):
    return [path for path in folder.rglob("*") if path.is_symlink()]


def _led_to(link, folder, checkout):
    """Return the file that a link means outside of ``folder``, if it does."""
    place = link.resolve()
    if place == folder or folder in place.parents:
        return None
    if checkout not in place.parents or not place.is_file():
        raise errors.HolodeckError(
            f"Link {link.relative_to(checkout)}: leads to {link.readlink()}, which is "
            "no file of the commit; put the file there instead."
        )
    return place
