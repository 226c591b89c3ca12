"""Hosts made and destroyed by salt-cloud's own client, whatever the driver."""

import contextlib
import copy
import io
from pathlib import Path

import salt.cloud
import salt.utils.context
from salt.exceptions import SaltCloudException, SaltCloudSystemExit

from holodeck_io.errors import HolodeckError

#: So many machines are made, or destroyed, at once, where `pool_size` in the cloud
#: configuration says nothing: salt-cloud would take all.
_POOL_SIZE = 16


class Cloud:
    """The providers and profiles in the master's configuration folder."""

    def __init__(self, opts):
        self._path = str(Path(opts["conf_file"]).with_name("cloud"))

    def create(self, profiles, options=None):
        """
        Create the hosts of ``{name: profile}`` in parallel; wait for all.

        options
            ``{name: {option: value}}``: what a host has of its own over its profile.

        Raises :class:`~holodeck_io.errors.HolodeckError` naming each host that
        could not be made; the driver has removed what it left.
        """
        wanted = {}
        for name, profile in profiles.items():
            own = copy.deepcopy((options or {}).get(name))
            wanted.setdefault(profile, []).append({name: own})
        client = self._client()
        for profile in wanted:
            self._provider(client, profile)
        with _quiet():
            made = client.map_run(map_data=wanted, parallel=True)
        faults = {name: fault for name in profiles if (fault := _fault(made, name))}
        if faults:
            shown = "\n".join(f"{name}: {fault}" for name, fault in faults.items())
            raise HolodeckError(f"salt-cloud could not create hosts:\n{shown}")

    def known(self, profiles):
        """
        Return the hosts of ``{name: profile}`` that their providers know.

        Raises :class:`~holodeck_io.errors.HolodeckError` when a provider does not
        answer: salt-cloud would say that it has no hosts.
        """
        client = self._client()
        own = {name: self._provider(client, p) for name, p in profiles.items()}
        nodes = {alias: _nodes(client, alias) for alias in set(own.values())}
        known = {name for name, alias in own.items() if name in nodes[alias]}
        self._refuse_foreign(client, own, known)
        return known

    def provider_of(self, profile):
        """Return the provider of a profile, or ``None`` when there is no such one."""
        known = self._client().opts["profiles"].get(profile)
        return known and known["provider"].split(":")[0]

    def machines(self, provider):
        """
        Return the names of a provider's machines.

        Raises :class:`~holodeck_io.errors.HolodeckError` when it does not answer.
        """
        return sorted(_nodes(self._client(), provider))

    def destroy(self, profiles):
        """Destroy the hosts of ``{name: profile}``; those unknown are gone already."""
        there = sorted(self.known(profiles))
        if not there:
            return []
        try:
            with _quiet():
                self._client().destroy(there)
        except (SaltCloudException, SaltCloudSystemExit) as error:
            raise HolodeckError(
                f"salt-cloud could not destroy hosts: {error}"
            ) from error
        left = self.known({name: profiles[name] for name in there})
        if left:
            raise HolodeckError(
                f"salt-cloud did not destroy {', '.join(sorted(left))}; see its log."
            )
        return there

    def _provider(self, client, profile):
        if profile not in client.opts["profiles"]:
            raise HolodeckError(
                f"Cloud profile {profile}: is not in cloud.profiles.d; there are "
                f"{', '.join(sorted(client.opts['profiles'])) or 'none'}."
            )
        return client.opts["profiles"][profile]["provider"].split(":")[0]

    def _refuse_foreign(self, client, own, known):
        """salt-cloud destroys by name alone: no other provider may have the name."""
        with _quiet():
            found = client.query()
        for name in known:
            others = sorted(
                alias
                for alias, drivers in found.items()
                if alias != own[name] and any(name in n for n in drivers.values())
            )
            if others:
                raise HolodeckError(
                    f"Host {name}: exists at {', '.join(others)} too, and salt-cloud "
                    "takes every host of a name; rename one of them."
                )

    def _client(self):
        client = salt.cloud.CloudClient(self._path)
        client.opts.setdefault("pool_size", _POOL_SIZE)
        return client


def _nodes(client, alias):
    """
    Ask one provider for its hosts, so that its error shows.

    salt-cloud's own query takes a provider that fails for one without hosts.
    """
    driver = next(iter(client.opts["providers"][alias]))
    try:
        function = salt.cloud.Cloud(client.opts).clouds[f"{driver}.list_nodes"]
        with (
            _quiet(),
            salt.utils.context.func_globals_inject(
                function, __active_provider_name__=f"{alias}:{driver}"
            ),
        ):
            return function()
    except Exception as error:  # a driver's own, of any kind
        raise HolodeckError(f"Cloud provider {alias}: {error}") from error


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
