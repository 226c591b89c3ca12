"""Machines with sshd and without Salt, as a hoster gives them, for saltify."""

import functools
import hashlib
import http.server
import os
import subprocess
import threading
from pathlib import Path

import yaml

import debian_repository
from holodeck_nspawn import provider as providers
from lab import CLONE

_PINS = CLONE / "cloud.images.d/bookworm"
_SENT = "/var/cache/holodeck/salt"


class BareMachines:
    """Machines of a laboratory, the provider that takes them over, and its key."""

    def __init__(self, laboratory):
        self._laboratory, self._lab = laboratory, laboratory.lab
        self.key = self._lab.home / "rack.key"
        self.files = salt_files()
        self._index = None
        self.asked = []
        self.addresses = {}

    def configure(self):
        """Write a provider and profiles beside the laboratory's own."""
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key]
        subprocess.run(argv, check=True)
        lab = self._lab
        minion = {"master": lab.gateway, "publish_port": lab.base_port}
        minion["master_port"] = lab.ret_port
        existing = {"driver": "saltify", "minion": minion, "keysize": 2048}
        path = lab.conf / "cloud.providers.d/existing.conf"
        path.write_text(yaml.safe_dump({"existing": existing}))
        pins = {str(_PINS / x): f"{_SENT}/{x}" for x in ("salt.txt", "build.txt")}
        rack = {
            "provider": "existing",
            "key_filename": str(self.key),
            "script": str(CLONE / "cloud.deploy.d/salt-minion.sh"),
            "file_map": pins,
        }
        bare = {"provider": "local", "image": "bare", "size": "small", "deploy": False}
        failing = lab.home / "failing.sh"
        failing.write_text("#!/bin/sh\nexit 1\n")
        profiles = {
            "bare": bare,
            "failing": {**rack, "script": str(failing)},
            "rack": rack,
            "forgetful": {**rack, "file_map": {}},
            "stranger": {**rack, "key_filename": str(lab.home / "stranger.key")},
            "misspelt": {**rack, "script": "salt-minoin", "ssh_port": "ssh"},
        }
        argv = [*argv[:-1], lab.home / "stranger.key"]
        subprocess.run(argv, check=True)
        (lab.conf / "cloud.profiles").write_text(yaml.safe_dump(profiles))

    def boot(self, *names):
        """Boot machines that the key opens."""
        made = self._lab.cloud().map_run(map_data={"bare": list(names)}, parallel=True)
        public = self.key.with_suffix(".key.pub").read_text()
        for name in names:
            self._let_in(name, "root", "/root", public)
            self.addresses[name] = made[name]["private_ips"][0]

    def add_admin(self, name):
        """Let the key in as ``admin`` too, who is root by sudo."""
        run = functools.partial(self._laboratory.inside, name)
        run("useradd", "--create-home", "admin")
        run("sh", "-c", "echo 'admin ALL=NOPASSWD: ALL' >/etc/sudoers.d/admin")
        public = self.key.with_suffix(".key.pub").read_text()
        self._let_in(name, "admin", "/home/admin", public)

    def by_file(self, address, **more):
        """Return the options of a machine that reaches no index."""
        sent = {str(self.files): f"{_SENT}/files.tar"}
        return {"ssh_host": address, "file_map": sent, **more}

    def by_index(self, address):
        """Return the options of a machine that asks a server for packages."""
        host, port = self._index.server_address[:2]
        env = {
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": f"http://{host}:{port}/",
            "PIP_TRUSTED_HOST": host,
        }
        return {"ssh_host": address, "script_env": env}

    def by_packages(self, address, folder, version):
        """Return the options of a machine that gets Salt's packages, by apt."""
        found = debian_repository.make(folder, version)
        env = {"SALT_REPOSITORY": f"file:{_SENT} ./", "SALT_VERSION": version}
        sent = {str(path): f"{_SENT}/{name}" for name, path in found.items()}
        return {"ssh_host": address, "script_env": env, "file_map": sent}

    def serve(self):
        """Serve the packages on the laboratory's bridge; ``asked`` says to whom."""
        folder = self._lab.home / "files"
        folder.mkdir()
        subprocess.run(["tar", "-xf", self.files, "-C", folder], check=True)
        asked = self.asked

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                asked.append((self.client_address[0], self.path))

        address = (self._lab.gateway, self._lab.base_port + 10)
        handler = functools.partial(Handler, directory=folder)
        self._index = http.server.ThreadingHTTPServer(address, handler)
        threading.Thread(target=self._index.serve_forever, daemon=True).start()

    def close(self):
        """Serve no more."""
        if self._index:
            self._index.shutdown()
            self._index.server_close()

    def _let_in(self, name, user, home, public):
        script = (
            f"install -d -m 700 -o {user} {home}/.ssh && "
            f"echo '{public.strip()}' >{home}/.ssh/authorized_keys && "
            f"chown {user} {home}/.ssh/authorized_keys"
        )
        self._laboratory.inside(name, "sh", "-c", script)


def salt_files():
    """Return the file that ``salt-files.sh`` makes, made once for the same pins."""
    texts = [(_PINS / name).read_bytes() for name in ("salt.txt", "build.txt")]
    digest = hashlib.sha256(b"".join(texts)).hexdigest()[:16]
    cache = Path(providers.default_cache(os.environ))
    path = cache / f"salt-files-{digest}.tar"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([CLONE / "cloud.deploy.d/salt-files.sh", path], check=True)
    return path
