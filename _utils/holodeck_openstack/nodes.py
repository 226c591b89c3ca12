"""Servers as salt-cloud lists them."""

import re

from holodeck_io.errors import HolodeckError
from holodeck_openstack import addresses, sdk
from holodeck_openstack.errors import NotFoundError, explained

FIELDS = (
    "id", "name", "image", "size", "state", "private_ips", "public_ips",
    "floating_ips", "fixed_ips",
)  # fmt: skip


def every(connection):
    """Return ``{name: node}`` of all servers of the project."""
    with explained("The servers were not listed"):
        servers = list(connection.compute.servers(details=True))
        words = Words(connection)
        nodes = [words.describe(server) for server in servers]
    return _keyed(nodes)


def states(connection):
    """Return ``{name: {"id": …, "state": …}}``, for which one question is enough."""
    with explained("The servers were not listed"):
        servers = list(connection.compute.servers(details=True))
    keyed = _keyed([_brief(server) for server in servers])
    return {
        name: {"id": each["id"], "state": each["state"]} for name, each in keyed.items()
    }


def _brief(server):
    return {
        "id": server.id, "name": server.name, "state": server.status,
        "created_at": server.created_at,
    }  # fmt: skip


def one(connection, name):
    """
    Return the server that has ``name`` as its id or, alone, as its name.

    Raises :class:`NotFoundError`, and :class:`HolodeckError` where several have it.
    """
    with explained(f"{name}: was not looked up"):
        found = anew(connection, name) if sdk.is_id(name) else None
        if found:
            return found
        listed = connection.compute.servers(details=True, name=pattern(name))
        # The cloud's database may take WEB1 for web1.
        same = [server for server in listed if server.name == name]
    if not same:
        raise NotFoundError(f"{name}: there is no such server; see salt-cloud -Q.")
    if len(same) > 1:
        ids = ", ".join(sorted(server.id for server in same))
        raise HolodeckError(
            f"{name}: {len(same)} servers have this name; use an id: {ids}."
        )
    return same[0]


def pattern(name):
    """Return what nova's list finds this name by, and no other: it is an expression."""
    return f"^{re.escape(name)}$"


def described(connection, name):
    """Return the node of one server; see :func:`one`."""
    server = one(connection, name)
    with explained(f"{name}: was not described"):
        return Words(connection).describe(server)


class Words:
    """
    The names of images and sizes, each list asked for at most once.

    images
        Names of images that are known already, by id.
    """

    def __init__(self, connection, images=None):
        self._connection = connection
        self._known = images or {}
        self._images = None
        self._sizes = None

    def describe(self, server, extra=()):
        """
        Return a node: the common fields, and all that nova says.

        extra
            Floating addresses that nova does not know of yet.
        """
        found = addresses.sort(server.addresses or {})
        for address in extra:
            if address not in found["floating_ips"]:
                listed = addresses.sort({"": [_floating(address)]})
                found = {kind: found[kind] + listed[kind] for kind in found}
        return {
            **_all(server),
            "id": server.id,
            "name": server.name,
            "state": server.status,
            "image": self._image(server.image),
            "size": self._size(server.flavor),
            **found,
        }

    def _image(self, image):
        # Without one it was booted from a volume.
        if not (image and image.get("id")):
            return None
        if image["id"] in self._known:
            return self._known[image["id"]]
        if self._images is None:
            listed = self._connection.image.images()
            self._images = {each.id: each.name for each in listed}
        return self._images.get(image["id"], image["id"])

    def _size(self, flavor):
        name = flavor.get("original_name")
        if name or not flavor.get("id"):
            return name
        if self._sizes is None:
            listed = self._connection.compute.flavors()
            self._sizes = {each.id: each.name for each in listed}
        return self._sizes.get(flavor["id"], flavor["id"])


def _floating(address):
    return {"addr": address, "OS-EXT-IPS:type": "floating"}


def _all(server):
    """Return what nova says, without the password that it may have made."""
    said = server.to_dict(computed=False, original_names=False)
    hidden = ("admin_password", "user_data", "links", "location")
    return {k: v for k, v in said.items() if v is not None and k not in hidden}


def _keyed(nodes):
    """
    Return nodes by name; the older one of two has the name, the others their ids.

    salt-cloud's lists know names alone, and a server that is not in one cannot be
    destroyed.
    """
    keyed = {}
    for node in sorted(nodes, key=lambda each: str(each.get("created_at"))):
        keyed[node["id"] if node["name"] in keyed else node["name"]] = node
    return keyed


def anew(connection, server_id):
    """Return a server anew; None when it is gone."""
    try:
        return connection.compute.get_server(server_id)
    except sdk.errors() as error:
        if sdk.is_gone(error):
            return None
        raise
