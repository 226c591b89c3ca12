"""What is in a bundle and where it came from, written into it and read back."""

import json
from pathlib import Path

from holodeck import distribution, sbom
from holodeck_io import errors, files

SBOM = "sbom.cdx.json"
PROVENANCE = "holodeck.json"


def write(prefix, site_folders, provenance, hashes=None, system=()):
    """
    Write the bill of materials of a virtualenv into its folder ``prefix``.

    site_folders
        The folders ``site-packages`` whose distributions are in the bundle: its own,
        and those of the layers below. One that is not there has none.
    provenance
        The recipe's facts, all of which become properties.
    hashes
        ``{(name, version): [sha256, …]}`` of the lock, where they are to be in it.
    system
        :class:`holodeck.sbom.SystemPackage` that it needs.
    """
    parts = [part for folder in site_folders for part in distributions(folder)]
    bill = sbom.document(parts, provenance, hashes=hashes, system=system)
    files.write_anew(Path(prefix, SBOM), sbom.dump(bill))


def distributions(site):
    """Return what is installed in a folder ``site-packages``, by name."""
    return [
        distribution.parse(_metadata(folder), folder.name)
        for folder in sorted(Path(site).glob("*.dist-info"))
    ]


def read(prefix):
    """Return ``{"provenance": …, "sbom": …}`` of the bundle in ``prefix``."""
    return {
        "provenance": _document(Path(prefix), PROVENANCE),
        "sbom": _document(Path(prefix), SBOM),
    }


def _metadata(folder):
    try:
        return Path(folder, "METADATA").read_bytes()
    except FileNotFoundError:
        # The folder's own name has to do; what is installed must be in the bill.
        return b""


def _document(prefix, name):
    try:
        found = json.loads(Path(prefix, name).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        why = "it is not on this host; release or install it"
        if prefix.is_dir():
            why = "it was built by an older pack; build it again"
        raise errors.HolodeckError(f"Bundle {prefix}: has no {name}: {why}.") from error
    except ValueError as error:
        raise _damaged(prefix, name, error) from error
    if not isinstance(found, dict):
        raise _damaged(prefix, name, f"it holds a {type(found).__name__}")
    return found


def _damaged(prefix, name, why):
    return errors.HolodeckError(
        f"Bundle {prefix}: its {name} is damaged ({why}); `bundle.verify` tells what "
        "else is, a release puts the bundle in place again."
    )
