"""What calls that were killed have left on a host."""

from pathlib import Path

from holodeck import names
from holodeck_bundle import receipts
from holodeck_io import files


def sweep(downloads):
    """
    Remove downloads, staging folders and half-written receipts.

    The caller holds the lock under which they are made.
    """
    for path in (*downloads.glob("*"), *receipts.RECEIPTS.glob("*/.*.new")):
        files.remove(path)
    for path in Path(names.PREFIX).glob("*/.*.new"):
        # A switch makes its new `current` under a lock of its own.
        if not path.name.startswith(".current."):
            files.remove(path)


def orphans(packages, unknown):
    """
    Return ``{package: root}`` of layers that no receipt names.

    packages
        Those in the package database; one whose files never came has no root.
    unknown
        What :func:`unaccounted` returned: these stay.
    """
    known = receipts.layers().keys() | unknown
    found = {package: "" for package in packages if names.is_layer_package(package)}
    return {
        package: root
        for package, root in {**found, **_places()}.items()
        if package not in known
    }


def unaccounted(keep=()):
    """
    Return the packages of bundles that stay and have no receipt.

    keep
        ``[(name, commit), …]`` of what stays beside what runs.

    What they lean on is not known, so it may be any layer of dependencies.
    """
    homes = Path(names.PREFIX).glob("*")
    links = [link for home in homes if (link := home / "current").is_symlink()]
    running = [(link.parent.name, link.readlink().name) for link in links]
    staying = {names.package_of(name, commit) for name, commit in [*running, *keep]}
    there = _places().keys() | {names.package_of(*one) for one in running}
    return (staying & there) - receipts.layers().keys()


def _places():
    """Return ``{package: root}`` of the layers that have a folder here."""
    return {
        package: str(path)
        for path in Path(names.PREFIX).glob("*/*")
        if (package := names.package_of(path.parent.name, path.name))
    }
