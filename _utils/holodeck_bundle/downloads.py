"""Packages on their way to this host: fetched under another name, and proven."""

import contextlib
import tempfile
from pathlib import Path

from holodeck_io import files
from holodeck_io.errors import HolodeckError

HOME = Path("/var/cache/holodeck/packages")


@contextlib.contextmanager
def scratch():
    """Yield a new folder; one that a killed call leaves goes with the downloads."""
    HOME.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=HOME) as folder:
        yield Path(folder)


def path_for(artefact):
    """Return where a file is fetched to: a name that nothing else reads."""
    HOME.mkdir(parents=True, exist_ok=True)
    return HOME / f"{artefact['sha256']}.part"


def checked(artefact, path, arrived):
    """
    Return the file's final path once its bytes are proven.

    The fileserver sends no end-to-end hash and writes in place.
    """
    if not arrived or not path.is_file():
        raise HolodeckError(
            f"Package {artefact['filename']}: is not in the master's store; release "
            "the commit again, which builds what is missing."
        )
    if files.sha256_file(path) != artefact["sha256"]:
        path.unlink()
        raise HolodeckError(
            f"Package {artefact['filename']}: arrived with other bytes than were "
            "built; it was thrown away. Release again; if it happens again, check "
            "the master's disk."
        )
    # dpkg looks at the ending, and the name must not hide the package's own.
    final = path.with_name(artefact["filename"])
    path.rename(final)
    return final
