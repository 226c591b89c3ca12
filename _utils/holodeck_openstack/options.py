"""A profile's options, checked: what a server is to be, in a user's names."""

import ipaddress
from dataclasses import dataclass, field, fields
from typing import Any

from holodeck_openstack.errors import OptionError

INTERFACES = ("floating_ips", "public_ips", "private_ips", "fixed_ips")
_PROTOCOLS = ("ipv4", "ipv6")
_BY_CALL = "call create_server, with everything that the SDK takes"
#: Options of Salt 3007's driver, and what says the same now.
REPLACED = {
    "admin_pass": _BY_CALL,
    "auto_ip": "floating_ip: True",
    "block_device_mapping": "volume_gb, or boot_volume",
    "block_device_mapping_v2": "volume_gb, or boot_volume",
    "boot_from_volume": "volume_gb",
    "disk_config": _BY_CALL,
    "extra": _BY_CALL,
    "files": "userdata_file, which can write files",
    "flavor": "size",
    "group": "server_group",
    "ip_pool": "floating_ip: NETWORK",
    "ips": "floating_ip: ADDRESS",
    "instance_id": "the driver saltify, which takes over what exists",
    "key_name": "ssh_key_name",
    "nat_destination": "networks, whose first one with IPv4 gets the floating address",
    "network": "networks, a list",
    "nics": "networks, a list",
    "reservation_id": _BY_CALL,
    "reuse_ips": "floating_ip: ADDRESS",
    "root_volume": "boot_volume",
    "terminate_volume": "keep_volume, its opposite",
    "timeout": "boot_timeout",
    "userdata": "userdata_file",
    "volume_size": "volume_gb",
    "volumes": "volume_gb or boot_volume, and call attach_volume for more",
}


@dataclass(frozen=True)
class Options:
    """What a profile may say of a server; ``docs/openstack.rst`` has what it means."""

    image: str | None = None
    size: str | None = None
    networks: list = field(default_factory=list)
    security_groups: list = field(default_factory=list)
    ssh_key_name: str | None = None
    public_key_file: str | None = None
    ssh_key_file: str | None = None
    userdata_file: str | None = None
    config_drive: bool | None = None
    meta: dict = field(default_factory=dict)
    availability_zone: str | None = None
    server_group: str | None = None
    scheduler_hints: dict = field(default_factory=dict)
    volume_gb: int | None = None
    volume_type: str | None = None
    boot_volume: str | None = None
    keep_volume: bool = False
    floating_ip: Any = None
    ssh_interface: str | None = None
    salt_interface: str | None = None
    protocol: str = "ipv4"
    ignore_cidr: str | None = None
    wait_for_metadata: dict = field(default_factory=dict)
    boot_timeout: int = 600
    keep_failed: bool = False


NAMES = tuple(each.name for each in fields(Options))
_LISTS = ("networks", "security_groups")
_TABLES = ("meta", "scheduler_hints", "wait_for_metadata")
_TEXTS = (
    "image", "size", "ssh_key_name", "public_key_file", "ssh_key_file", "userdata_file",
    "availability_zone", "server_group", "volume_type", "boot_volume", "ignore_cidr",
)  # fmt: skip
_FLAGS = ("config_drive", "keep_volume", "keep_failed")
_NUMBERS = {"volume_gb": "gigabytes", "boot_timeout": "seconds"}
_NETWORK_KEYS = {"network", "fixed_ip", "port"}


def parse(given):
    """
    Return the :class:`Options` of ``{name: value}``; a value of None is not given.

    Raises :class:`OptionError` that names every fault.
    """
    given = {name: value for name, value in given.items() if value is not None}
    found = list(_faults(given))
    if found:
        raise OptionError("; ".join(found))
    # A name or an id of digits alone is a number to YAML.
    texts = {name: str(given[name]) for name in _TEXTS if name in given}
    known = {name: given[name] for name in NAMES if name in given}
    # nova's metadata are texts.
    for name in ("meta", "wait_for_metadata"):
        known[name] = {str(k): str(v) for k, v in given.get(name, {}).items()}
    return Options(**{**known, **texts})


def _faults(given):
    for name in sorted(REPLACED.keys() & given.keys()):
        yield f"{name}: was an option of Salt 3007's driver; use {REPLACED[name]}"
    yield from _kinds(given)
    yield from _source(given)
    for name, legal in (
        ("ssh_interface", INTERFACES), ("salt_interface", INTERFACES),
        ("protocol", _PROTOCOLS),
    ):  # fmt: skip
        if name in given and given[name] not in legal:
            yield f"{name}: {given[name]!r} should be one of {', '.join(legal)}"
    if "ssh_key_name" in given and "public_key_file" in given:
        yield "public_key_file: is for a server without ssh_key_name; use one of them"
    for entry in _listed(given, "networks"):
        yield from _network(entry)
        if isinstance(entry, dict) and "port" in entry and given.get("security_groups"):
            yield (
                f"security_groups: do not reach the port {entry['port']!r}, which has "
                "its own; leave them out, and set them at the port"
            )


def _kinds(given):
    for names, kinds, shape in (
        (_LISTS, list, "a list"),
        (_TABLES, dict, "keys with values"),
        (_FLAGS, bool, "True or False"),
        (_TEXTS, (str, int, float), "a text"),
    ):
        for name in names:
            value = given.get(name)
            fits = isinstance(value, kinds) and isinstance(value, bool) == (
                kinds is bool
            )
            if name in given and not fits:
                yield f"{name}: {value!r} should be {shape}"
    for name, unit in _NUMBERS.items():
        value = given.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
            yield f"{name}: {value!r} should be a number of {unit} above 0"
    if "ignore_cidr" in given and not _is_block(given["ignore_cidr"]):
        yield f"ignore_cidr: {given['ignore_cidr']!r} should be like 10.0.0.0/8"


def _source(given):
    if "size" not in given:
        yield "size: is missing; name a flavor, see salt-cloud --list-sizes"
    if "boot_volume" in given:
        for name in ("image", "volume_gb", "volume_type"):
            if name in given:
                yield f"{name}: the server boots from boot_volume; leave one out"
    elif "image" not in given:
        yield "image: is missing; name one, see salt-cloud --list-images"
    if "volume_type" in given and "volume_gb" not in given:
        yield "volume_type: needs volume_gb, the size of the volume to boot from"


def _network(entry):
    if isinstance(entry, dict):
        unknown = entry.keys() - _NETWORK_KEYS
        if unknown or len(entry.keys() & {"network", "port"}) != 1:
            yield (
                f"networks: {entry!r} should have either `network`, with or without "
                "`fixed_ip`, or `port`"
            )
        elif "fixed_ip" in entry and not _is_address(entry["fixed_ip"]):
            yield f"networks: fixed_ip {entry['fixed_ip']!r} should be an address"
    elif not isinstance(entry, str):
        yield f"networks: {entry!r} should be a name or an id"


def _listed(given, name):
    return given[name] if isinstance(given.get(name), list) else []


def _is_block(text):
    try:
        return bool(ipaddress.ip_network(str(text), strict=False))
    except ValueError:
        return False


def _is_address(text):
    try:
        return bool(ipaddress.ip_address(str(text)))
    except ValueError:
        return False


def is_address(value):
    """Tell whether ``floating_ip`` is an address of its own."""
    return isinstance(value, str) and _is_address(value)
