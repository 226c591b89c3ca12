"""
Whether a machine lets salt-cloud in, asked once, and why it did not become a minion.

Salt's own way waits 15 minutes for a machine that is away, tries a wrong key 15 times,
and says of either only that it failed.
"""

import socket

from holodeck_io.errors import HolodeckError
from holodeck_io.process import run

_CONNECT_S = 10
_LOGIN_S = 60
_LOG = "/var/log/holodeck-minion.log"


def check(login):
    """
    Log in once.

    Raises :class:`HolodeckError` that names the host, the option to look at, and what
    ssh says. A password is not tried: ssh takes none from a program.
    """
    if not login.behind_gateway:
        _connect(login)
    if not login.key:
        return
    done = run(login.argv(*login.command), timeout_s=_LOGIN_S, check=False)
    if done.returncode:
        raise HolodeckError(
            f"Host {login.name}: {login.address}, does not let key_filename "
            f"{login.key} in: {_last(done.stderr)}; check ssh_username, and that its "
            "authorized_keys has that key."
        )


def reason(login):
    """Return what the machine's own log says last, or where else to look."""
    if login.key:
        root = [] if login.user == "root" else ["sudo", "-n"]
        argv = login.argv(*root, "tail", "-n", "3", _LOG)
        done = run(argv, timeout_s=_LOGIN_S, check=False)
        if not done.returncode and done.stdout.strip():
            return f"{_LOG} there ends with: {done.stdout.strip()}"
    return "salt-cloud's log (log_level: debug) shows what the script said."


def _connect(login):
    try:
        socket.create_connection((login.host, login.port), _CONNECT_S).close()
    except OSError as error:
        raise HolodeckError(
            f"Host {login.name}: nothing answers at ssh_host {login.host}, ssh_port "
            f"{login.port}: {error}; start the machine and its sshd, or correct these."
        ) from error


def _last(text):
    lines = text.strip().splitlines()
    return lines[-1].strip().rstrip(".") if lines else "without a word"
