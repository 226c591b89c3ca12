"""Which version of this pack a process has loaded."""

import hashlib
from pathlib import Path

_ROOMS = {
    "modules": ("balancer.py", "bundle.py", "fpm.py", "webapp.py", "webtest.py"),
    "states": ("bundle.py", "webapp.py"),
}


def digest(modules):
    """
    Return one SHA-256 over the pack's code that minions run.

    modules
        The folder of execution modules: ``_modules`` in a clone, ``modules``
        where Salt synced it. Its neighbours hold the states and shared code.
    """
    modules = Path(modules)
    prefix = "_" if modules.name.startswith("_") else ""
    total = hashlib.sha256()
    for path, label in _files(modules.parent, prefix):
        content = path.read_bytes() if path.is_file() else b""
        total.update(label.encode() + b"\0" + hashlib.sha256(content).digest())
    return total.hexdigest()


def _files(base, prefix):
    for room, members in _ROOMS.items():
        for name in members:
            yield base / f"{prefix}{room}" / name, f"{room}/{name}"
    shared = base / f"{prefix}utils"
    for path in sorted(shared.glob("holodeck*/*.py")):
        yield path, f"utils/{path.relative_to(shared)}"
