"""Names that a user writes, looked up before anything is made; ids go on from here."""

from holodeck_openstack import options, sdk
from holodeck_openstack.errors import OptionError, explained

_SHOWN = 20


class Names:
    """The names of one profile, looked up; faults are collected."""

    def __init__(self, connection):
        self._connection = connection
        self._faults = []

    def check(self):
        """Raise :class:`OptionError` that names every fault so far."""
        if self._faults:
            raise OptionError("; ".join(self._faults))

    def image(self, name):
        """Return the id of an image."""
        return self._one("image", name, "image", "images")

    def size(self, name):
        """Return the id of a flavor."""
        return self._one("size", name, "compute", "flavors")

    def key(self, name):
        """Return a key pair's name, which is its id too."""
        return self._one("ssh_key_name", name, "compute", "keypairs", key="name")

    def group(self, name):
        """Return the id of a server group."""
        return self._one("server_group", name, "compute", "server_groups")

    def zone(self, name):
        """Return the name of an availability zone, or as given with a host: ``z:h``."""
        with explained("availability_zone: the zones were not listed"):
            zones = list(self._connection.compute.availability_zones())
        names = [zone.name for zone in zones if (zone.state or {}).get("available")]
        if name.split(":")[0] not in names:
            self._unknown("availability_zone", name, names)
        return name

    def security_groups(self, names):
        """Return security groups as nova takes them, each once."""
        ids = [
            self._one("security_groups", name, "network", "security_groups", ours=True)
            for name in names
        ]
        return [{"name": found} for found in dict.fromkeys(ids)]

    def network(self, name):
        """Return the id of a network."""
        return self._one("network", name, "network", "networks")

    def networks(self, entries):
        """Return networks as nova takes them, in the order of the interfaces."""
        return [self._interface(entry) for entry in entries]

    def external_network(self, wanted):
        """Return the id of the network that floating addresses come from."""
        query = {"is_router_external": True}
        if wanted is not True:
            return self._one("floating_ip", wanted, "network", "networks", query=query)
        with explained("floating_ip: the external networks were not listed"):
            found = list(self._connection.network.networks(**query))
        if len(found) == 1:
            return found[0].id
        self._faults.append(
            f"floating_ip: the cloud has {len(found)} external networks"
            + (f", name one: {_shown(each.name for each in found)}" if found else "")
        )
        return None

    def floating_ip(self, address):
        """Return the id of a floating address that exists and is free."""
        network = self._connection.network
        with explained("floating_ip: the addresses were not listed"):
            # An administrator's list has those of every project.
            project = self._connection.current_project_id
            found = list(network.ips(project_id=project))
        for each in found:
            if each.floating_ip_address == address and not each.port_id:
                return each.id
        free = [each.floating_ip_address for each in found if not each.port_id]
        self._unknown("floating_ip", address, free, "a free address of the project's")
        return None

    def _interface(self, entry):
        if isinstance(entry, str):
            entry = {"network": entry}
        if "port" in entry:
            return {"port": self._one("networks", entry["port"], "network", "ports")}
        found = {"uuid": self._one("networks", entry["network"], "network", "networks")}
        if "fixed_ip" in entry:
            found["fixed_ip"] = str(entry["fixed_ip"])
        return found

    def _one(self, option, name, service, listing, *, query=None, key="id", ours=False):
        """
        Return the id of the only thing that has ``name`` as its id or its name.

        ours
            Of several, take the project's own.
        """
        if not self._connection.has_service(service):
            self._faults.append(f"{option}: the cloud has no {service} service")
            return None
        every = getattr(getattr(self._connection, service), listing)
        query = query or {}
        with explained(f"{option}: the {listing.replace('_', ' ')} were not listed"):
            found = list(every(**query, **_narrow(service, name)))
            same = [each for each in found if name in (getattr(each, key), each.name)]
            if ours and len(same) > 1:
                same = self._ours(same)
            if not same:
                legal = [each.name or each.id for each in every(**query)]
        if len(same) == 1:
            return getattr(same[0], key)
        if same:
            ids = _shown(each.id for each in same)
            self._faults.append(
                f"{option}: {len(same)} are named {name!r}; use an id: {ids}"
            )
        else:
            self._unknown(option, name, legal)
        return None

    def _ours(self, found):
        # An administrator sees a `default` of every project.
        project = self._connection.current_project_id
        return [each for each in found if each.project_id == project] or found

    def _unknown(self, option, name, legal, kind="known"):
        shown = f"there are {_shown(legal)}" if legal else "there are none"
        self._faults.append(f"{option}: {name!r} is not {kind}; {shown}")


def _narrow(service, name):
    """Return what makes a list short, where the service can search by itself."""
    if service == "compute":
        return {}
    return {"id": name} if sdk.is_id(name) else {"name": name}


def server_request(connection, wanted):
    """
    Return ``(request, floating)``: what nova is asked for, and which floating address.

    ``request`` lacks the server's name, metadata, key of its own and user data;
    ``floating`` is None, ``{"network": ID}`` or ``{"address": ID}``.

    Raises :class:`OptionError` that names every option at fault, and what is legal.
    """
    names = Names(connection)
    request = {
        "flavor_id": names.size(wanted.size),
        "networks": names.networks(wanted.networks) or "auto",
        **_boot(names, wanted),
        **_extras(names, wanted),
    }
    with explained("networks: nova's version was not found out"):
        chooses = sdk.takes_automatic_networks(connection)
    if request["networks"] == "auto" and not chooses:
        del request["networks"]
    floating = _floating(names, wanted.floating_ip)
    names.check()
    return request, floating


def _boot(names, wanted):
    if wanted.boot_volume:
        volume = {"source_type": "volume", "uuid": wanted.boot_volume}
    elif wanted.volume_gb:
        volume = {
            "source_type": "image",
            "uuid": names.image(wanted.image),
            "volume_size": int(wanted.volume_gb),
        }
        if wanted.volume_type:
            volume["volume_type"] = wanted.volume_type
    else:
        return {"image_id": names.image(wanted.image)}
    ours = not (wanted.keep_volume or wanted.boot_volume)
    common = {"boot_index": 0, "destination_type": "volume"}
    return {"block_device_mapping": [
        {**common, **volume, "delete_on_termination": ours}
    ]}  # fmt: skip


def _extras(names, wanted):
    hints = dict(wanted.scheduler_hints)
    if wanted.server_group:
        hints["group"] = names.group(wanted.server_group)
    found = {
        "key_name": wanted.ssh_key_name and names.key(wanted.ssh_key_name),
        "availability_zone": wanted.availability_zone
        and names.zone(wanted.availability_zone),
        "security_groups": names.security_groups(wanted.security_groups),
        "has_config_drive": wanted.config_drive,
        "scheduler_hints": hints,
    }
    # nova refuses an option that is there and empty.
    return {key: value for key, value in found.items() if value}


def _floating(names, wanted):
    if not wanted:
        return None
    if options.is_address(wanted):
        return {"address": names.floating_ip(wanted)}
    return {"network": names.external_network(wanted)}


def _shown(names):
    every = sorted(str(name) for name in names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more
