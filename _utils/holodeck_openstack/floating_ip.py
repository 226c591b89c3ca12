"""The floating address of a server: a new one, or one that the project has."""

from holodeck_io import lock
from holodeck_io.errors import HolodeckError
from holodeck_openstack import sdk

_CHANGED = 412


def port(connection, server, networks):
    """
    Return the id of the port that takes the address: the first with an IPv4 address.

    networks
        What nova was asked for, whose order is that of the interfaces; neutron lists
        ports in any order.
    """
    asked = networks if isinstance(networks, list) else []
    places = {
        place: number for number, each in enumerate(asked) for place in each.values()
    }

    def place(found):
        numbers = (places.get(key) for key in (found.id, found.network_id))
        return min((each for each in numbers if each is not None), default=len(places))

    found = connection.network.ports(device_id=server.id)
    for each in sorted(found, key=place):
        if any("." in fixed["ip_address"] for fixed in each.fixed_ips):
            return each.id
    raise HolodeckError(
        "floating_ip: the server has no port with an IPv4 address; name a network that "
        "has one"
    )


def give(connection, mine, port_id, wanted, locks):
    """
    Give a port its floating address and return that.

    mine
        The server's :class:`~holodeck_openstack.owned.Owned`.
    wanted
        ``{"network": ID}`` for a new address, or ``{"address": ID}``.
    locks
        The folder for locks between creates of this master. Neutron compares revisions
        for those of others, and two that come at the same moment may both get through.
    """
    network = connection.network
    if address := wanted.get("address"):
        with lock.held(locks / f"address-{address}.lock"):
            return _attached(network, address, port_id)
    made = mine.make(
        "floating address",
        lambda: network.create_ip(
            floating_network_id=wanted["network"],
            port_id=port_id,
            description=mine.mark,
        ),
    )
    return made.floating_ip_address


def _attached(network, address_id, port_id):
    """Give a port an address that is free, and that nobody else takes meanwhile."""
    found = network.get_ip(address_id)
    if not found.port_id:
        try:
            # Neutron would take it from another port without a word.
            network.update_ip(
                address_id, if_revision=found.revision_number, port_id=port_id
            )
        except sdk.errors() as error:
            # A change whose answer was lost, and which was asked for again, did count.
            if sdk.status(error) != _CHANGED:
                raise
        found = network.get_ip(address_id)
    if found.port_id != port_id:
        raise HolodeckError(
            f"floating_ip: {found.floating_ip_address} is at port {found.port_id} "
            "meanwhile; give each server an address of its own"
        )
    return found.floating_ip_address
