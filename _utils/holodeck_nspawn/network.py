"""The bridge of a provider, and the cable from it to each host."""

import dataclasses
import hashlib
import ipaddress
import json
from pathlib import Path

from holodeck_io.errors import HolodeckError
from holodeck_io.process import run

# The host's end of its cable, as the host sees it.
INTERFACE = "host0"
# What a bridge's alias begins with; the folder of its provider follows.
_MARK = "holodeck:"
_NAMESPACES = Path("/run/netns")
_FORWARDING = "3"
_DISABLED = "0"


def bridge_up(provider):
    """
    Make the provider's bridge, if it is not there, and give it the gateway's address.

    The caller holds the network's lock. Raises :class:`HolodeckError` when the bridge
    belongs to another provider, or when its addresses are in use elsewhere.
    """
    alias = _bridge_alias(provider)
    if alias not in (None, _owner(provider)):
        raise HolodeckError(
            f"bridge {provider.bridge}: belongs to {alias or 'something else'}, not to "
            f"{provider.directory}; give this provider a bridge of its own."
        )
    _refuse_overlap(provider)
    if alias is None:
        _ip("-", stdin="\n".join(bridge_commands(provider)))


def holder(provider):
    """Return the provider that has the bridge of this name; None where none has."""
    alias = _bridge_alias(provider) or ""
    if not alias.startswith(_MARK):
        return None
    return dataclasses.replace(provider, directory=Path(alias.removeprefix(_MARK)))


def bridge_commands(provider):
    """Return the lines for ``ip -batch`` that make the bridge."""
    name = provider.bridge
    digest = hashlib.sha256(_owner(provider).encode()).hexdigest()
    octets = ":".join(digest[i : i + 2] for i in range(0, 10, 2))
    return [
        # Without an address of its own a bridge takes its ports' lowest, which changes
        # as hosts come and go, and their neighbours would talk to the old one.
        f"link add {name} address 02:{octets} type bridge forward_delay 0",
        f"link set {name} alias {_owner(provider)}",
        f"addr add {provider.gateway}/{provider.network.prefixlen} dev {name}",
        f"link set {name} up",
    ]


def bridge_down(provider):
    """Remove the provider's bridge, if it is there and its own."""
    if _bridge_alias(provider) == _owner(provider):
        run(["ip", "link", "delete", provider.bridge])


def plug(provider, name, address):
    """Give the host a network namespace, and a cable from there to the bridge."""
    was_cut = is_cut(provider, name)
    # A driver killed half-way leaves parts, an earlier boot leaves rules: start anew.
    unplug(provider, name)
    namespace = provider.namespace(name)
    _ip("-", stdin="\n".join(plug_commands(provider, name)))
    inside = [
        "link set lo up",
        # By the address: a host made anew is not sought at the old one's for seconds.
        f"link set {INTERFACE} address {_hardware(address)}",
        f"addr add {address}/{provider.network.prefixlen} dev {INTERFACE}",
        f"link set {INTERFACE} up",
    ]
    _ip("-", "-n", namespace, stdin="\n".join(inside))
    if was_cut:
        cut(provider, name)


def _hardware(address):
    octets = ipaddress.ip_address(str(address)).packed
    return "02:01:" + ":".join(f"{octet:02x}" for octet in octets)


def plug_commands(provider, name):
    """Return the lines for ``ip -batch`` that make the namespace and the cable."""
    namespace, link = provider.namespace(name), provider.link(name)
    return [
        f"netns add {namespace}",
        f"link add {link} type veth peer name {INTERFACE} netns {namespace}",
        f"link set {link} master {provider.bridge} up",
    ]


def unplug(provider, name):
    """Remove the host's cable and its network namespace, as far as they are there."""
    run(["ip", "link", "delete", provider.link(name)], check=False)
    if (_NAMESPACES / provider.namespace(name)).exists():
        run(["ip", "netns", "delete", provider.namespace(name)])


def cut(provider, name):
    """
    Let the bridge drop what comes from and goes to the host.

    The host's interface stays up, as when a switch fails: nothing is refused,
    everything is silence.
    """
    run(port_argv(provider, name, _DISABLED))


def mend(provider, name):
    """Undo :func:`cut`."""
    run(port_argv(provider, name, _FORWARDING))


def is_cut(provider, name):
    """Return whether the host is :func:`cut` off."""
    show = ["bridge", "-j", "link", "show", "dev", provider.link(name)]
    done = run(show, check=False)
    ports = json.loads(done.stdout or "[]") if not done.returncode else []
    return any(port.get("state") == "disabled" for port in ports)


def port_argv(provider, name, state):
    """Return the command that sets the state of the host's port on the bridge."""
    return ["bridge", "link", "set", "dev", provider.link(name), "state", state]


def namespaces(provider):
    """Return the names of hosts that have a namespace, with a record or without."""
    prefix = f"{provider.tag}."
    found = _NAMESPACES.glob(f"{prefix}*")
    return sorted(path.name.removeprefix(prefix) for path in found)


def _owner(provider):
    return f"{_MARK}{provider.directory}"


def _bridge_alias(provider):
    # None: there is no such bridge. Empty: it is not ours.
    try:
        return Path(f"/sys/class/net/{provider.bridge}/ifalias").read_text().strip()
    except FileNotFoundError:
        return None


def _refuse_overlap(provider):
    for link in json.loads(run(["ip", "-j", "address", "show"]).stdout or "[]"):
        for each in link.get("addr_info", []):
            if link["ifname"] == provider.bridge or each.get("family") != "inet":
                continue
            used = ipaddress.ip_network(f"{each['local']}/{each['prefixlen']}", False)
            if used.overlaps(provider.network):
                raise HolodeckError(
                    f"network {provider.network}: overlaps {used} on {link['ifname']}; "
                    "give this provider another network."
                )


def _ip(batch, *options, stdin):
    run(["ip", *options, "-batch", batch], stdin=stdin + "\n")
