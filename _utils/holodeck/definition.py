"""
What services and environments are made of, read from pillar and checked.

``pillar/holodeck/example.sls`` shows every key with its meaning.
"""

import re
import shlex

from holodeck import names, schema
from holodeck.model import (
    ROLES,
    Definition,
    Environment,
    Hosts,
    InvalidDefinitionError,
    Placement,
    Rollout,
    Service,
)

_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
# Without the sign that begins a comment in HAProxy's configuration.
_PATH = re.compile(r"/[!\"$-~]*")
# No password in it: commands, errors and records show it.
_REPOSITORY = re.compile(
    r"(?!-)(?!(?i:https?)://[^/@]*@)(?![A-Za-z+]+://[^/@]*:[^/@]*@)\S+"
)
_PORT_MAX = 65535
_RELATIVE = re.compile(r"(?!/)(?!.*(^|/)\.\.(/|$))[!-~]+")
_RESERVED_SETTINGS = frozenset(
    {
        "PORT",
        "HOLODECK_SERVICE",
        "HOLODECK_COMMIT",
        "HOLODECK_ENVIRONMENT",
        "HOLODECK_DEPLOYMENT",
    }
)
_HOSTS_MAX = 500


def parse(data):
    """
    Return the :class:`Definition` in ``data``, pillar's ``holodeck`` key.

    Raises :class:`InvalidDefinitionError` with all faults, one a line.
    """
    faults = schema.Faults()
    root = schema.mapping(data, "holodeck", _ROOT, faults)
    services = {
        name: _service(name, value, faults)
        for name, value in root.get("services", {}).items()
    }
    environments = {
        name: _environment(name, value, faults)
        for name, value in root.get("environments", {}).items()
    }
    if not faults:
        _cross_check(services, environments, faults)
    if faults:
        raise InvalidDefinitionError(
            "The definition in pillar has faults:\n" + "\n".join(faults)
        )
    return Definition(services, environments)


def command(text):
    """Return a process's command line as the words that will be run."""
    return shlex.split(text)


def _service(name, data, faults):
    path = f"services/{name}"
    _check_name(name, path, faults)
    values = schema.mapping(data, path, _SERVICE, faults)
    if not (values.get("repository") or values.get("requirements")):
        faults.add(path, "needs a repository (git), or requirements (a hashed lock)")
    if values.get("requirements") and "--hash=" not in values["requirements"]:
        faults.add(f"{path}/requirements", "has no hashes; lock with --generate-hashes")
    for key in ("suite", "suite_lock"):
        if values.get(key) and not values.get("repository"):
            faults.add(f"{path}/{key}", "is a path in a repository, and there is none")
    if not (values.get("suite") or values.get("checks")):
        faults.add(path, "needs a suite (a folder of tests), or checks")
    for process, line in values.get("processes", {}).items():
        _check_name(process, f"{path}/processes/{process}", faults)
        _check_command(line, f"{path}/processes/{process}", faults)
    _check_settings(values, path, faults)
    if faults:
        return None
    return Service(name=name, **values)


def _environment(name, data, faults):
    path = f"environments/{name}"
    _check_name(name, path, faults)
    values = schema.mapping(data, path, _ENVIRONMENT, faults)
    hosts = {
        role: _hosts(role, group, f"{path}/hosts/{role}", faults)
        for role, group in values.get("hosts", {}).items()
    }
    placed = {
        service: _placement(service, place, f"{path}/services/{service}", faults)
        for service, place in values.get("services", {}).items()
    }
    if faults:
        return None
    return Environment(name, hosts, placed, values.get("cidr", ""))


def _hosts(role, data, path, faults):
    if role not in ROLES:
        faults.add(path, f"is not a role; the roles are {', '.join(ROLES)}")
        return None
    values = schema.mapping(data, path, _HOSTS, faults)
    if bool(values.get("ids")) == bool(values.get("profile")):
        faults.add(path, "needs either ids, or a profile and a count")
    if values.get("profile") and not values.get("count"):
        faults.add(f"{path}/count", "is missing: how many hosts the profile makes")
    return Hosts(
        values.get("profile", ""), values.get("count", 0), tuple(values.get("ids", ()))
    )


def _placement(service, data, path, faults):
    values = schema.mapping(data, path, _PLACEMENT, faults)
    rollout = schema.mapping(
        values.pop("rollout", {}), f"{path}/rollout", _ROLLOUT, faults
    )
    _check_settings(values, path, faults)
    if faults:
        return None
    return Placement(service=service, rollout=Rollout(**rollout), **values)


def _check_name(name, path, faults):
    if not names.is_name(name):
        faults.add(
            path,
            f"{name!r} is not a name; use lower-case letters, digits and single "
            f"hyphens, {names.NAME_MAX} at most, not ending in {names.SUITE_SUFFIX}",
        )


def _check_command(line, path, faults):
    try:
        words = command(line) if isinstance(line, str) else []
    except ValueError as error:
        faults.add(path, f"{line!r} has unbalanced quotes ({error})")
        return
    if not words or "\n" in line:
        faults.add(path, f"{line!r} is not a command line; write one line of words")


def _check_settings(values, path, faults):
    for key, value in values.get("settings", {}).items():
        where = f"{path}/settings/{key}"
        if not _SETTING.fullmatch(str(key)) or key in _RESERVED_SETTINGS:
            faults.add(where, "is not a free name of an environment variable")
        # The value is never shown: it may be a secret.
        if isinstance(value, (dict, list)) or value is None:
            faults.add(where, "must be text, a number or a boolean")
    for key, value in values.get("files", {}).items():
        if not _FILE.fullmatch(str(key)) or not isinstance(value, str):
            faults.add(f"{path}/files/{key}", "must be a plain file name with text")


def _cross_check(services, environments, faults):
    owners = {}
    for environment in environments.values():
        path = f"environments/{environment.name}"
        for name in environment.services:
            if name not in services:
                faults.add(
                    f"{path}/services/{name}",
                    f"is not a service; the services are {_listing(services)}",
                )
        for minion in environment.all_members():
            if minion in owners:
                faults.add(
                    f"{path}/hosts",
                    f"{minion} is already a host of {owners[minion]}",
                )
            owners[minion] = path
        _check_ports(environment, services, path, faults)


def _is_bind(value):
    """Tell whether HAProxy can listen on it: an address, a colon and a port."""
    text = value if isinstance(value, str) and "\n" not in value else ""
    words = text.split() or [""]
    port = words[0].rpartition(":")[2]
    return ":" in words[0] and port.isdecimal() and 0 < int(port) <= _PORT_MAX


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
}
_SERVICE = {
    "repository": schema.Key(
        schema.check(
            lambda value: isinstance(value, str) and _REPOSITORY.fullmatch(value),
            "is no URL without a password; let the builder's git have credentials",
            secret=True,
        )
    ),
    "branch": schema.Key(schema.check(names.is_ref, "is not a branch name")),
    "lock": schema.Key(schema.text(_RELATIVE)),
    "requirements": schema.Key(_text),
    "python": schema.Key(schema.text(re.compile(r"/[\w./-]+"))),
    "packager": schema.Key(schema.one_of("nfpm", "fpm")),
    "processes": schema.Key(schema.table(), required=True),
    "port": schema.Key(schema.integer(1, 65535), required=True),
    "health": schema.Key(schema.text(_PATH)),
    "suite": schema.Key(schema.text(_RELATIVE)),
    "suite_lock": schema.Key(schema.text(_RELATIVE)),
    "checks": schema.Key(schema.sequence()),
    "settings": schema.Key(schema.table()),
    "files": schema.Key(schema.table()),
}
_ENVIRONMENT = {
    "hosts": schema.Key(schema.table(), required=True),
    "services": schema.Key(schema.table()),
    "cidr": schema.Key(_text),
}
_HOSTS = {
    "profile": schema.Key(_text),
    "count": schema.Key(schema.integer(1, _HOSTS_MAX)),
    "ids": schema.Key(schema.sequence(str)),
}
_PLACEMENT = {
    "listen": schema.Key(
        schema.check(_is_bind, "is no HAProxy bind such as '*:80'"), required=True
    ),
    "url": schema.Key(schema.text(re.compile(r"https?://\S+"))),
    "settings": schema.Key(schema.table()),
    "files": schema.Key(schema.table()),
    "allow_writes": schema.Key(schema.boolean()),
    "rollout": schema.Key(schema.table()),
}
_ROLLOUT = {
    "batch": schema.Key(schema.integer(1, _HOSTS_MAX)),
    "drain_s": schema.Key(schema.integer(1, 3600)),
    "health_s": schema.Key(schema.integer(1, 3600)),
    "suite_s": schema.Key(schema.integer(1, 7200)),
    "keep": schema.Key(schema.integer(1, 100)),
}
