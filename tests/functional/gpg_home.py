"""GPG homes on this machine, as an administrator makes them on a builder."""

import shutil
import subprocess
import tempfile
from pathlib import Path


class Home:
    """A GPG home with keys, in a short path: an agent's socket lies in it."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="hd-gpg-")

    def gpg(self, *words, when=None, text=None):
        """Run gpg, at another time where one is given; return stdout."""
        early = ["--faked-system-time", when] if when else []
        return subprocess.run(
            ["gpg", "--homedir", self.path, "--batch", "--no-tty", "--quiet",
             "--trust-model", "always", "--pinentry-mode", "loopback",
             "--passphrase", "", *early, *words],
            check=True, capture_output=True, input=text, text=True,
        ).stdout  # fmt: skip

    def make(self, user, usage="sign", when=None, expires="0"):
        """Make a key; return its fingerprint."""
        self.gpg("--quick-gen-key", user, "ed25519", usage, expires, when=when)
        return self.fingerprints(user)[0]

    def fingerprints(self, user):
        """Return the fingerprints of a key: the primary first, then its subkeys."""
        listing = self.gpg("--with-colons", "--list-keys", user)
        rows = [line.split(":") for line in listing.splitlines()]
        return [row[9] for row in rows if row[0] == "fpr"]

    def sign(self, data, *words, when=None, how="--detach-sign"):
        """Sign bytes as the words say; return the armoured text."""
        return self.gpg(
            *words, "--armor", how, "--output", "-", when=when, text=data.decode()
        )

    def revoke(self, key):
        """Revoke a primary key by the certificate made with it."""
        text = Path(self.path, "openpgp-revocs.d", f"{key}.rev").read_text()
        self.gpg("--import", text=text.replace("\n:-----", "\n-----"))

    def close(self):
        """End the agent and remove the home."""
        subprocess.run(["gpgconf", "--homedir", self.path, "--kill", "all"], check=True)
        shutil.rmtree(self.path, ignore_errors=True)
