"""A provider of local hosts: its settings, checked, and the names made from them."""

import hashlib
import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path

from holodeck_io.errors import HolodeckError

# Linux takes at most 15 characters in the name of a network interface.
_BRIDGE = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,14}")
_HOST = re.compile(
    r"(?=.{1,64}\Z)[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?"
    r"(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*"
)
_SMALLEST = 29
# mount and systemd-nspawn separate their options with these.
_UNSAFE = re.compile(r"[\s,:\\'\"]")
_IMAGES = Path(__file__).resolve().parents[2] / "cloud.images.d"


@dataclass(frozen=True)
class Provider:
    """
    Where local hosts live and how they are named.

    directory
        The folder of the hosts' disks and records.
    cache
        The folder of images, shared by all providers.
    images
        The folder of image definitions.
    bridge, network
        The bridge's name and the addresses behind it.
    master
        The master's address as the hosts see it.
    """

    directory: Path
    cache: Path
    images: Path
    bridge: str
    network: ipaddress.IPv4Network
    master: str

    @property
    def gateway(self):
        """The machine's own address on the bridge."""
        return str(next(self.network.hosts()))

    @property
    def tag(self):
        """
        What names everything of this provider outside its folder.

        The folder is part of it: another clone that names its bridge alike must
        not take these hosts for leftovers of its own.
        """
        digest = hashlib.sha256(str(self.directory.absolute()).encode()).hexdigest()
        return f"{self.bridge}-{digest[:6]}"

    def folder(self, name):
        """The folder of the host ``name``."""
        return self.directory / "hosts" / name

    def namespace(self, name):
        """The network namespace of the host ``name``."""
        return f"{self.tag}.{name}"

    def link(self, name):
        """The machine's end of the cable to the host ``name``: 14 characters."""
        digest = hashlib.sha256(f"{self.tag}/{name}".encode()).hexdigest()
        return f"hd{digest[:12]}"


def parse(options, *, environ=None):
    """
    Return the :class:`Provider` that a cloud provider's ``options`` describe.

    Raises :class:`HolodeckError` that names every fault.
    """
    found = list(_faults(options))
    if found:
        raise HolodeckError(f"nspawn provider: {'; '.join(found)}.")
    network = ipaddress.ip_network(str(options["network"]))
    environ = os.environ if environ is None else environ
    return Provider(
        directory=Path(options["directory"]),
        cache=Path(options.get("cache") or default_cache(environ)),
        images=Path(options.get("images") or _IMAGES),
        bridge=options["bridge"],
        network=network,
        master=str(options.get("master") or next(network.hosts())),
    )


def default_cache(environ):
    """Return the folder for images when the provider names none."""
    home = environ.get("HOME") or "/root"
    return f"{environ.get('XDG_CACHE_HOME') or f'{home}/.cache'}/holodeck"


def check_name(name):
    """Raise unless ``name`` can be a host's name."""
    if not _HOST.fullmatch(str(name)):
        raise HolodeckError(
            f"nspawn: {name!r} cannot be a host's name; use up to 64 letters, digits, "
            "dots and hyphens."
        )


def _faults(options):
    bridge = str(options.get("bridge") or "")
    if not _BRIDGE.fullmatch(bridge):
        yield (
            f"bridge: {bridge!r} should be an interface's name of up to 15 letters, "
            "digits, hyphens and underscores, such as hd-demo0"
        )
    for key in ("directory", "cache", "images"):
        path = str(options.get(key) or ("" if key == "directory" else "/"))
        if not path.startswith("/") or _UNSAFE.search(path):
            yield (
                f"{key}: {path!r} should be an absolute path without spaces, commas, "
                "colons, quotes and backslashes"
            )
    try:
        network = ipaddress.IPv4Network(str(options.get("network")))
    except ValueError as error:
        yield f"network: should be like 10.77.0.0/24 ({error})"
    else:
        if network.prefixlen > _SMALLEST:
            yield f"network: {network} has no room for hosts; use /{_SMALLEST} or more"
