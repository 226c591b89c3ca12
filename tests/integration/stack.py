"""The OpenStack of the tests: real services, kept between runs, one user at a time."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from openstack.config import OpenStackConfig
from openstack.connection import Connection

from holodeck_nspawn.provider import default_cache

_KIT = Path(__file__).with_name("openstack_lab")
_PORT = 29000
_START_S = 900
_COMPUTE_S = 90


class Stack:
    """
    One OpenStack on this machine.

    ``clouds`` is its ``clouds.yaml``, ``tenant`` and ``admin`` are connections.
    """

    def __init__(self):
        home = Path(default_cache(os.environ), "openstack")
        home.mkdir(parents=True, exist_ok=True)
        self.folder = home / f"{_digest()}-{_PORT}"
        self.clouds = self.folder / "clouds.yaml"
        self.url = f"http://127.0.0.1:{_PORT}/v3"
        self._lock = (home / "lock").open("w")
        self.tenant = self.admin = None

    def start(self):
        """Wait for other users, start what does not run, and empty the project."""
        # A lock of flock would be inherited by the processes of a test that was killed.
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        for old in self.folder.parent.glob(f"*-{_PORT}"):
            if old != self.folder:
                subprocess.run([_KIT / "down", old], check=True)
                shutil.rmtree(old)
        uv = {"UV_CACHE_DIR": str(self.folder.parents[1] / "uv-venv")}
        subprocess.run(
            [_KIT / "up", self.folder, str(_PORT)],
            env={**os.environ, **uv}, check=True, timeout=_START_S,
        )  # fmt: skip
        self.tenant, self.admin = self.connect("lab"), self.connect("lab-admin")
        self._wait_for_compute()
        self.clear()

    def _wait_for_compute(self):
        """Where it did not run for a minute, nobody is scheduled to it at first."""
        end = time.monotonic() + _COMPUTE_S
        services = self.admin.compute.services
        while not any(each.state == "up" for each in services(binary="nova-compute")):
            if time.monotonic() > end:
                raise TimeoutError(f"nova-compute is not up after {_COMPUTE_S} s")
            time.sleep(1)

    def stop(self):
        """Stop everything; the folder stays for the next time."""
        subprocess.run([_KIT / "down", self.folder], check=True)
        self._lock.close()

    def connect(self, name):
        """Return a connection to one of the clouds of ``clouds.yaml``."""
        config = OpenStackConfig(config_files=[str(self.clouds)])
        return Connection(config=config.get_one(name))

    def server(self, name):
        """Make a server by other hands than the driver's."""
        return self.tenant.create_server(
            name, image="lab-image", flavor="m1.nano", auto_ip=False, wait=True
        )

    def clear(self):
        """Remove what a test that died has left."""
        for server in self.tenant.compute.servers():
            self.tenant.compute.delete_server(server)
            self.tenant.compute.wait_for_delete(server, interval=1, wait=120)
        for address in self.tenant.network.ips():
            self.tenant.network.delete_ip(address)
        for pair in self.tenant.compute.keypairs():
            self.tenant.compute.delete_keypair(pair)
        for group in self.tenant.compute.server_groups():
            self.tenant.compute.delete_server_group(group)
        self._clear_network()

    def _clear_network(self):
        network = self.tenant.network
        for port in network.ports():
            if not port.device_owner:
                network.delete_port(port)
        for group in network.security_groups():
            if group.name != "default":
                network.delete_security_group(group)

    def world(self):
        """Return everything that a server of the project can leave."""
        compute, network = self.tenant.compute, self.tenant.network
        return {
            "servers": sorted(each.name for each in compute.servers()),
            "ports": sorted(
                each.id
                for each in network.ports()
                if not each.device_owner.startswith("network:router")
            ),
            "floating addresses": sorted(
                each.floating_ip_address for each in network.ips()
            ),
            "key pairs": sorted(each.name for each in compute.keypairs()),
        }


def _digest():
    """Return what changes with the kit: what another kit filled is not used."""
    digest = hashlib.sha256()
    for path in sorted(_KIT.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


if __name__ == "__main__":
    _stack = Stack()
    if sys.argv[1] == "up":
        _stack.start()
        sys.stdout.write(f"{_stack.clouds}: clouds lab and lab-admin\n")
    else:
        _stack.stop()
