"""
Bundles on a host: put in place whole, proven, listed, removed.

A layer is made beside its place, and gets there by one rename: a kill leaves the old
layer or the new one, never a half. One ``syncfs`` flushes it, before anything in use is
replaced; what power that goes leaves of a new one has no receipt, and is proven first.
"""

import concurrent.futures
import contextlib
import ctypes
import logging
import lzma
import os
import shutil
import tarfile
from pathlib import Path

from holodeck import names, packaging
from holodeck_bundle import database, delta, downloads, leftovers, proof, receipts
from holodeck_io import files, lock
from holodeck_io.errors import HolodeckError

_UNFIT = (
    HolodeckError, OSError, EOFError, tarfile.TarError, lzma.LZMAError, ValueError,
    KeyError,
)  # fmt: skip
log = logging.getLogger(__name__)
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def exclusive():
    """
    Hold this host's lock of bundles: what one call proves no other may remove.

    dpkg has a lock of its own, at which it gives up instead of waiting. Whoever has
    this one is alone: what lies about then is of a call that was killed.

    Raises :class:`~holodeck_io.errors.HolodeckError` for a full disk too.
    """
    with lock.held(database.lock_file()):
        try:
            leftovers.sweep(downloads.HOME)
            yield
        except OSError as error:
            raise HolodeckError(
                f"Bundles of this host: {error}; make room, or look at the disk, and "
                "do it again. What runs was left alone."
            ) from error
        finally:
            leftovers.sweep(downloads.HOME)


def place(layers, kind, fetch):
    """
    Put layers in their places, durably; return those whose proof was part of it.

    A layer comes as a difference where its base is here, and is proven with all else
    by :func:`prove`: only the changed files arrive, and each is as old as its base.
    It comes whole otherwise, and is proven beside its place.

    fetch
        Called with an artefact; returns the path of its proven file.
    """
    format_ = database.of(kind)
    whole = [x for x in layers if not _place_difference(x, fetch, format_)]
    _place_whole(whole, kind, fetch)
    return whole


def prove(layers, kind, fetch, proven=()):
    """
    Prove that every layer's files are what was built; mend those that are not.

    proven
        Layers that were proven a moment ago.

    Returns the layers that were mended.

    Raises :class:`~holodeck_io.errors.HolodeckError` for one that cannot be.
    """
    known = {layer["root"] for layer in proven}
    damaged = proof.missing([layer for layer in layers if layer["root"] not in known])
    for layer in damaged:
        log.warning("Layer %s: has other files than were built", layer["package"])
    _place_whole(damaged, kind, fetch)
    return damaged


def current(name):
    """Return the commit that ``current`` points at, or ``None``."""
    link = Path(names.PREFIX, name, "current")
    return link.readlink().name if link.is_symlink() else None


def register(kind, layers=None):
    """
    Enter what came as a difference into the package database; return it.

    layers
        These alone; by default those of all bundles.
    """
    if layers is None:
        receipts.discard_damaged()
        layers = receipts.layers().values()
    format_ = database.of(kind)
    known = format_.packages()
    entered = []
    for layer in layers:
        version = packaging.layer_version(layer["tree"])
        if known.get(layer["package"]) != version and not proof.differing([layer]):
            target = downloads.HOME / f"{layer['package']}.index.{kind}"
            target.parent.mkdir(parents=True, exist_ok=True)
            format_.write_index(layer, target)
            _enter([layer], [target], format_)
            target.unlink()
            entered.append(layer["package"])
    return sorted(entered)


def remove(name, commits, kind, keep=()):
    """
    Remove bundles and the layers that no bundle needs any more.

    keep
        Commits that stay, whether they have a receipt or not.

    What a killed installation left goes too: its packages keep others from going.
    Where something stays whose receipt is lost, no dependencies go: they may be its.
    The receipts go last, so that a removal that was cut off is done again.
    """
    receipts.discard_damaged()
    commits = [c for c in commits if c in receipts.installed(name).get(name, ())]
    packages = database.of(kind).packages()
    unknown = leftovers.unaccounted([(name, commit) for commit in keep])
    doomed = {
        layer["package"]: layer["root"]
        for commit in commits
        for layer in receipts.get(name, commit)["layers"]
    }
    for package in receipts.layers(but=(name, commits)):
        doomed.pop(package, None)
    doomed |= leftovers.orphans(packages, unknown)
    if unknown:
        doomed = {p: r for p, r in doomed.items() if not names.is_deps_package(p)}
    if present := sorted(doomed.keys() & packages.keys()):
        database.of(kind).remove(present)
    for root in doomed.values():
        # What is in no package (an unregistered layer, a stray file) goes too.
        shutil.rmtree(root, ignore_errors=True)
    for commit in commits:
        receipts.forget(name, commit)
    return sorted(doomed)


def _place_difference(layer, fetch, format_):
    """Try to build the layer from a base; tell whether it is in place."""
    for candidate in layer.get("deltas", ()):
        base = Path(candidate["base_root"])
        if not base.is_dir():
            continue
        try:
            archive = fetch(candidate)
            with _beside(layer) as made:
                delta.apply(base, archive, made)
                archive.unlink()
                format_.label(made)
                _settle(layer, made)
        except _UNFIT as error:
            # A damaged base or archive: the whole layer is in the store.
            log.warning("Layer %s: not by difference: %s", layer["package"], error)
        else:
            return True
    return False


def _place_whole(layers, kind, fetch):
    """Unpack layers and prove them, while the package database learns of them."""
    if not layers:
        return
    format_ = database.of(kind)
    packages = [fetch(layer) for layer in layers]
    with (
        contextlib.ExitStack() as stack,
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        entry = pool.submit(_enter, layers, packages, format_)
        made = [
            _unpack(layer, package, stack.enter_context(_beside(layer)), format_)
            for layer, package in zip(layers, packages, strict=True)
        ]
        # Flushed while they are read: what was written is in memory still.
        disks = {tree.stat().st_dev: tree for tree in made}.values()
        flushed = [pool.submit(files.sync_filesystem, tree) for tree in disks]
        for layer, tree in zip(layers, made, strict=True):
            _check(layer, tree)
        for one in flushed:
            one.result()
        entry.result()
        for layer, tree in zip(layers, made, strict=True):
            _move_in(layer, tree)
    for package in packages:
        package.unlink()


def _unpack(layer, package, folder, format_):
    format_.extract(package, folder)
    inside = Path(folder, layer["root"].lstrip("/"))
    if inside.is_dir():
        format_.label(inside)
    return inside


def _check(layer, tree):
    if not files.is_tree(tree, layer["tree"]):
        raise HolodeckError(
            f"Package {layer['filename']}: its files are not those that were built; "
            "look for a full disk, then release again."
        )


def _enter(layers, packages, format_):
    """
    Enter packages where they are not yet.

    Never twice: dpkg would remove the files that it knew and is now to leave
    alone. One of the same name with other content, or half entered by a dpkg that was
    killed, is forgotten first; files stay until a layer takes their place in one step.
    """
    known = format_.packages()
    wanted = {
        layer["package"]: packaging.layer_version(layer["tree"]) for layer in layers
    }
    stale = [name for name in wanted if name in known and known[name] != wanted[name]]
    if stale:
        format_.forget(stale)
    entries = [
        (package, layer["root"])
        for layer, package in zip(layers, packages, strict=True)
        if known.get(layer["package"]) != wanted[layer["package"]]
    ]
    if entries:
        format_.register(entries)


@contextlib.contextmanager
def _beside(layer):
    """Yield a new folder on the file system of the layer's place, gone afterwards."""
    home = Path(layer["root"]).parent
    home.parent.mkdir(parents=True, exist_ok=True)
    # Services run as users of their own, and root's umask may be 077.
    files.make_folder(home.parent)
    files.make_folder(home)
    staging = home / f".{Path(layer['root']).name}.new"
    files.remove(staging)
    try:
        yield staging
    finally:
        files.remove(staging)


def _settle(layer, made):
    """
    Put a tree in its place and on the disk.

    Where nothing was, it is flushed there: the name needs no flush of its own. Power
    that goes before leaves what no receipt names, and is proven before it is used.
    """
    if os.path.lexists(layer["root"]):
        files.sync_filesystem(made)
        _move_in(layer, made)
    else:
        made.rename(layer["root"])
        files.sync_filesystem(layer["root"])


def _move_in(layer, made):
    """Put a tree that is on the disk in its place in one step."""
    root = Path(layer["root"])
    if os.path.lexists(root):
        # A damaged layer, maybe with running processes: never a moment without.
        _exchange(made, root)
    else:
        made.rename(root)
    files.sync_folder(root.parent)


def _exchange(one, other):
    done = _libc.renameat2(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE
    )
    if done:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(other))
