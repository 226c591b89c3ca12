"""A server's addresses: which there are, and which one is used."""

import ipaddress

from holodeck_io.errors import HolodeckError

_VERSIONS = {"ipv4": 4, "ipv6": 6}
_PREFERRED = ("floating_ips", "public_ips", "private_ips")


def sort(addresses):
    """
    Return a server's ``addresses`` as salt-cloud knows them: four lists.

    Rackspace's legacy cloud does not say which are floating: it has none.
    """
    found = {name: [] for name in ("public_ips", "private_ips", "floating_ips")}
    found["fixed_ips"] = []
    for entry in (each for network in addresses.values() for each in network):
        address = entry["addr"]
        is_public = ipaddress.ip_address(address).is_global
        found["public_ips" if is_public else "private_ips"].append(address)
        kind = entry.get("OS-EXT-IPS:type", "fixed")
        found[f"{kind}_ips"].append(address)
    return found


def choose(node, interface, protocol, ignored=None):
    """
    Return the address of a node by which it is reached.

    interface
        ``floating_ips``, ``public_ips``, ``private_ips`` or ``fixed_ips``; None for the
        first of the first three that has one.
    protocol
        ``ipv4`` or ``ipv6``.
    ignored
        A block of addresses that are not used.
    """
    kinds = (interface,) if interface else _PREFERRED
    for kind in kinds:
        for address in node[kind]:
            if _fits(address, protocol, ignored):
                return address
    has = {kind: node[kind] for kind in (*_PREFERRED, "fixed_ips") if node[kind]}
    raise HolodeckError(
        f"ssh_interface: {node['name']} has no {protocol} address among "
        f"{' and '.join(kinds)}; it has {has or 'none'}."
    )


def _fits(address, protocol, ignored):
    parsed = ipaddress.ip_address(address)
    if parsed.version != _VERSIONS[protocol]:
        return False
    return not (ignored and parsed in ipaddress.ip_network(ignored, strict=False))
