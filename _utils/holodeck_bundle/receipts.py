"""Which bundles are on this host: a receipt for each, written once they are proven."""

import json
import logging
from pathlib import Path

from holodeck import names
from holodeck_io import files
from holodeck_io.errors import HolodeckError

RECEIPTS = Path(names.STATE, "bundles")
log = logging.getLogger(__name__)


def keep(name, commit, layers):
    """Remember what is installed and proven; return ``{root: digest}``."""
    path = _path(name, commit)
    content = json.dumps({"layers": layers}, sort_keys=True).encode()
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomic(path, content)
    return {layer["root"]: layer["tree"] for layer in layers}


def get(name, commit):
    """
    Return what was installed, as :func:`keep` wrote it.

    Raises :class:`HolodeckError` where there is none, or a damaged one.
    """
    path = _path(name, commit)
    if not path.is_file():
        raise HolodeckError(
            f"Bundle {name} {names.short(commit)}: is not installed on this host; "
            f"installed are {installed(name).get(name) or 'none'}."
        )
    receipt = _read(path)
    if receipt is None:
        raise HolodeckError(
            f"Bundle {name} {names.short(commit)}: its receipt {path} is damaged; "
            "install the bundle again, by a release or the highstate: it is written "
            "anew."
        )
    return receipt


def has(name, commit, layers):
    """Tell whether a bundle was installed here with just these layers' files."""
    try:
        there = get(name, commit)["layers"]
    except HolodeckError:
        return False
    return _trees(there) == _trees(layers)


def installed(name=None):
    """Return ``{name: [commit, …]}`` of the bundles that have a receipt."""
    found = {}
    for path in sorted(RECEIPTS.glob(f"{name or '*'}/*.json")):
        found.setdefault(path.parent.name, []).append(path.stem)
    return found


def forget(name, commit):
    """Remove the receipt of a bundle that is gone."""
    _path(name, commit).unlink()


def discard_damaged():
    """
    Remove receipts that nobody can read, so that they stand in nobody's way.

    Their bundles count as those of an installation that was killed before it wrote
    one: what runs is left alone, and has its receipt again after the next install.
    """
    there = [(name, commit) for name, many in installed().items() for commit in many]
    for name, commit in there:
        if _read(_path(name, commit)) is None:
            log.error("Receipt %s: is damaged, and was removed", _path(name, commit))
            forget(name, commit)


def layers(but=(None, ())):
    """Return ``{package: layer}`` of every receipt, but those of some commits."""
    return {
        layer["package"]: layer
        for bundle, kept in installed().items()
        for commit in kept
        if not (bundle == but[0] and commit in but[1])
        for layer in get(bundle, commit)["layers"]
    }


def _read(path):
    """Return a receipt, or ``None`` where it is damaged."""
    try:
        receipt = json.loads(path.read_bytes())
        whole = all(layer["package"] and layer["root"] for layer in receipt["layers"])
    except (ValueError, KeyError, TypeError):
        return None
    return receipt if whole else None


def _path(name, commit):
    return RECEIPTS / name / f"{commit}.json"


def _trees(layers_):
    return {(layer["root"], layer.get("tree")) for layer in layers_}
