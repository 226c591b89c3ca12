"""An OpenBao of one's own, which speaks as Vault does: in memory, on this machine."""

import contextlib
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from waiting import free_port, until

_PROGRAM = Path(sys.executable).with_name("bao")
_ROOT = "the-root-token-of-a-test"
# Policies, as docs/releases.rst tells the administrator to write them.
MASTER = 'path "auth/token/create/salt" { capabilities = ["update"] }'
DEFINITION = 'path "secret/data/holodeck/*" { capabilities = ["read"] }'


class Vault:
    """
    A server, and the way of a Salt master into it.

    ``url`` is its address, ``auth`` what the master's configuration has as ``auth``.
    """

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"
        self.auth = {}

    def ask(self, path, data=None, method="POST", token=_ROOT):
        """Ask the API; return its answer."""
        body = json.dumps(data or {}).encode() if method == "POST" else None
        headers = {"X-Vault-Token": token}
        request = urllib.request.Request(
            f"{self.url}/v1/{path}", body, headers, method=method
        )
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or "{}")

    def keep(self, path, **values):
        """Keep a secret in the KV engine of version 2."""
        self.ask(f"secret/data/{path}", {"data": values})

    def opens(self, token):
        """Tell whether a token is good for anything."""
        try:
            return bool(self.ask("auth/token/lookup-self", method="GET", token=token))
        except urllib.error.HTTPError as error:
            if error.code != 403:
                raise
            return False

    def prepare(self):
        """Let a master in by an AppRole, which issues tokens by the policies' names."""
        self.ask("sys/policies/acl/salt-master", {"policy": MASTER})
        self.ask("sys/policies/acl/saltstack%2Fholodeck", {"policy": DEFINITION})
        self.ask(
            "auth/token/roles/salt",
            {"allowed_policies_glob": "saltstack/*", "orphan": True},
        )
        self.ask("sys/auth/approle", {"type": "approle"})
        role = "auth/approle/role/salt-master"
        self.ask(role, {"token_policies": "salt-master", "token_ttl": "10m"})
        name = self.ask(f"{role}/role-id", method="GET")["data"]["role_id"]
        secret = self.ask(f"{role}/secret-id")["data"]["secret_id"]
        self.auth = {"method": "approle", "role_id": name, "secret_id": secret}


@contextlib.contextmanager
def running(folder):
    """Run a server with a KV engine at ``secret``; yield its :class:`Vault`."""
    port = free_port()
    argv = [
        _PROGRAM, "server", "-dev", "-dev-no-store-token", "-log-level=error",
        f"-dev-root-token-id={_ROOT}", f"-dev-listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with (
        (folder / "bao.log").open("wb") as log,
        subprocess.Popen(
            argv, stdout=log, stderr=log, env={"HOME": str(folder)}
        ) as process,
    ):
        try:
            vault = Vault(port)
            until(lambda: _answers(vault), vault.url)
            vault.prepare()
            yield vault
        finally:
            process.terminate()


def _answers(vault):
    try:
        return vault.ask("secret/config", method="GET")
    except urllib.error.URLError:
        return False
