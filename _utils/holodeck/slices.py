"""
What each host may know: its own part of the definition, as pillar.

A host sees the services placed on it and nothing of other environments.
"""

# Part of every configuration's digest: raise it when the same settings would
# make other units.
FORMAT = 1


def configuration(service, placement):
    """Return everything that makes a host's configuration of a service."""
    return {
        "format": FORMAT,
        "processes": service.processes,
        "port": service.port,
        "health": service.health,
        "settings": {**service.settings, **placement.settings},
        "files": {**service.files, **placement.files},
    }


def web(definition, environment, digests, releases):
    """
    Return the slice of a host that runs services.

    digests
        ``{service: digest of its configuration}``.
    releases
        ``{service: last good record or None}``.
    """
    services = {}
    for name, placement in environment.services.items():
        content = configuration(definition.services[name], placement)
        services[name] = {
            **content,
            "environment": environment.name,
            "config": digests[name],
            "release": _release(releases.get(name)),
        }
    return {"environment": environment.name, "role": "web", "services": services}


def balancer(definition, environment, addresses):
    """
    Return the slice of a balancer: per service its servers, by the definition.

    A server without a known address has never been made, and is left out.
    """
    services = {
        name: {
            "listen": placement.listen,
            "port": definition.services[name].port,
            "health": definition.services[name].health,
            "servers": [
                {"id": minion, "address": addresses[minion]}
                for minion in environment.members("web")
                if minion in addresses
            ],
        }
        for name, placement in environment.services.items()
    }
    return {"environment": environment.name, "role": "balancer", "services": services}


def other(environment, role):
    """Return the slice of a host without services: a tester or a builder."""
    return {"environment": environment.name, "role": role}


def _release(record):
    if not record:
        return None
    return {
        "id": record["id"],
        "commit": record["commit"],
        "deployment": record["deployment"],
        "layers": record["bundle"]["layers"],
    }
