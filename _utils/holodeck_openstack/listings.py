"""What a cloud offers: images, sizes, zones, networks; and any call of the SDK."""

import json
import types

from holodeck_io.errors import HolodeckError
from holodeck_openstack import resolve, sdk
from holodeck_openstack.errors import OptionError, explained

# Links and urls tell a user nothing.
_NOISE = ("links", "location")


def images(connection):
    """Return the images by name, or by id where two have the same name."""
    return _listed("images", connection.image.images)


def sizes(connection):
    """Return the flavors by name."""
    return _listed("flavors", connection.compute.flavors)


def zones(connection):
    """Return the availability zones by name."""
    return _listed("availability zones", connection.compute.availability_zones)


def networks(connection):
    """Return the networks by name, or by id where two have the same name."""
    _need_network(connection)
    return _listed("networks", connection.network.networks)


def subnets(connection, network=None):
    """
    Return the subnets by name.

    network
        The name or the id of one network; those of all by default.
    """
    _need_network(connection)
    query = {}
    if network:
        names = resolve.Names(connection)
        query = {"network_id": names.network(network)}
        names.check()
    return _listed("subnets", lambda: connection.network.subnets(**query))


def call(connection, function, arguments):
    """
    Call a function of openstacksdk's connection and return its result as plain data.

    function
        Its name, such as ``create_server_group``, or one of a service's, such as
        ``compute.server_groups``.
    """
    target = connection
    for word in function.split("."):
        target = None if word.startswith("_") else getattr(target, word, None)
    if not callable(target):
        raise OptionError(
            f"func: openstacksdk's connection has no function {function!r}; see its "
            "documentation of Connection."
        )
    try:
        with explained(function):
            return plain(target(**arguments))
    except TypeError as error:
        raise HolodeckError(f"{function}: {error}.") from error


def plain(value):
    """Return data that Salt's outputters and caches take."""
    if isinstance(value, types.GeneratorType):
        return [plain(each) for each in value]
    if hasattr(value, "to_dict"):
        value = _slim(value.to_dict(computed=False))
    return json.loads(json.dumps(value, default=str))


def _listed(what, listing):
    with explained(f"The {what} were not listed"):
        found = [_slim(plain(each)) for each in listing()]
    keyed = {}
    for each in sorted(found, key=lambda entry: str(entry.get("name"))):
        name = each.get("name") or each["id"]
        keyed[each["id"] if name in keyed else name] = each
    return keyed


def _slim(entry):
    return {k: v for k, v in entry.items() if v is not None and k not in _NOISE}


def _need_network(connection):
    if not connection.has_service(sdk.NETWORK):
        raise HolodeckError("The cloud has no network service: it lists no networks.")
