"""
The packages that hosts fetch: files by digest below a root of the fileserver.

Builders push packages with ``cp.push``; they arrive in the master's cache of
that minion, where no other minion may read, and move here once proven.
"""

import re
import shutil
import time
from pathlib import Path

from holodeck_io import files
from holodeck_io.errors import HolodeckError

_YOUNG_S = 24 * 3600
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][A-Za-z0-9.+~_-]*")


class Store:
    """The folder ``bundles`` below the store's root."""

    def __init__(self, opts):
        self._minions = Path(opts["cachedir"], "minions")
        self.root = Path(opts["cachedir"], "holodeck", "store")
        self._home = self.root / "bundles"
        if not any(
            Path(root).resolve() == self.root.resolve()
            for root in opts["file_roots"].get("base", [])
        ):
            raise HolodeckError(
                f"Fileserver: {self.root} is missing in the master's `file_roots`; "
                "hosts could not fetch bundles. Add it under `base` and restart the "
                "master."
            )

    def digests(self):
        """Return the digests of all packages here."""
        return sorted({path.parent.name for path in self._home.glob("*/*")})

    def has(self, layers):
        """Tell whether every layer's package is here."""
        return all(self._is_whole(layer) for layer in layers)

    def take(self, builder, layers):
        """Move pushed packages here, each proven by its digest."""
        for layer in layers:
            _check_names(builder, layer)
            target = self._home / layer["sha256"] / layer["filename"]
            pushed = self._pushed(builder, layer)
            if self._is_whole(layer):
                pushed.unlink(missing_ok=True)
                continue
            if not pushed.is_file():
                raise HolodeckError(
                    f"Package {layer['filename']}: {builder} did not push it; set "
                    "`file_recv: True` in the master's configuration."
                )
            if files.sha256_file(pushed) != layer["sha256"]:
                pushed.unlink()
                raise HolodeckError(
                    f"Package {layer['filename']}: was pushed by {builder} with other "
                    "bytes than it built. Release again."
                )
            # A server that is a mirror reads it too, and an administrator's umask may
            # be 077.
            self._home.mkdir(parents=True, exist_ok=True)
            files.make_folder(self._home)
            files.make_folder(target.parent)
            files.write_atomic(target, pushed.read_bytes())
            pushed.unlink()

    def prune(self, needed):
        """
        Remove old packages whose digest is not in ``needed``.

        Young ones stay: a release that runs now may be about to need them.
        """
        for digest in set(self.digests()) - set(needed):
            folder = self._home / digest
            if time.time() - folder.stat().st_mtime > _YOUNG_S:
                shutil.rmtree(folder)

    def _is_whole(self, layer):
        path = self._home / layer["sha256"] / layer["filename"]
        return path.is_file() and files.sha256_file(path) == layer["sha256"]

    def _pushed(self, builder, layer):
        return self._minions / builder / "files" / "holodeck" / layer["sha256"]


def _check_names(builder, layer):
    """Refuse names that could lead out of the store: they are a builder's words."""
    if not _DIGEST.fullmatch(layer["sha256"]) or not _NAME.fullmatch(layer["filename"]):
        raise HolodeckError(
            f"Package {layer['filename']!r}: {builder} gave it a name or a digest "
            "that is none; look at that builder."
        )
