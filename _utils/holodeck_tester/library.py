"""The pytest plugin as any user of this machine may read it, compiled."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import holodeck_http
from holodeck_io import files, process

#: Where it is kept, until the machine's next start.
HOME = Path("/run/holodeck/library")

_COMPILE_S = 60


def readable(python):
    """
    Return a folder that has the plugin, made where it is not there yet.

    Salt lets only root look at its own copy. A run may write nothing beside its files,
    so that it would compile them each time: that is done once.

    python
        The interpreter of the tester's bundle.
    """
    plugin, interpreter = Path(holodeck_http.__file__).parent, Path(python).resolve()
    place = HOME / _digest(plugin, interpreter)
    if not place.is_dir():
        is_systems = not interpreter.is_relative_to(Path(python).parents[1])
        _make(plugin, place, interpreter if is_systems else None)
    return place


def _digest(plugin, interpreter):
    """Return what changes with the plugin's files, and with the interpreter."""
    total = hashlib.sha256(os.fsencode(interpreter))
    for file in sorted(plugin.glob("*.py")):
        total.update(file.name.encode() + b"\0" + file.read_bytes())
    return total.hexdigest()[:32]


def _make(plugin, place, interpreter):
    for folder in (HOME.parent, HOME):
        files.make_folder(folder)
    made = Path(tempfile.mkdtemp(dir=HOME, prefix=".new-"))
    try:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(plugin, made / plugin.name, ignore=ignored)
        if interpreter:
            # As root: none that came with a bundle, nor anything that one has.
            argv = [str(interpreter), "-I", "-S", "-m", "compileall", "-q", str(made)]
            process.run(argv, timeout_s=_COMPILE_S, check=False)
        for path in (made, *made.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        if not place.is_dir():
            made.rename(place)
    except OSError:
        # Of two that make it at once one is the first.
        if not place.is_dir():
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
