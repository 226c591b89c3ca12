"""Three ways to roll a commit out: each is told a :class:`ground.Deploy`."""

import json
import os
import subprocess
from pathlib import Path

import yaml
from ground import HERE, LISTEN, FailedError


class Holodeck:
    """``salt-run holodeck.release``."""

    name = "holodeck.release"
    port = 80
    socket = "/run/haproxy/admin.sock"

    def __init__(self, ground):
        self._ground = ground

    def deploy(self, deploy):
        """Roll out; raise when it fails."""
        self._ground.release(deploy.commit)


class Orchestration:
    """``salt-run state.orchestrate`` with plain state files."""

    name = "salt-run state.orchestrate"
    port = LISTEN
    socket = "/run/haproxy-peer.sock"

    def __init__(self, ground):
        self._ground = ground

    def deploy(self, deploy):
        """Roll out; raise when it fails."""
        pillar = json.dumps(deploy.as_data())
        self._ground.salt(
            "salt-run", "state.orchestrate", "peers.rolling", f"pillar={pillar}"
        )


class Ansible:
    """``ansible-playbook`` by ssh."""

    name = "ansible-playbook"
    port = LISTEN
    socket = "/run/haproxy-peer.sock"

    def __init__(self, ground, venv):
        self._ground = ground
        self._program = Path(venv, "bin/ansible-playbook")
        self._inventory = ground.lab.home / "inventory.yml"

    def deploy(self, deploy):
        """Roll out; raise when it fails."""
        self._write_inventory(deploy)
        variables = self._ground.lab.home / "deploy.json"
        variables.write_text(json.dumps(deploy.as_data()))
        done = subprocess.run(
            [
                self._program, "-i", self._inventory, "-e", f"@{variables}",
                HERE / "ansible/rolling.yml",
            ],
            env={
                "PATH": os.environ["PATH"], "HOME": str(self._ground.lab.home),
                "LANG": "C.UTF-8",
                "ANSIBLE_CONFIG": str(HERE / "ansible/ansible.cfg"),
            },
            check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            said = f"{done.stdout[-3000:]}{done.stderr}"
            raise FailedError(f"{self.name}: failed:\n{said}")

    def _write_inventory(self, deploy):
        if self._inventory.exists():
            return

        def group(addresses):
            return {"hosts": {n: {"ansible_host": a} for n, a in addresses.items()}}

        address = self._ground.address
        inventory = {
            "web": group(deploy.web),
            "tester": group({deploy.tester: address(deploy.tester)}),
            "balancer": group({deploy.balancer: address(deploy.balancer)}),
            "all": {
                "vars": {
                    "ansible_user": "root",
                    "ansible_ssh_private_key_file": str(self._ground.key),
                }
            },
        }
        self._inventory.write_text(yaml.safe_dump(inventory))
