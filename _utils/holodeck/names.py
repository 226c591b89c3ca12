"""
The names that every host agrees on: paths, units, packages, hosts.

=====================================  ============================================
``/opt/holodeck/SERVICE/COMMIT``       the bundle: one virtualenv, immutable
``/opt/holodeck/deps/KEY``             the dependencies that bundles share
``/opt/holodeck/SERVICE/current``      link to the commit that runs
``/etc/holodeck/SERVICE/DEPLOYMENT``   units and configuration, root only
``/etc/holodeck/SERVICE/current``      link to the deployment that runs
=====================================  ============================================
"""

import re

PREFIX = "/opt/holodeck"
CONFIG = "/etc/holodeck"
STATE = "/var/lib/holodeck"

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_KEY = re.compile(r"[0-9a-f]{16}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HOST = re.compile(r"(.+)-(?:web|balancer|tester|builder)[1-9]\d*")
_FILENAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~-]*")
_BASE = re.compile(rf"{PREFIX}/(deps/[0-9a-f]{{16}}|[a-z0-9-]+/[0-9a-f]{{40}})")
_PACKAGE = re.compile(r"holodeck-(deps-[0-9a-f]{16}|[a-z][a-z0-9-]*-[0-9a-f]{12})")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]*")
# Git's own, in any repository: on a builder they say nothing of the remote's.
_HEADS = re.compile(r"([A-Z]+_)*HEAD")
# "holodeck-" and the name make the Unix user, which systemd limits to 31.
NAME_MAX = 22
_REF_MAX = 200
REF_RULE = (
    "use letters, digits, '.', '_', '/' and '-', not starting with '-' or '.', and "
    "name the branch itself instead of HEAD"
)
RESERVED = frozenset({"deps", "gnupg"})
SUITE_SUFFIX = "-suite"


def is_commit(value):
    """Tell whether ``value`` is a full commit id: 40 lower-case hex digits."""
    return isinstance(value, str) and bool(_COMMIT.fullmatch(value))


def is_commit_prefix(value):
    """Tell whether ``value`` can stand for one commit: 7 to 40 hex digits."""
    return isinstance(value, str) and bool(_SHORT_COMMIT.fullmatch(value))


def is_ref(value):
    """Tell whether ``value`` is a safe name of a branch, a tag or a commit."""
    return (
        isinstance(value, str)
        and len(value) <= _REF_MAX
        and bool(_REF.fullmatch(value))
        and not _HEADS.fullmatch(value)
        and ".." not in value
        and not value.endswith((".lock", "/", "."))
    )


def is_header(value):
    """Tell whether ``value`` can name an HTTP header (RFC 9110, section 5.1)."""
    return isinstance(value, str) and bool(_HEADER.fullmatch(value))


def is_name(value):
    """Tell whether ``value`` can name a service, an environment or a process."""
    return (
        isinstance(value, str)
        and len(value) <= NAME_MAX
        and bool(_NAME.fullmatch(value))
        and value not in RESERVED
        and not value.endswith(SUITE_SUFFIX)
    )


def is_bundle_name(value):
    """Tell whether ``value`` can name a bundle: a service, or one's suite."""
    return is_name(value) or (
        isinstance(value, str)
        and value.endswith(SUITE_SUFFIX)
        and is_name(value.removesuffix(SUITE_SUFFIX))
    )


def is_layer(layer, name, commit):
    """
    Tell whether a layer is whole and stays in its place: it comes from a builder.

    Its words decide what is fetched, put into place and removed.
    """
    if not (isinstance(layer, dict) and _is_artefact(layer)):
        return False
    root, package = str(layer.get("root")), str(layer.get("package"))
    key = root.removeprefix(f"{PREFIX}/deps/")
    if _KEY.fullmatch(key):
        home, own = deps_root(key), deps_package(key)
    else:
        home, own = bundle_root(name, commit), app_package(name, commit)
    return (
        (root, package) == (home, own)
        and bool(_SHA256.fullmatch(str(layer.get("tree"))))
        and all(
            _is_artefact(delta) and _BASE.fullmatch(str(delta.get("base_root")))
            for delta in layer.get("deltas", ())
        )
    )


def _is_artefact(value):
    """Tell whether it is a file of the store: a digest, a plain name and a size."""
    return bool(
        isinstance(value.get("size"), int)
        and _SHA256.fullmatch(str(value.get("sha256")))
        and _FILENAME.fullmatch(value.get("filename") or "")
    )


def short(commit):
    """Return the 12 digits of a commit that people and package names use."""
    return commit[:12]


def bundle_root(name, commit):
    """Return the folder of a bundle."""
    return f"{PREFIX}/{name}/{commit}"


def deps_root(key):
    """Return the folder of the dependencies' layer with that key."""
    return f"{PREFIX}/deps/{key}"


def suite_bundle(service):
    """Return the name of the bundle that carries a service's HTTP suite."""
    return f"{service}{SUITE_SUFFIX}"


def app_package(name, commit):
    """
    Return the native package of a bundle's own layer.

    The commit is part of the name, as in kernel packages, so that versions lie
    side by side and none is upgraded away under a running process.
    """
    return f"holodeck-{name}-{short(commit)}"


def deps_package(key):
    """Return the native package of a dependencies' layer."""
    return f"holodeck-deps-{key}"


def is_layer_package(value):
    """Tell whether a native package is a layer of some bundle, by its name."""
    return bool(_PACKAGE.fullmatch(value))


def is_deps_package(value):
    """Tell whether a native package is a layer of dependencies, by its name."""
    return bool(_KEY.fullmatch(value.removeprefix(deps_package(""))))


def package_of(home, name):
    """Return the package whose layer lies in the folder ``home/name``, if one does."""
    if home == "deps" and _KEY.fullmatch(name):
        return deps_package(name)
    if is_bundle_name(home) and is_commit(name):
        return app_package(home, name)
    return None


def deployment(commit, config_digest):
    """Return the name of one bundle with one configuration."""
    return f"{short(commit)}-{config_digest[:12]}"


def unit(service, process):
    """
    Return the systemd unit of a service's process.

    The dot, which no name has, tells ``a-b`` with ``c`` from ``a`` with ``b-c``.
    """
    return f"holodeck-{service}.{process}.service"


def socket(service, process):
    """Return the systemd unit of the socket that a process is handed."""
    return unit(service, process).removesuffix("service") + "socket"


def user(service):
    """Return the Unix user that a service runs as."""
    return f"holodeck-{service}"


def environment_of(minion, known):
    """
    Return which of the environments a host's name is of, or ``None``.

    known
        The environments' names.
    """
    found = _HOST.fullmatch(minion)
    return found[1] if found and found[1] in known else None


def host(environment, role, number):
    """Return the minion id of an environment's host."""
    return f"{environment}-{role}{number}"


def host_numbers(environment, role, minions):
    """Return the numbers of those of the minions that have a host's name."""
    prefix = host(environment, role, "")
    tails = [m.removeprefix(prefix) for m in minions if m.startswith(prefix)]
    return {int(tail) for tail in tails if tail.isascii() and tail.isdecimal()}
