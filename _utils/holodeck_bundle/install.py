"""
Bundles on a host: put in place whole, proven, listed, removed.

A layer is made beside its place and proven there, flushed by one ``syncfs``, and
renamed: a kill or a power loss leaves the old layer or the new one, never a half.
"""

import concurrent.futures
import contextlib
import ctypes
import json
import logging
import lzma
import os
import shutil
import tarfile
from pathlib import Path

from holodeck import names, packaging
from holodeck_bundle import database, delta
from holodeck_io import files, lock, process
from holodeck_io.errors import HolodeckError

_UNFIT = (
    HolodeckError, OSError, EOFError, tarfile.TarError, lzma.LZMAError, ValueError,
    KeyError,
)  # fmt: skip
log = logging.getLogger(__name__)
DOWNLOADS = Path("/var/cache/holodeck/packages")
RECEIPTS = Path(names.STATE, "bundles")
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_libc = ctypes.CDLL(None, use_errno=True)


def exclusive():
    """
    Hold this host's lock of bundles: what one call proves no other may remove.

    dpkg has a lock of its own, at which it gives up instead of waiting.
    """
    return lock.held(database.lock_file())


def missing(layers):
    """Return the layers whose files are not here, or not what was built."""
    return [layer for layer in layers if differing([layer])]


def differing(layers):
    """Return the roots of the layers whose files are not what was built."""
    return [
        layer["root"]
        for layer in layers
        if files.tree_digest(layer["root"]) != layer["tree"]
    ]


def place(layer, kind, fetch):
    """
    Put a layer in place, as a difference where its base is here and sound.

    fetch
        Called with an artefact; returns the path of its proven file.
    """
    for candidate in layer.get("deltas", ()):
        if _place_difference(layer, candidate, fetch):
            return
    _place_whole(layer, kind, fetch(layer))


def download_path(artefact):
    """Return where a file is fetched to: a name that nothing else reads."""
    DOWNLOADS.mkdir(parents=True, exist_ok=True)
    return DOWNLOADS / f"{artefact['sha256']}.part"


def checked_download(artefact, path, arrived):
    """
    Return the file's final path once its bytes are proven.

    The fileserver sends no end-to-end hash and writes in place.
    """
    if not arrived or not path.is_file():
        raise HolodeckError(
            f"Package {artefact['filename']}: is not in the master's store; release "
            "the commit again, which builds what is missing."
        )
    if files.sha256_file(path) != artefact["sha256"]:
        path.unlink()
        raise HolodeckError(
            f"Package {artefact['filename']}: arrived with other bytes than were "
            "built; it was thrown away. Release again; if it happens again, check "
            "the master's disk."
        )
    # dpkg looks at the ending, and the name must not hide the package's own.
    final = path.with_name(artefact["filename"])
    path.rename(final)
    return final


def keep_receipt(name, commit, layers):
    """Remember what is installed and proven; return ``{root: digest}``."""
    path = RECEIPTS / name / f"{commit}.json"
    content = json.dumps({"layers": layers}, sort_keys=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomic(path, content)
    return {layer["root"]: layer["tree"] for layer in layers}


def receipt(name, commit):
    """Return what was installed, as :func:`proven` wrote it."""
    path = RECEIPTS / name / f"{commit}.json"
    if not path.is_file():
        raise HolodeckError(
            f"Bundle {name} {names.short(commit)}: is not installed on this host; "
            f"installed are {installed(name).get(name) or 'none'}."
        )
    return json.loads(path.read_text(encoding="utf-8"))


def installed(name=None):
    """Return ``{name: [commit, …]}`` of the bundles that have a receipt."""
    found = {}
    for path in sorted(RECEIPTS.glob(f"{name or '*'}/*.json")):
        found.setdefault(path.parent.name, []).append(path.stem)
    return found


def current(name):
    """Return the commit that ``current`` points at, or ``None``."""
    link = Path(names.PREFIX, name, "current")
    return link.readlink().name if link.is_symlink() else None


def register(kind):
    """Enter what came as a difference into the package database; return it."""
    known = database.packages(kind)
    entered = []
    for layer in _receipted().values():
        version = packaging.layer_version(layer["tree"])
        if known.get(layer["package"]) != version and not differing([layer]):
            target = DOWNLOADS / f"{layer['package']}.index.deb"
            target.parent.mkdir(parents=True, exist_ok=True)
            database.write_index(layer, target)
            database.register(kind, target, layer["root"])
            target.unlink()
            entered.append(layer["package"])
    return sorted(entered)


def remove(name, commits, kind):
    """
    Remove bundles and the layers that no bundle needs any more.

    The receipts go last, so that a removal that was cut off is done again.
    """
    doomed = {
        layer["package"]: layer["root"]
        for commit in commits
        for layer in receipt(name, commit)["layers"]
    }
    for package in _receipted(but=(name, commits)):
        doomed.pop(package, None)
    present = sorted(doomed.keys() & database.packages(kind).keys())
    if present:
        database.remove(kind, present)
    for root in doomed.values():
        # What is in no package (an unregistered layer, a stray file) goes too.
        shutil.rmtree(root, ignore_errors=True)
    for commit in commits:
        (RECEIPTS / name / f"{commit}.json").unlink()
    return sorted(doomed)


def _receipted(but=(None, ())):
    """Return ``{package: layer}`` of every receipt, but those of some commits."""
    return {
        layer["package"]: layer
        for bundle, kept in installed().items()
        for commit in kept
        if not (bundle == but[0] and commit in but[1])
        for layer in receipt(bundle, commit)["layers"]
    }


def _place_difference(layer, candidate, fetch):
    """Try to build the layer from a base; tell whether it is in place."""
    base = Path(candidate["base_root"])
    if not base.is_dir():
        return False
    try:
        archive = fetch(candidate)
        with _beside(layer) as made:
            delta.apply(base, archive, made)
            archive.unlink()
            return _move_in(layer, made)
    except _UNFIT as error:
        # A damaged base or archive: the whole layer is in the store.
        log.warning("Layer %s: not by difference: %s", layer["package"], error)
        return False


def _place_whole(layer, kind, package):
    """Unpack a layer, while the package database learns of it."""
    if kind == "rpm":
        database.install(kind, package)
        files.sync_filesystem(names.PREFIX)
        package.unlink()
        return
    with (
        _beside(layer) as made,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        entry = pool.submit(_enter, layer, kind, package)
        process.run(packaging.extract_argv(str(package), str(made)))
        entry.result()
        inside = Path(made, layer["root"].lstrip("/"))
        moved = inside.is_dir() and _move_in(layer, inside)
        package.unlink()
    if not moved:
        raise HolodeckError(
            f"Package {layer['filename']}: its files are not those that were built; "
            "look for a full disk, then release again."
        )


def _enter(layer, kind, package):
    """
    Enter a package where it is not yet.

    Never twice: dpkg would remove the files that it knew and is now to leave
    alone. One of the same name with other content goes first, files and all; it is
    one that this layer replaces.
    """
    version = database.packages(kind).get(layer["package"])
    if version == packaging.layer_version(layer["tree"]):
        return
    if version is not None:
        database.remove(kind, [layer["package"]])
    database.register(kind, package, layer["root"])


@contextlib.contextmanager
def _beside(layer):
    """Yield a new folder on the file system of the layer's place, gone afterwards."""
    home = Path(layer["root"]).parent
    home.mkdir(mode=0o755, parents=True, exist_ok=True)
    staging = home / f".{Path(layer['root']).name}.new"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _move_in(layer, made):
    """Prove a tree, make it durable, and put it in its place in one step."""
    if files.tree_digest(made) != layer["tree"]:
        return False
    files.sync_filesystem(made)
    root = Path(layer["root"])
    if root.exists():
        # A damaged layer, maybe with running processes: never a moment without.
        _exchange(made, root)
    else:
        made.rename(root)
    files.sync_folder(root.parent)
    return True


def _exchange(one, other):
    done = _libc.renameat2(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE
    )
    if done:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(other))
