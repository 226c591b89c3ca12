"""
What services and environments are made of, read from pillar and checked.

``pillar/holodeck/example.sls`` shows every key with its meaning.
"""

import ipaddress
import re

from holodeck import (
    fields,
    gpg,
    index_text,
    mirror_rules,
    placement_rules,
    schema,
    service_rules,
)
from holodeck.model import (
    HOSTS_MAX,
    ROLES,
    Definition,
    Environment,
    Hosts,
    InvalidDefinitionError,
)


def parse(data):
    """
    Return the :class:`Definition` in ``data``, pillar's ``holodeck`` key.

    Raises :class:`InvalidDefinitionError` with all faults, one a line.
    """
    faults = schema.Faults()
    root = schema.mapping(data, "holodeck", _ROOT, faults)
    services = {
        name: service_rules.service(name, value, faults)
        for name, value in root.get("services", {}).items()
    }
    environments = {
        name: _environment(name, value, faults)
        for name, value in root.get("environments", {}).items()
    }
    _check_signing(root.get("signing"), faults)
    _check_indexes(root.get("indexes", []), faults)
    measured = schema.mapping(root.get("metrics", {}), "metrics", _METRICS, faults)
    if not faults:
        _cross_check(services, environments, faults)
    if faults:
        raise InvalidDefinitionError(
            "The definition in pillar has faults:\n" + "\n".join(faults)
        )
    return Definition(
        services,
        {name: each for name, each in environments.items() if not each.ephemeral},
        {name: each for name, each in environments.items() if each.ephemeral},
        indexes=tuple(root.get("indexes", ())),
        signing=root.get("signing"),
        metrics=measured,
        mirrors=tuple(root.get("mirrors", ())),
    )


def _check_signing(data, faults):
    """
    The private key stays on builders; hosts get the public one.

    An empty one says that nobody's is demanded any more: a lost one would not.
    """
    if data is None or data == {}:
        return
    values = schema.mapping(data, "signing", _SIGNING, faults)
    try:
        gpg.fingerprint(values.get("key", ""))
    except ValueError as error:
        faults.add("signing/key", str(error))


def _check_indexes(entries, faults):
    try:
        index_text.checked(entries)
    except index_text.InvalidIndexError as error:
        faults.add("indexes", str(error).rstrip("."))


def _environment(name, data, faults):
    path = f"environments/{name}"
    fields.check_name(name, path, faults)
    values = schema.mapping(data, path, _ENVIRONMENT, faults)
    hosts = {
        role: _hosts(role, group, f"{path}/hosts/{role}", faults)
        for role, group in values.get("hosts", {}).items()
    }
    placed = {
        service: placement_rules.placement(
            service, place, f"{path}/services/{service}", faults
        )
        for service, place in values.get("services", {}).items()
    }
    short_lived = {}
    if "ephemeral" in values:
        place = f"{path}/ephemeral"
        limits = schema.mapping(values["ephemeral"], place, _EPHEMERAL, faults)
        short_lived = {"most": 3, "hours": 4, **limits}
    if faults:
        return None
    virtual = values.get("virtual_address", "")
    cidr = values.get("cidr", "")
    own = tuple(values["mirrors"]) if "mirrors" in values else None
    return Environment(name, hosts, placed, cidr, virtual, short_lived, own)


def _hosts(role, data, path, faults):
    if role not in ROLES:
        faults.add(path, f"is not a role; the roles are {', '.join(ROLES)}")
        return None
    values = schema.mapping(data, path, _HOSTS, faults)
    if bool(values.get("ids")) == bool(values.get("profile")):
        faults.add(path, "needs either ids, or a profile and a count")
    each = tuple(values.get("each", ()))
    count = len(each) or values.get("count", 0)
    if values.get("profile") and not count:
        faults.add(f"{path}/count", "is missing: how many hosts the profile makes")
    if each and (values.get("ids") or "count" in values):
        faults.add(
            f"{path}/each", "has a profile's hosts, one by one: without ids, count"
        )
    return Hosts(values.get("profile", ""), count, tuple(values.get("ids", ())), each)


def _cross_check(services, environments, faults):
    owners, machines = {}, {}
    for environment in environments.values():
        path = f"environments/{environment.name}"
        for name in environment.services:
            if name not in services:
                faults.add(
                    f"{path}/services/{name}",
                    f"is not a service; the services are {_listing(services)}",
                )
                continue
            if environment.services[name].push and not services[name].webhook:
                faults.add(
                    f"{path}/services/{name}/push",
                    f"is for webhooks; services/{name}/webhook is missing",
                )
            placed = environment.services[name].tests.settings
            for setting in service_rules.header_settings(services[name].contract):
                if setting not in placed:
                    faults.add(
                        f"{path}/services/{name}/tests/settings/{setting}",
                        f"is missing; services/{name}/contract/headers asks for it",
                    )
        for minion in environment.all_members():
            if minion in owners:
                faults.add(
                    f"{path}/hosts",
                    f"{minion} is already a host of {owners[minion]}",
                )
            owners[minion] = path
        _check_machines(environment, machines, faults)
        _check_ephemeral(environment, path, faults)
        _check_balancer(environment, services, path, faults)
        _check_ports(environment, services, path, faults)
        placement_rules.check_replacing(environment, path, faults)


def _check_machines(environment, machines, faults):
    """A machine that exists is taken over once, as one host."""
    for host, options in environment.options().items():
        if "ssh_host" not in options:
            continue
        place = (options["ssh_host"], options.get("ssh_port", 22))
        if place in machines:
            faults.add(
                f"environments/{environment.name}/hosts",
                f"{host} has the ssh_host {place[0]} of {machines[place]}",
            )
        machines.setdefault(place, host)


def _check_ephemeral(environment, path, faults):
    """What a push makes has hosts of its own, and nothing that is there once."""
    patterns = {name: each.push for name, each in environment.services.items()}
    if not environment.ephemeral:
        for name, pattern in patterns.items():
            if "*" in pattern:
                faults.add(
                    f"{path}/services/{name}/push",
                    f"{pattern} is a pattern, which is for an `ephemeral` environment",
                )
        return
    if not any(patterns.values()):
        faults.add(f"{path}/ephemeral", "needs a service with `push`: which branches")
    once = any(each.ids or each.each for each in environment.hosts.values())
    if environment.virtual_address or once:
        faults.add(
            f"{path}/hosts",
            "come from profiles in an ephemeral environment, without each and "
            "virtual_address",
        )
    if len(environment.name) > _TEMPLATE_MAX:
        faults.add(path, f"is ephemeral, and has more than {_TEMPLATE_MAX} letters")


def _check_balancer(environment, services, path, faults):
    """Something has to hold connections while a host switches."""
    there = bool(environment.members("balancer"))
    if environment.virtual_address and not there:
        faults.add(f"{path}/virtual_address", "is for balancers, and there is none")
    for name, placement in environment.services.items():
        if there and not placement.listen:
            faults.add(f"{path}/services/{name}/listen", "is missing")
        if not there and placement.rollout.failures:
            faults.add(
                f"{path}/services/{name}/rollout/failures",
                "needs a balancer: nothing else keeps users from a host that failed",
            )
        if not there and name in services and not services[name].socket:
            faults.add(
                f"{path}/hosts",
                f"has no balancer, and {name} no `socket: true`, by which systemd "
                "holds its connections while it switches",
            )


def _is_interface(value):
    try:
        ipaddress.ip_interface(value)
    except ValueError:
        return False
    return isinstance(value, str) and "/" in value


def _check_ports(environment, services, path, faults):
    """Two services of one environment share hosts, and a port has one owner."""
    owners = {}
    for name in environment.services:
        port = services[name].port if name in services else None
        if port in owners:
            faults.add(
                f"{path}/services/{name}",
                f"listens on port {port} of the same hosts as {owners[port]}",
            )
        owners.setdefault(port, name)
    binds = {}
    for name, placement in environment.services.items():
        if not placement.listen:
            continue
        bind = placement.listen.split()[0]
        if bind in binds:
            faults.add(
                f"{path}/services/{name}/listen",
                f"{bind} is the bind of {binds[bind]} already",
            )
        binds.setdefault(bind, name)


def _listing(values):
    return ", ".join(sorted(values)) or "none"


_text = schema.text()
_ROOT = {
    "services": schema.Key(schema.table(), required=True),
    "environments": schema.Key(schema.table(), required=True),
    "indexes": schema.Key(schema.sequence(dict)),
    "signing": schema.Key(schema.table()),
    "metrics": schema.Key(schema.table()),
    "mirrors": schema.Key(mirror_rules.check),
}
# As node exporter takes files: those alone.
_PROM = schema.text(re.compile(r"/.+\.prom"), "should be a whole path to a .prom")
_METRICS = {"file": schema.Key(_PROM)}
_SIGNING = {
    "key": schema.Key(_text, required=True),
    "public_keys": schema.Key(_text, required=True),
}
_ENVIRONMENT = {
    "hosts": schema.Key(schema.table(), required=True),
    "services": schema.Key(schema.table()),
    "cidr": schema.Key(_text),
    "ephemeral": schema.Key(schema.table()),
    "mirrors": schema.Key(mirror_rules.check),
    "virtual_address": schema.Key(
        schema.check(_is_interface, "is no address with its network, as 10.0.0.9/24")
    ),
}
_TEMPLATE_MAX = 12
_EPHEMERAL = {
    "most": schema.Key(schema.integer(1, 100)),
    "hours": schema.Key(schema.integer(1, 24 * 30)),
}
_HOSTS = {
    "profile": schema.Key(_text),
    "count": schema.Key(schema.integer(1, HOSTS_MAX)),
    "ids": schema.Key(schema.sequence(str)),
    "each": schema.Key(schema.sequence(dict)),
}
