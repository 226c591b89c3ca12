"""What calls that were killed have left on a host."""

import shutil
from pathlib import Path

from holodeck import names
from holodeck_bundle import receipts


def sweep(downloads):
    """
    Remove downloads, staging folders and half-written receipts.

    The caller holds the lock under which they are made.
    """
    for path in (*downloads.glob("*"), *receipts.RECEIPTS.glob("*/.*.new")):
        path.unlink()
    for path in Path(names.PREFIX).glob("*/.*.new"):
        # A link is the new `current` of a switch, which has a lock of its own.
        if not path.is_symlink():
            shutil.rmtree(path)


def orphans(packages):
    """
    Return ``{package: root}`` of layers that no receipt names.

    packages
        Those in the package database; one whose files never came has no root.

    There are none where something runs without a receipt: then the receipts are
    what was lost.
    """
    known = receipts.layers()
    roots = {
        package: str(path)
        for path in Path(names.PREFIX).glob("*/*")
        if (package := names.package_of(path.parent.name, path.name))
    }
    if any(_runs_unknown(link, known) for link in Path(names.PREFIX).glob("*/current")):
        return {}
    found = {package: "" for package in packages if names.is_layer_package(package)}
    return {
        package: root
        for package, root in {**found, **roots}.items()
        if package not in known
    }


def _runs_unknown(link, known):
    return names.package_of(link.parent.name, link.readlink().name) not in known
