"""Hosts made and destroyed by salt-cloud's own client, whatever the driver."""

import contextlib
import io
from pathlib import Path

import salt.cloud
from salt.exceptions import SaltCloudException, SaltCloudSystemExit

from holodeck_io.errors import HolodeckError


class Cloud:
    """The providers and profiles in the master's configuration folder."""

    def __init__(self, opts):
        self._path = str(Path(opts["conf_file"]).with_name("cloud"))

    def create(self, profiles):
        """
        Create the hosts of ``{name: profile}`` in parallel; wait for all.

        Raises :class:`~holodeck_io.errors.HolodeckError` naming each host that
        could not be made; the driver has removed what it left.
        """
        wanted = {}
        for name, profile in profiles.items():
            wanted.setdefault(profile, []).append(name)
        client = self._client()
        unknown = sorted(set(wanted) - set(client.opts["profiles"]))
        if unknown:
            raise HolodeckError(
                f"Cloud profile {', '.join(unknown)}: is not in cloud.profiles.d; "
                f"there are {', '.join(sorted(client.opts['profiles'])) or 'none'}."
            )
        with _quiet():
            made = client.map_run(map_data=wanted, parallel=True)
        faults = {name: fault for name in profiles if (fault := _fault(made, name))}
        if faults:
            shown = "\n".join(f"{name}: {fault}" for name, fault in faults.items())
            raise HolodeckError(f"salt-cloud could not create hosts:\n{shown}")

    def known(self, names):
        """Return those of ``names`` that a provider knows."""
        with _quiet():
            found = self._client().query()
        return {
            name
            for drivers in found.values()
            for nodes in drivers.values()
            if isinstance(nodes, dict)
            for name in nodes
            if name in names
        }

    def destroy(self, names):
        """Destroy hosts; those that are unknown are gone already."""
        there = sorted(self.known(names))
        if not there:
            return []
        try:
            with _quiet():
                self._client().destroy(there)
        except (SaltCloudException, SaltCloudSystemExit) as error:
            raise HolodeckError(
                f"salt-cloud could not destroy hosts: {error}"
            ) from error
        return there

    def _client(self):
        return salt.cloud.CloudClient(self._path)


def _fault(made, name):
    entry = made.get(name)
    if isinstance(entry, dict) and "Error" in entry:
        return entry["Error"]
    return None if entry else "salt-cloud says nothing of it; see its log."


@contextlib.contextmanager
def _quiet():
    """Keep what salt-cloud prints out of the runner's own output."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
