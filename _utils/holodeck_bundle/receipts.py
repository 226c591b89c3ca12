"""Which bundles are on this host: a receipt for each, written once they are proven."""

import json
from pathlib import Path

from holodeck import names
from holodeck_io import files
from holodeck_io.errors import HolodeckError

RECEIPTS = Path(names.STATE, "bundles")


def keep(name, commit, layers):
    """Remember what is installed and proven; return ``{root: digest}``."""
    path = RECEIPTS / name / f"{commit}.json"
    content = json.dumps({"layers": layers}, sort_keys=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomic(path, content)
    return {layer["root"]: layer["tree"] for layer in layers}


def get(name, commit):
    """Return what was installed, as :func:`keep` wrote it."""
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


def forget(name, commit):
    """Remove the receipt of a bundle that is gone."""
    (RECEIPTS / name / f"{commit}.json").unlink()


def layers(but=(None, ())):
    """Return ``{package: layer}`` of every receipt, but those of some commits."""
    return {
        layer["package"]: layer
        for bundle, kept in installed().items()
        for commit in kept
        if not (bundle == but[0] and commit in but[1])
        for layer in get(bundle, commit)["layers"]
    }
