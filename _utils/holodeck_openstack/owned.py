"""
What the driver made for one server, found by the mark that it bears.

A server has the mark in its metadata, a floating address in its description, a key pair
in its name: so a thing is found whose id was lost with an answer, and nothing else of
the same name is ever taken for it.
"""

import secrets
import time

from holodeck_io.errors import HolodeckError
from holodeck_openstack import nodes, sdk
from holodeck_openstack.errors import explained, said
from holodeck_openstack.waiting import Deadline

#: The key of the mark in a server's metadata.
KEY = "holodeck"
# Seconds before each look for a thing whose making was not answered.
_LOOKS_S = (0, 1, 2, 4, 8)
_GONE_S = 180
_RETRY_S = 2


def mark():
    """Return a new mark: no two servers ever have the same."""
    return f"holodeck-{secrets.token_hex(8)}"


def mark_of(server):
    """Return the mark of a server; None when the driver did not make it."""
    return (server.metadata or {}).get(KEY)


def once(ask, find):
    """
    Make a thing that must not be made twice.

    ask
        Makes it.
    find
        Looks for it by its mark, when the answer was lost.
    """
    try:
        return ask()
    except sdk.errors() as error:
        if sdk.is_lost(error) and (found := _sought(find)):
            return found
        raise


def _sought(find):
    """Look for a thing that may still be in the making; None when it does not come."""
    for pause_s in _LOOKS_S:
        time.sleep(pause_s)
        if found := find():
            return found
    return None


class Owned:
    """Everything that bears one mark."""

    def __init__(self, connection, name, mark_):
        self._connection = connection
        self._name = name
        self.mark = mark_
        self._in_doubt = None
        self._volumes = set()

    def make(self, kind, ask):
        """
        Make a thing that is to bear the mark, and not twice; see :func:`once`.

        kind
            ``server``, ``floating address`` or ``key pair``.

        While the cloud has not answered, :meth:`remove` does not take the thing for
        gone just because it is not there yet: an interruption may end this early.
        """
        find, _delete = self._hands()[kind]
        self._in_doubt = kind
        try:
            made = once(ask, lambda: next(iter(find()), None))
        except sdk.errors() as error:
            if not sdk.is_lost(error):
                self._in_doubt = None
            raise
        self._in_doubt = None
        return made

    def servers(self):
        """Return the servers, of which there should be one at most."""
        listed = self._connection.compute.servers(
            details=True, name=nodes.pattern(self._name)
        )
        found = [server for server in listed if mark_of(server) == self.mark]
        for server in found:
            self._volumes |= {each["id"] for each in server.attached_volumes or ()}
        return found

    def floating_ips(self):
        """Return the floating addresses."""
        if not self._connection.has_service(sdk.NETWORK):
            return []
        # A service that does not know the filter returns every address there is.
        listed = self._connection.network.ips(description=self.mark)
        return [each for each in listed if each.description == self.mark]

    def key_pairs(self):
        """Return the key pairs."""
        listed = self._connection.compute.keypairs()
        return [pair for pair in listed if pair.name == self.mark]

    def remove(self, wait_s=_GONE_S, *, volumes=False):
        """
        Remove everything, addresses before the server that a user finds them by.

        wait_s
            Seconds for each kind, whatever becomes of the others.
        volumes
            Whether the server's volumes go too, where nova was told to keep them.

        Raises :class:`HolodeckError` that names what is left.
        """
        faults = [self._removed(kind, wait_s) for kind in self._hands()]
        if volumes and self._volumes:
            hands = self._volumes_left, self._connection.block_storage.delete_volume
            faults.append(_removed("volume", *hands, Deadline(wait_s)))
        left = [fault for fault in faults if fault]
        if left:
            raise HolodeckError("; ".join(left))

    def _hands(self):
        """Return what finds things of each kind, and what removes one."""
        compute = self._connection.compute
        return {
            "floating address": (self.floating_ips, self._release),
            "key pair": (self.key_pairs, compute.delete_keypair),
            "server": (self.servers, compute.delete_server),
        }

    def _removed(self, kind, wait_s):
        find, delete = self._hands()[kind]

        def found():
            if self._in_doubt == kind:
                _sought(find)
                self._in_doubt = None
            return find()

        return _removed(kind, found, delete, Deadline(wait_s))

    def _volumes_left(self):
        listed = self._connection.block_storage.volumes(details=False)
        return [volume for volume in listed if volume.id in self._volumes]

    def _release(self, address, **options):
        # Rackspace's legacy cloud has no network service to ask this of.
        self._connection.network.delete_ip(address, **options)


def _removed(kind, find, delete, deadline):
    """Remove what ``find`` returns, until that is nothing; return what went wrong."""
    while True:
        try:
            return _remove(kind, find, delete, deadline)
        except HolodeckError as error:
            return str(error)
        except sdk.errors() as error:
            if not sdk.is_passing(error) or deadline.left_s() <= _RETRY_S:
                return f"{kind}: was not removed: {said(error)}"
        time.sleep(_RETRY_S)


def _remove(kind, find, delete, deadline):
    asked = set()

    def gone():
        there = find()
        for each in there:
            if each.id not in asked:
                delete(each, ignore_missing=True)
                asked.add(each.id)
        gone.left = ", ".join(each.id for each in there)
        return not there

    deadline.until(
        gone, lambda: f"{kind} {gone.left}: is still there", "remove it by hand"
    )


def remove_server(connection, server_id, wait_s=_GONE_S):
    """Remove a server that bears no mark, and wait until it is gone."""
    with explained(f"server {server_id}: was not removed"):
        connection.compute.delete_server(server_id, ignore_missing=True)
        Deadline(wait_s).until(
            lambda: not nodes.anew(connection, server_id),
            f"server {server_id}: is still there",
            "look at it in the cloud",
        )
