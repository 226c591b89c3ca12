"""An sshd that plays the guest of servers which run none, and a minion for it."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from waiting import free_port, until

_CONFIG = """\
Port {port}
{listen}
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM yes
Subsystem sftp internal-sftp
"""
# Salt gives a script its `-c FOLDER` when it finds the word bootstrap-salt there.
_SCRIPT = """\
#!/bin/sh
# What bootstrap-salt does, with a minion of the tests in a folder of its own.
set -eu
mkdir -p {root}/etc/salt/pki/minion
cp "$2/minion" {root}/etc/salt/minion
cp "$2/minion.pem" "$2/minion.pub" {root}/etc/salt/pki/minion/
[ ! -e "$2/grains" ] || cp "$2/grains" {root}/etc/salt/grains
{program} -c {root}/etc/salt -d
"""


class Guest:
    """
    A guest at ``port`` of each of its addresses; ``profile`` is how it is reached.

    key
        The private key that it lets in.
    """

    def __init__(self, folder, key, *addresses):
        self.port, self.folder = free_port(), folder
        # Short, for the minion's sockets: pytest's own folders are too long for them.
        self._home = tempfile.TemporaryDirectory(
            prefix="guest-", ignore_cleanup_errors=True
        )
        self.root = Path(self._home.name)
        folder.mkdir()
        _make_key(folder / "host")
        (folder / "authorized").write_text(Path(f"{key}.pub").read_text())
        listen = "\n".join(f"ListenAddress {address}" for address in addresses)
        text = _CONFIG.format(port=self.port, listen=listen, folder=folder)
        (folder / "sshd_config").write_text(text)
        self.profile = {
            "deploy": True,
            "ssh_key_file": str(key),
            "ssh_username": "root",
            "ssh_port": self.port,
            "display_ssh_output": False,
        }

    @contextlib.contextmanager
    def running(self):
        """Run the sshd until the end of the block, and the minion with it."""
        Path("/run/sshd").mkdir(exist_ok=True)
        argv = ["/usr/sbin/sshd", "-D", "-f", self.folder / "sshd_config"]
        with (
            (self.folder / "log").open("wb") as log,
            subprocess.Popen([*argv, "-e"], stdout=log, stderr=log) as process,
        ):
            until(lambda: "listening" in (self.folder / "log").read_text(), "an sshd")
            try:
                yield self
            finally:
                process.terminate()
                self._end_minion()
                self._home.cleanup()

    def script(self):
        """Return the path of a script that makes the guest a minion."""
        program = Path(sys.executable).with_name("salt-minion")
        return self._write("deploy", _SCRIPT.format(root=self.root, program=program))

    def failing_script(self):
        """Return the path of a script that cannot."""
        return self._write("fails", "#!/bin/sh\nexit 3\n")

    def _write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def _end_minion(self):
        for path in self.root.rglob("salt-minion.pid"):
            process = int(path.read_text())
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
            until(lambda p=process: not Path(f"/proc/{p}").exists(), "a minion's end")


def _make_key(path):
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path]
    subprocess.run(argv, check=True)
