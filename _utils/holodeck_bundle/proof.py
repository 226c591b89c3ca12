"""Layers on a host against what was built: whether they are it, and what differs."""

import os
from pathlib import Path

from holodeck_bundle import database
from holodeck_io import files


def absent(layers):
    """Return the layers that have no folder here."""
    return [layer for layer in layers if not Path(layer["root"]).is_dir()]


def missing(layers):
    """Return the layers whose files are not here, or not what was built."""
    return [layer for layer in layers if differing([layer])]


def differing(layers):
    """Return the roots of the layers whose files are not what was built."""
    return [
        layer["root"]
        for layer in layers
        if not files.is_tree(layer["root"], layer["tree"])
    ]


def differences(layer, kind):
    """Return which files of a layer are not what was built, and how they differ."""
    found = [*_owners(layer["root"]), *database.of(kind).differences(layer)]
    # Names that are no UTF-8 have to get through Salt's transport.
    return [os.fsencode(text).decode(errors="backslashreplace") for text in found]


def _owners(root):
    """Yield a text for what nobody but root may own, and for the folder itself."""
    for name in (".", *files.names_below(root)):
        path = Path(root, name)
        if not os.path.lexists(path):
            continue
        facts = path.lstat()
        if facts.st_uid or facts.st_gid:
            yield f"{name} belongs to {facts.st_uid}:{facts.st_gid}, not to root"
        if name == "." and facts.st_mode != files.FOLDER:
            yield f"{name} is no folder with the mode 755 ({facts.st_mode:o})"
