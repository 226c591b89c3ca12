"""Packages on their way to this host: fetched under another name, and proven."""

import contextlib
import logging
import tempfile
from pathlib import Path

from salt.exceptions import SaltException

from holodeck import mirror_rules
from holodeck_bundle import mirrors
from holodeck_io import files
from holodeck_io.errors import HolodeckError

HOME = Path("/var/cache/holodeck/packages")
log = logging.getLogger(__name__)


class Sources:
    """
    Where one call has its packages from: mirrors, and after them the master.

    urls
        The mirrors. One that fails is not asked again: a bundle waits for it once.
    host
        This minion's id.
    client
        Called for Salt's client of the master's fileserver.
    """

    def __init__(self, urls, host, client):
        self._mirrors = mirror_rules.in_turn(urls, host)
        self._client = client

    def fetch(self, artefact):
        """Return the path of a file of the store, its bytes proven."""
        path = path_for(artefact)
        if any(self._by_mirror(each, artefact, path) for each in list(self._mirrors)):
            return _named(artefact, path)
        return checked(artefact, path, self._by_master(artefact, path))

    def _by_mirror(self, mirror, artefact, path):
        """Tell whether a mirror gave it."""
        try:
            mirrors.download(mirror, artefact, path)
        except mirrors.MirrorError as error:
            log.warning(
                "Mirror %s: %s: %s; another one is asked, or the master.",
                mirror, artefact["filename"], error,
            )  # fmt: skip
            if not isinstance(error, mirrors.NotThereError):
                self._mirrors.remove(mirror)
            return False
        return True

    def _by_master(self, artefact, path):
        """Tell whether the master gave it."""
        place = f"salt://bundles/{artefact['sha256']}/{artefact['filename']}"
        try:
            # `cp.get_file` asks twice, each time with a client that loads the keys
            # anew.
            with self._client() as client:
                return bool(client.get_file(place, str(path)))
        except SaltException as error:
            raise HolodeckError(
                f"Package {artefact['filename']}: the master did not send it "
                f"({error}); look whether it is up, then do it again."
            ) from error


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
    Return the final path of what the master sent, once its bytes are proven.

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
    return _named(artefact, path)


def _named(artefact, path):
    """Give a proven file the package's name: dpkg looks at the ending."""
    # Not while it arrives: the name must not hide the package's own.
    final = path.with_name(artefact["filename"])
    path.rename(final)
    return final
