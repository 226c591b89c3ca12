"""Bundles on a host: fetched, unpacked, proven, listed, removed."""

import json
import shutil
from pathlib import Path

from holodeck import names, packaging
from holodeck_io import files, lock, process
from holodeck_io.errors import HolodeckError

DOWNLOADS = Path("/var/cache/holodeck/packages")
RECEIPTS = Path(names.STATE, "bundles")


def missing(layers, kind):
    """Return the layers that are not installed, or whose files differ."""
    present = _packages(kind)
    return [
        layer
        for layer in layers
        if layer["package"] not in present or differing([layer])
    ]


def differing(layers):
    """Return the roots of the layers whose files are not what was built."""
    return [
        layer["root"]
        for layer in layers
        if files.tree_digest(layer["root"]) != layer["tree"]
    ]


def download_path(layer):
    """Return where a package is fetched to: a name that nothing else reads."""
    DOWNLOADS.mkdir(parents=True, exist_ok=True)
    return DOWNLOADS / f"{layer['sha256']}.part"


def checked_download(layer, path, arrived):
    """
    Return the package's final path once its bytes are proven.

    The fileserver sends no end-to-end hash and writes in place.
    """
    if not arrived or not path.is_file():
        raise HolodeckError(
            f"Package {layer['filename']}: is not in the master's store; release the "
            "commit again, which builds what is missing."
        )
    if files.sha256_file(path) != layer["sha256"]:
        path.unlink()
        raise HolodeckError(
            f"Package {layer['filename']}: arrived with other bytes than were built; "
            "it was thrown away. Release again; if it happens again, check the "
            "master's disk."
        )
    # dpkg looks at the ending, and the name must not hide the package's own.
    final = path.with_name(layer["filename"])
    path.rename(final)
    return final


def unpack(kind, packages):
    """
    Install package files and make them durable with one sync.

    The lock is ours because dpkg gives up at once when its own is taken.
    """
    with lock.held(DOWNLOADS / ".lock"):
        process.run(
            packaging.install_argv(kind, [str(path) for path in packages]),
            env={"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
        )
    files.sync_filesystem(names.PREFIX)
    for path in packages:
        path.unlink()


def proven(name, commit, layers, kind):
    """Verify every layer, keep the receipt, and return ``{root: digest}``."""
    absent = missing(layers, kind)
    if absent:
        raise HolodeckError(
            f"Bundle {name} {names.short(commit)}: the installed files of "
            f"{', '.join(layer['package'] for layer in absent)} are not what was "
            "built; look for a full disk or a hand edit, then release again."
        )
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
    return Path(link.readlink()).name if link.is_symlink() else None


def remove(name, commits, kind):
    """
    Remove bundles and the layers that no bundle needs any more.

    The receipts go last, so that a removal that was cut off is done again.
    """
    receipts = {commit: receipt(name, commit)["layers"] for commit in commits}
    needed = {
        layer["package"]
        for bundle, kept in installed().items()
        for commit in kept
        if not (bundle == name and commit in receipts)
        for layer in receipt(bundle, commit)["layers"]
    }
    gone = {
        layer["package"]: layer["root"]
        for layers in receipts.values()
        for layer in layers
        if layer["package"] not in needed
    }
    with lock.held(DOWNLOADS / ".lock"):
        present = sorted(gone.keys() & _packages(kind))
        if present:
            process.run(packaging.remove_argv(kind, present))
    for root in gone.values():
        # What was not in the package (a stray file) must not keep the folder.
        shutil.rmtree(root, ignore_errors=True)
    for commit in commits:
        (RECEIPTS / name / f"{commit}.json").unlink()
    return sorted(gone)


def _packages(kind):
    done = process.run(packaging.installed_argv(kind), check=False)
    return packaging.parse_installed(done.stdout)
