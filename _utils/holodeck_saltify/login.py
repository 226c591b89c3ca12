"""How to get into a machine: the options of a cloud profile, checked."""

from dataclasses import dataclass
from pathlib import Path

import salt.config
import salt.utils.cloud

from holodeck_io.errors import HolodeckError

_CONNECT_S = 10


@dataclass(frozen=True)
class Login:
    """
    A machine's address, and who gets in by what.

    name
        The minion's id, by which errors name the machine.
    command
        What proves that its user can do what root can.
    """

    name: str
    host: str
    port: int
    user: str
    key: str
    known_hosts: str
    command: tuple
    behind_gateway: bool

    @property
    def address(self):
        """The user and the machine, as people write them."""
        return f"{self.user}@{self.host}, port {self.port}"

    def argv(self, *command):
        """Return the command that runs another one there, and asks nobody."""
        checking = "no" if self.known_hosts == "/dev/null" else "yes"
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": _CONNECT_S,
            "ControlPath": "none",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": checking,
            "UserKnownHostsFile": self.known_hosts,
        }
        return [
            "ssh",
            *(f"-o{name}={value}" for name, value in options.items()),
            *("-i", self.key, "-p", str(self.port), f"{self.user}@{self.host}"),
            *command,
        ]


def of(vm, opts):
    """
    Return the :class:`Login` that salt-cloud's options ``vm`` of a host describe.

    Raises :class:`HolodeckError` that names every fault, and the option of each.
    """
    found = list(_faults(vm, opts))
    if found:
        raise HolodeckError(f"Host {vm['name']}: {'; '.join(found)}.")
    user = _option(vm, opts, "ssh_username", "root")
    asks = _option(vm, opts, "sudo", user != "root")
    free = asks and not _option(vm, opts, "sudo_password")
    return Login(
        name=vm["name"],
        host=_option(vm, opts, "ssh_host") or vm["name"],
        port=int(_option(vm, opts, "ssh_port", 22)),
        user=user,
        key=_key(vm, opts) or "",
        known_hosts=_option(vm, opts, "known_hosts_file", "/dev/null"),
        command=("sudo", "-n", "true") if free else ("true",),
        behind_gateway="gateway" in vm,
    )


def _faults(vm, opts):
    key = _key(vm, opts)
    if not key and not _option(vm, opts, "password"):
        yield "key_filename: is missing, the private key that ssh takes"
    if key and not Path(key).is_file():
        yield f"key_filename: {key} is no file"
    port = _option(vm, opts, "ssh_port", 22)
    if not str(port).isdecimal():
        yield f"ssh_port: {port!r} should be a number"
    if not _option(vm, opts, "deploy", default=False):
        return
    script = _option(vm, opts, "script", "bootstrap-salt")
    if not salt.utils.cloud.os_script(script, vm, opts):
        yield f"script: {script} is neither a path nor in cloud.deploy.d"
    for source in _option(vm, opts, "file_map") or {}:
        if not Path(source).exists():
            yield f"file_map: {source} does not exist"


def _key(vm, opts):
    return _option(vm, opts, "key_filename") or _option(vm, opts, "ssh_keyfile")


def _option(vm, opts, name, default=None):
    return salt.config.get_cloud_config_value(name, vm, opts, default=default)
