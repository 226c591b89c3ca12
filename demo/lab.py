"""
A laboratory: a Salt master with local hosts, in one folder of its own.

The demo is one, the integration tests' another; several live side by side,
each with its own folder, bridge, network and ports.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CLONE / "_utils"))
BIN = Path(sys.executable).parent
_MASTER = """\
# Written by demo/lab.py: a master with folders, address and ports of its own.
interface: {gateway}
publish_port: {publish_port}
ret_port: {ret_port}
user: root
pki_dir: {home}/pki
cachedir: {home}/cache
sock_dir: {home}/run
pidfile: {home}/run/master.pid
log_file: {home}/master.log
key_logfile: {home}/key.log
api_logfile: {home}/api.log
log_level: error
worker_threads: 3
timeout: 15

# What any master needs for the pack: the folder `salt` of the clone, the store of
# bundles, and a way for builders to push to it.
file_roots:
  base:
    - {clone}/salt
    - {home}/cache/holodeck/store
# The first folder is the laboratory's own: what lies there hides the example.
pillar_roots:
  base:
    - {home}/pillar
    - {clone}/pillar
ext_pillar:
  - holodeck: {{}}
file_recv: true
file_recv_max_size: 1000
runner_dirs: [{clone}/_runners]
utils_dirs: [{clone}/_utils]
outputter_dirs: [{clone}/_output]
pillar_dirs: [{clone}/_pillar]
cloud_dirs: [{clone}/_clouds]

# Where it is on, a job goes to the minions that it is for, and to no other.
zmq_filtering: {filtering}

# For releases by webhook: salt-api takes them in, the reactor looks at each.
rest_cherrypy:
  host: {gateway}
  port: {api_port}
  disable_ssl: true
  webhook_disable_auth: true
  # With more, two requests at once break Salt 3008's way to the event bus for good.
  thread_pool: 1
  # What becomes of a push, for whoever signed it.
  static: {home}/cache/holodeck/pushes/told
  static_path: /holodeck
reactor:
  - 'salt/netapi/hook/holodeck/*':
    - {clone}/salt/reactor/holodeck_push.sls

# Read by the example pillar.
holodeck_lab:
  git: {git}
  network: {network}
  push_secret: {push_secret}
"""
_MINION = """\
# For `salt-call --local` on this machine.
file_client: local
id: {name}-machine
root_dir: {home}/minion
file_roots:
  base: [{clone}/salt]
module_dirs: []
"""
_PROVIDER = """\
local:
  driver: nspawn
  directory: {home}/local
  bridge: {bridge}
  network: {network}
  keysize: 2048
  minion:
    master: {gateway}
    publish_port: {publish_port}
    master_port: {ret_port}
    zmq_filtering: {filtering}
"""


@dataclass(frozen=True)
class Lab:
    """The places of one laboratory."""

    name: str
    home: Path
    bridge: str
    prefix: str
    base_port: int
    filtering: bool = False

    @property
    def conf(self):
        """The master's configuration folder."""
        return self.home / "conf"

    @property
    def gateway(self):
        """The machine's address on the bridge, where master and git listen."""
        return f"{self.prefix}.1"

    @property
    def ret_port(self):
        """The master's request port."""
        return self.base_port + 1

    def configure(self):
        """Write the configuration of master and cloud."""
        self.home.mkdir(parents=True, exist_ok=True)
        values = {
            "name": self.name, "home": self.home, "clone": CLONE, "bridge": self.bridge,
            "gateway": self.gateway, "network": f"{self.prefix}.0/24",
            "publish_port": self.base_port, "ret_port": self.ret_port,
            "git": self.git, "api_port": self.base_port + 3,
            "push_secret": self._push_secret(),
            "filtering": str(self.filtering).lower(),
        }  # fmt: skip
        providers = self.conf / "cloud.providers.d"
        for name in ("bin", "git", "pillar", "cache/holodeck/store"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        providers.mkdir(parents=True, exist_ok=True)
        (self.conf / "master").touch(mode=0o600)
        (self.conf / "master").write_text(_MASTER.format(**values))
        (self.conf / "minion").write_text(_MINION.format(**values))
        (providers / "local.conf").write_text(_PROVIDER.format(**values))
        profiles = self.conf / "cloud.profiles.d/local.conf"
        profiles.parent.mkdir(exist_ok=True)
        if not profiles.exists():
            profiles.symlink_to(CLONE / "cloud.profiles.d/local.conf")
        for tool in ("salt", "salt-run", "salt-call", "salt-cloud", "salt-key"):
            path = self.home / "bin" / tool
            path.write_text(f'#!/bin/sh\nexec {BIN}/{tool} -c {self.conf} "$@"\n')
            path.chmod(0o755)

    def _push_secret(self):
        file = self.home / "push-secret"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_hex(32))
        return file.read_text()

    @property
    def git_port(self):
        """Where the git server listens."""
        return self.base_port + 2

    @property
    def git(self):
        """The address of the git server: each folder below ``git`` is there."""
        return f"git://{self.gateway}:{self.git_port}"

    @property
    def api(self):
        """Where salt-api listens."""
        return f"http://{self.gateway}:{self.base_port + 3}"

    def start_api(self):
        """Start salt-api, which takes webhooks; keep one that runs."""
        self._serve("api", [BIN / "salt-api", "-c", self.conf])
        _wait_for(self.gateway, self.base_port + 3)

    def start(self):
        """Start the network, the master and the git server; keep what stands."""
        self.cloud().action(fun="network_up", provider="local")
        self._serve("master", [BIN / "salt-master", "-c", self.conf])
        self._serve("git-daemon", [
            "git", "daemon", "--export-all", "--reuseaddr",
            f"--listen={self.gateway}", f"--port={self.git_port}",
            f"--base-path={self.home}/git", self.home / "git",
        ])  # fmt: skip
        _wait_for(self.gateway, self.ret_port)
        _wait_for(self.gateway, self.git_port)
        self._revive()

    def runs(self):
        """Return whether this laboratory's master is alive."""
        return _alive(self.home / "master.pid") is not None

    def stop(self):
        """Destroy every host, end every process, and remove the folder."""
        if (self.conf / "master").is_file():
            cloud = self.cloud()
            names = sorted(self.nodes(cloud))
            if names:
                cloud.destroy(names)
            cloud.action(fun="network_down", provider="local")
        for name in ("api", "master", "git-daemon"):
            _end(self.home / f"{name}.pid")
        shutil.rmtree(self.home, ignore_errors=True)

    def run(self, tool, *words, check=True):
        """Run one of the salt commands for this master; return the process."""
        return subprocess.run(
            [self.home / "bin" / tool, *words], check=check, text=True,
            capture_output=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def nodes(self, cloud=None):
        """Return ``{name: node}`` of the local hosts."""
        found = (cloud or self.cloud()).full_query()
        return found.get("local", {}).get("nspawn", {}) or {}

    def cloud(self):
        """Return salt-cloud's own client for this laboratory."""
        import salt.cloud  # noqa: PLC0415  # slow, and not needed for --help

        return salt.cloud.CloudClient(str(self.conf / "cloud"))

    def _revive(self):
        """Boot the hosts that the machine's own reboot has ended."""
        cloud = self.cloud()
        down = [
            n for n, node in self.nodes(cloud).items() if node["state"] != "running"
        ]
        if down:
            cloud.action(fun="start", names=down)

    def _serve(self, name, argv):
        pidfile = self.home / f"{name}.pid"
        if _alive(pidfile):
            return
        with open(self.home / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                [str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True, cwd="/", env=_as_a_service(),
            )  # fmt: skip
        pidfile.write_text(f"{process.pid} {_start_time(process.pid)}\n")


def _as_a_service():
    """Return the environment without what a shell may have for Python, as units do."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}


def _alive(pidfile):
    try:
        pid, started = map(int, pidfile.read_text().split())
    except (OSError, ValueError):
        return None
    return pid if _start_time(pid) == started else None


def _start_time(pid):
    """Return when a process started, so that a reused pid is not taken for it."""
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] not in "ZX" else None


def _end(pidfile, patience_s=10):
    """End the session of a server that :meth:`Lab._serve` started."""
    pid = _alive(pidfile)
    if pid is None:
        return
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(pid, sign)
        except ProcessLookupError:
            return
        end = time.monotonic() + patience_s
        while _session(pid) and time.monotonic() < end:
            time.sleep(0.1)


def _session(pid):
    """Return the living processes of a session."""
    return [
        found
        for path in Path("/proc").glob("[0-9]*")
        if (found := int(path.name)) and _session_of(found) == pid
    ]


def _session_of(pid):
    fields = _stat(pid)
    return int(fields[3]) if fields and fields[0] not in "ZX" else None


def _stat(pid):
    """Return the fields of a process behind its name, or ``[]``."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _wait_for(host, port, patience_s=60):
    end = time.monotonic() + patience_s
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return
