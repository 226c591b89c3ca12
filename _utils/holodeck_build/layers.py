"""
The two layers of a bundle: dependencies by lock, and the application by commit.

A lock changes rarely and a commit always, so the dependencies are installed,
compiled and compressed once per lock, and shared by every commit and service
with the same lock. The trees stay on the builder: the next one starts from the last.
"""

import concurrent.futures
import json
import os
import platform
import shutil
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from holodeck import names, sbom
from holodeck_build import cache, libraries, lockfile, recorded, source, tree, uv
from holodeck_build.packing import Layer, Tree
from holodeck_bundle import delta, inventory
from holodeck_io import errors, files


def dependencies(lock, builder, bases):
    """
    Return the :class:`~holodeck_build.cache.Dependencies` of a lock.

    They are installed where they are new. The caller holds the builder's lock of
    their lock's key until they are packed.
    """
    if found := cache.known(lock, builder):
        os.utime(found.home)
        return found
    shelf = source.CACHE / "layers"
    shelf.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=shelf, prefix=".build-") as work:
        key = cache.lock_key(lock, builder.interpreter)
        made = cache.Dependencies(key, Path(work, "home"), lock)
        made = _install(made, builder, cache.donor(builder, bases, lock))
        found = replace(made, home=cache.deps_home(made.key, builder))
        # Other tools may have come to the same.
        if not cache.is_packed(found.home):
            shutil.rmtree(found.home, ignore_errors=True)
            made.home.rename(found.home)
    cache.remember(found, builder)
    return found


def packed(found, builder, bases):
    """Return the :class:`Layer` of dependencies, packed where they are not yet."""
    note = found.home / "layer.json"
    if note.exists():
        layer = Layer(**cache.layer_in(found.home))
        return replace(layer, deltas=differences(found.tree, builder, bases))
    python = builder.interpreter.dependency(builder.pack.kind)
    wanted = [python, *found.facts["needs"]]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        deltas = pool.submit(differences, found.tree, builder, bases)
        layer = builder.pack.layer(found.tree, found.home, (), wanted, tree.EPOCH)
        files.write_atomic(note, json.dumps(asdict(layer)))
        return replace(layer, deltas=deltas.result())


def application(name, commit, found, builder, recipe, needs=(), bases=()):
    """
    Build the layer of one commit on top of its dependencies.

    found
        The :class:`~holodeck_build.cache.Dependencies`.
    recipe
        Called with the virtualenv's folder; puts the application into it and
        returns the time that its files get.
    needs
        System packages that it runs with.

    Returns the :class:`Layer`; its tree and package stay in the builder's cache.
    """
    shelf = source.CACHE / "bundles" / name
    shelf.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=shelf, prefix=".build-") as work,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        donor = pool.submit(cache.app_donor, shelf, builder, bases)
        new = Path(work, "home")
        package, root = names.app_package(name, commit), names.bundle_root(name, commit)
        made = Tree("app", package, root, new / "root")
        _virtualenv(made.prefix, builder.interpreter)
        _lean_on(found, made.prefix, builder.interpreter)
        epoch = recipe(made.prefix)
        _finish(made, builder.interpreter, epoch, donor.result())
        linked = libraries.depends(made.prefix, builder.pack.kind).depends
        depends = (names.deps_package(found.key),)
        layer = builder.pack.layer(made, new, depends, [*needs, *linked], epoch)
        (new / "layer.json").write_text(json.dumps(asdict(layer)), encoding="utf-8")
        home = cache.app_home(name, commit, layer.sha256, builder)
        with source.locked(f"bundle-{home.name}"):
            if cache.has_package(home):
                # Another build of the same may be about to push it.
                os.utime(home)
            else:
                shutil.rmtree(home, ignore_errors=True)
                new.rename(home)
    made = replace(made, top=home / "root")
    layer = replace(layer, file=str(home / layer.filename))
    return replace(layer, deltas=differences(made, builder, bases))


def differences(made, builder, bases):
    """
    Return how a tree is made of the one of ``bases`` that it follows, if any.

    made
        The finished :class:`~holodeck_build.packing.Tree`, in this builder's cache.

    Where the base's tree is not here any more, hosts get the whole layer.
    """
    base = next((b for b in bases if b["role"] == made.role), None)
    if base is None or base["root"] == made.root:
        return ()
    home = cache.home_of(base, builder)
    if cache.tree_in(home) != base["tree"]:
        return ()
    target = made.top.parent / f"{made.package}.from-{base['tree'][:12]}.delta"
    if not target.exists():
        # Another build may be about to push it: it is never written in place.
        with cache.workshop() as folder:
            fresh = Path(folder, target.name)
            delta.create(f"{home}/root{base['root']}", made.prefix, fresh)
            fresh.rename(target)
    candidate = {
        "base_root": base["root"],
        "file": str(target),
        "filename": target.name,
        "sha256": files.sha256_file(target),
        "size": target.stat().st_size,
    }
    return (candidate,)


def _install(found, builder, donor):
    """
    Fill the dependencies' tree, from a donor's where that comes out right.

    Returns them by the key of what they came to be.
    """
    prefix, interpreter = found.prefix, builder.interpreter
    if donor and not _follows(found, builder, donor):
        shutil.rmtree(prefix, ignore_errors=True)
        donor = None
    if not donor:
        _virtualenv(prefix, interpreter)
        _sync(found, builder)
        # Of packages with the same file, the last by name has it.
        for name in recorded.contested(prefix):
            _sync(found, builder, "--reinstall-package", name)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        linked = pool.submit(libraries.depends, prefix, builder.pack.kind)
        _finish(found.tree, interpreter, tree.EPOCH, donor and donor.prefix)
        needed = linked.result()
    facts = {
        "lock": asdict(found.lock), "needs": needed.depends, "missing": needed.missing,
        "scripts": files.tree_digest(prefix / "bin"), "tools": builder.tools,
    }  # fmt: skip
    (found.home / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    made = replace(found, key=cache.content_key(found.key, prefix))
    prefix.rename(made.prefix)
    tree.normalise_parents(made.prefix, made.tree.top, tree.EPOCH)
    _describe(made, interpreter, needed.depends, builder.pack.kind)
    return made


def _follows(found, builder, donor):
    """Make the tree of a donor's; tell whether that came out right."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        whole = pool.submit(cache.is_whole, donor.home, donor.prefix)
        try:
            tree.clone(donor.prefix, found.prefix)
            _sync(found, builder, since=donor.lock)
        except (OSError, errors.HolodeckError):
            # Of a whole donor it is an error of the lock or the index.
            if whole.result():
                raise
        return whole.result() and recorded.is_sound(found.prefix)


def system_packages(needs, kind):
    """Return what a bill of materials says of needs, entries as in Depends."""
    vendor = platform.freedesktop_os_release().get("ID", "linux")
    return [sbom.SystemPackage(kind, vendor, need.split()[0]) for need in needs]


def _describe(found, interpreter, needs, kind):
    """Write the dependencies' bill of materials, with the lock's hashes."""
    about = {
        "name": "holodeck-deps", "commit": found.key, "python": interpreter.banner,
    }  # fmt: skip
    site = [interpreter.site(found.prefix)]
    hashes, system = sbom.lock_hashes(found.lock.pins), system_packages(needs, kind)
    inventory.write(found.prefix, site, about, hashes=hashes, system=system)
    tree.settle(found.prefix, [inventory.SBOM], tree.EPOCH)


def _sync(found, builder, *more, since=None):
    """Bring a virtualenv to the lock by uv, told ``more`` words."""
    files.write_anew(
        found.prefix / "pyvenv.cfg", _settings(builder.interpreter, relocatable=True)
    )
    with tempfile.TemporaryDirectory(prefix="holodeck-lock-") as folder:
        file = Path(folder, found.lock.filename)
        file.write_text(found.lock.text, encoding="utf-8")
        python = found.prefix / "bin" / "python"
        words = lockfile.sync_words(found.lock, file, python, since)
        uv.run(*words, *more, env=builder.env)


def _virtualenv(prefix, interpreter):
    prefix.parent.mkdir(parents=True, exist_ok=True)
    uv.run(
        "venv", "--quiet", "--no-project", "--relocatable", "--python",
        interpreter.path, str(prefix),
    )  # fmt: skip


def _lean_on(found, prefix, interpreter):
    """Let an application's virtualenv see its dependencies, and have their scripts."""
    site = interpreter.site(names.deps_root(found.key))
    pth = interpreter.site(prefix) / "_holodeck_deps.pth"
    pth.write_text(f"import site; site.addsitedir({str(site)!r})\n", encoding="utf-8")
    for script in tree.scripts(found.prefix):
        shutil.copy(script, prefix / "bin" / script.name)


def _finish(made, interpreter, epoch, donor):
    """
    Make a filled virtualenv fit to be packed.

    Of pyvenv.cfg only the three lines that Python reads stay. uv needs its own
    until here: without `relocatable` in it, scripts name the build's folder.
    """
    settings = _settings(interpreter, relocatable=False)
    files.write_anew(made.prefix / "pyvenv.cfg", settings)
    tree.normalise(made.prefix, interpreter, epoch, donor)
    tree.normalise_parents(made.prefix, made.top, epoch)


def _settings(interpreter, *, relocatable):
    return (
        f"home = {Path(interpreter.path).parent}\n"
        "include-system-site-packages = false\n"
        f"version = {interpreter.banner.split()[1]}\n"
    ) + ("relocatable = true\n" if relocatable else "")
