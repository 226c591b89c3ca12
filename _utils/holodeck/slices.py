"""
What each host may know: its own part of the definition, as pillar.

A host sees the services placed on it and nothing of other environments.
"""

import hashlib

# Part of every configuration's digest: raise it when the same settings would
# make other units.
FORMAT = 3


def configuration(service, placement):
    """Return everything that makes a host's configuration of a service."""
    return {
        "format": FORMAT,
        "processes": service.processes,
        "port": service.port,
        "socket": service.socket,
        "health": service.health,
        "recipe": [service.recipe, service.build],
        "settings": {**service.settings, **placement.settings},
        "files": {**service.files, **placement.files},
    }


def web(definition, environment, digests, releases, busy):
    """
    Return the slice of a host that runs services.

    digests
        ``{service: digest of its configuration}``.
    releases
        ``{service: last good record or None}``.
    busy
        The services that are being released now.
    """
    services = {}
    for name, placement in environment.services.items():
        content = configuration(definition.services[name], placement)
        services[name] = {
            **content,
            "environment": environment.name,
            "config": digests[name],
            "release": _release(releases.get(name)),
            "busy": name in busy,
        }
    return {
        "environment": environment.name, "role": "web", "services": services,
        **_demanded(definition), **_fetched(definition, environment),
    }  # fmt: skip


def balancer(definition, environment, addresses, listed, paths):
    """
    Return the slice of a balancer: per service its servers.

    listed
        The web hosts that it has to know.
    paths
        ``{service: path by which it checks them}``.

    Raises ``LookupError`` when a server's address is not known: a balancer that
    lost a server by a loss of records would be worse than one left alone.
    """
    # A balancer in the making has none yet, and is nobody's peer.
    peers = [m for m in environment.members("balancer") if m in addresses]
    needed = listed
    if environment.virtual_address and not peers:
        needed = [*needed, *environment.members("balancer")]
    unknown = [m for m in needed if m not in addresses]
    if unknown:
        raise LookupError(
            f"Addresses of {', '.join(unknown)}: are not in the records; release, "
            "which asks the hosts."
        )
    services = {
        name: {
            "listen": placement.listen,
            "port": definition.services[name].port,
            "health": paths[name],
            "servers": [
                {"id": minion, "address": addresses[minion]} for minion in listed
            ],
        }
        for name, placement in environment.services.items()
    }
    found = {"environment": environment.name, "role": "balancer", "services": services}
    if environment.virtual_address:
        found["virtual"] = {
            "address": environment.virtual_address,
            "router": _router(environment),
            "peers": [addresses[m] for m in peers],
        }
    return found


def _router(environment):
    """Return the VRRP router id, 1 to 255: each pair of one network needs its own."""
    digest = hashlib.sha256(environment.virtual_address.encode()).digest()
    return digest[0] % 255 + 1


def other(definition, environment, role):
    """Return the slice of a host without services: a tester or a builder."""
    found = {"environment": environment.name, "role": role}
    if role == "tester":
        settings = {n: p.tests.settings for n, p in environment.services.items()}
        found["suites"] = {name: own for name, own in settings.items() if own}
    if role != "builder":
        asked = _fetched(definition, environment)
        return {**found, **_demanded(definition), **asked}
    placed = [definition.services[name] for name in environment.services]
    # Those to run with too: what libraries are linked to is looked up there.
    wanted = {
        package
        for service in placed
        for use in service.packages.values()
        for package in use
    }
    indexes = [dict(entry) for entry in definition.indexes]
    return {
        **found, "packages": sorted(wanted), "indexes": indexes,
        "signs": bool(definition.signing),
    }  # fmt: skip


def _demanded(definition):
    """Return whose signature a host demands of bundles, where the definition says."""
    if definition.signing is None:
        return {}
    return {"signing": dict(definition.signing)}


def _fetched(definition, environment):
    """Return the mirrors that a host asks before the master, where there are some."""
    own = environment.mirrors
    mirrors = definition.mirrors if own is None else own
    return {"mirrors": list(mirrors)} if mirrors else {}


def _release(record):
    if not record:
        return None
    return {
        "id": record["id"],
        "commit": record["commit"],
        "deployment": record["deployment"],
        "layers": record["bundle"]["layers"],
        "provenance": record["bundle"].get("provenance", {}),
        "signature": record["bundle"].get("signature", ""),
        "platform": record["bundle"].get("platform", ""),
    }
