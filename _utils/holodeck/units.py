"""
A service's processes as systemd units, and its configuration as an environment.

A unit names the commit's own folder, never ``current``: a running process that
imports a module late must find its own version.
"""

import json
import re
import shlex
from dataclasses import dataclass, field

from holodeck import names

_PRIVILEGED_PORTS = 1024
# A line of the environment file, but those that this adds.
_VALUE = re.compile(
    r"^(?!PORT=|HOLODECK_(?:SERVICE|ENVIRONMENT|COMMIT|DEPLOYMENT)=)"
    r'\w+="((?:[^"\\]|\\.)*)"$',
    re.MULTILINE | re.DOTALL,
)

_HARDENING = """\
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077
"""


@dataclass(frozen=True)
class Deployment:
    """One bundle with one configuration, as it lies on a host."""

    service: str
    environment: str
    commit: str
    config: str
    port: int
    health: str
    processes: dict
    socket: bool = False
    settings: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)

    @property
    def name(self):
        """The folder's name: twelve digits of the commit, twelve of the config."""
        return names.deployment(self.commit, self.config)

    @property
    def folder(self):
        """The folder that holds units and configuration."""
        return f"{names.CONFIG}/{self.service}/{self.name}"

    @property
    def units(self):
        """The names of the units, the one that listens first."""
        return [names.unit(self.service, process) for process in self.processes]

    @property
    def sockets(self):
        """The name of the socket's unit, in a list, where systemd listens itself."""
        first = next(iter(self.processes))
        return [names.socket(self.service, first)] if self.socket else []

    def summary(self):
        """Return what is kept beside the units; it holds no setting's value."""
        return {
            "service": self.service,
            "environment": self.environment,
            "commit": self.commit,
            "config": self.config,
            "port": self.port,
            "health": self.health,
            "units": self.units,
            "sockets": self.sockets,
        }


def contents(deployment):
    """Return ``{relative path: text}`` of the deployment's folder."""
    texts = {
        f"units/{names.unit(deployment.service, process)}": unit(deployment, process)
        for process in deployment.processes
    }
    for name in deployment.sockets:
        texts[f"units/{name}"] = socket(deployment)
    texts["environment"] = environment(deployment)
    texts["deployment.json"] = json.dumps(deployment.summary(), indent=2) + "\n"
    for name, text in deployment.files.items():
        texts[f"files/{name}"] = text
    return texts


def environment(deployment):
    """Return the ``EnvironmentFile``: the settings, then what the pack adds."""
    values = {
        **deployment.settings,
        "PORT": deployment.port,
        "HOLODECK_SERVICE": deployment.service,
        "HOLODECK_ENVIRONMENT": deployment.environment,
        "HOLODECK_COMMIT": deployment.commit,
        "HOLODECK_DEPLOYMENT": deployment.name,
    }
    return "".join(f"{name}={_in_file(_text(v))}\n" for name, v in values.items())


def values(text):
    """Return the settings' values in an ``EnvironmentFile`` that this made."""
    found = _VALUE.findall(text)
    return [re.sub(r"\\(.)", r"\1", value) for value in found]


def socket(deployment):
    """
    Return the text of the socket's unit.

    systemd listens, also while one version ends and the next starts: connections
    wait, and none is refused.
    """
    return (
        "[Unit]\n"
        f"Description={deployment.service} ({deployment.environment}), port "
        f"{deployment.port}\n\n"
        "[Socket]\n"
        f"ListenStream={deployment.port}\n"
        "NoDelay=yes\n"
        # A crash loop is judged by the release's health check.
        "TriggerLimitIntervalSec=0\n\n"
        "[Install]\n"
        "WantedBy=multi-user.target\n"
    )


def unit(deployment, process):
    """Return the text of one process's unit."""
    socket_name = names.socket(deployment.service, process)
    needs = f"{socket_name} " if socket_name in deployment.sockets else ""
    root = names.bundle_root(deployment.service, deployment.commit)
    service = deployment.service
    return (
        "[Unit]\n"
        f"Description={service} {process} at {names.short(deployment.commit)}"
        f" ({deployment.environment})\n"
        f"After={needs}network-online.target\n"
        f"Wants={needs}network-online.target\n"
        # A crash loop is judged by the release's health check, not by systemd
        # giving up for good.
        "StartLimitIntervalSec=0\n\n"
        "[Service]\n"
        "Type=exec\n"
        "DynamicUser=yes\n"
        f"User={names.user(service)}\n"
        f"StateDirectory=holodeck-{service}\n"
        f"RuntimeDirectory=holodeck-{service}.{process}\n"
        f"WorkingDirectory={root}\n"
        f"Environment=PATH={root}/bin:/usr/bin:/bin PYTHONUNBUFFERED=1"
        " PYTHONDONTWRITEBYTECODE=1\n"
        f"EnvironmentFile={deployment.folder}/environment\n"
        f"{_credentials(deployment)}"
        f"ExecStart={exec_start(root, deployment.processes[process])}\n"
        "Restart=always\n"
        "RestartSec=1\n"
        "KillMode=mixed\n"
        "TimeoutStopSec=30\n"
        f"{_capabilities(deployment.port)}"
        f"{_HARDENING}\n"
        "[Install]\n"
        "WantedBy=multi-user.target\n"
    )


def command(text):
    """Return a process's command line as the words that will be run."""
    return shlex.split(text)


def exec_start(root, line):
    """
    Return a command line in systemd's quoting, its program from the bundle.

    ``${NAME}`` stays as it is: systemd replaces it from the environment. A
    percent sign is doubled, for systemd would read it as a specifier.
    """
    program, *arguments = command(line)
    if not program.startswith("/"):
        program = f"{root}/bin/{program}"
    return " ".join(_word(word) for word in (program, *arguments))


def _word(word):
    escaped = word.replace("%", "%%")
    plain = all(c.isalnum() or c in "-_./:=,@${}%+" for c in escaped)
    return escaped if plain and escaped else _quoted(escaped)


def _in_file(text):
    """Quote for an ``EnvironmentFile``, which keeps lines and knows four escapes."""
    for special in '\\"`$':
        text = text.replace(special, f"\\{special}")
    return f'"{text}"'


def _quoted(text):
    """Quote for a unit, which reads C's escapes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _credentials(deployment):
    return "".join(
        f"LoadCredential={name}:{deployment.folder}/files/{name}\n"
        for name in deployment.files
    )


def _capabilities(port):
    if port >= _PRIVILEGED_PORTS:
        return "CapabilityBoundingSet=\n"
    return (
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n"
        "AmbientCapabilities=CAP_NET_BIND_SERVICE\n"
    )
