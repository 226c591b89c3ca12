"""Where a process listens, read from the kernel's own tables."""

import os
import socket
import subprocess
import sys

import pytest

from holodeck_io import listening

_SERVES = """
import socket, sys
server = socket.create_server(("", 0))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""
_HEAD = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid"
)
_ROW = "   0: {} 00000000:0000 {} 00000000:00000000 00:00000000 00000000 0 0 {} 1"


@pytest.mark.parametrize(
    ("local", "state", "place"),
    [
        ("00000000:2328", "0A", ["9000"]),
        ("0100007F:1F40", "0A", ["127.0.0.1:8000"]),
        ("00000000000000000000000000000000:2328", "0A", ["9000"]),
        ("00000000000000000000000001000000:2328", "0A", ["[::1]:9000"]),
        ("0100007F:1F40", "01", []),
    ],
    ids=["all", "loopback", "all-v6", "loopback-v6", "connected"],
)
def test_listed_names_places_that_listen(local, state, place):
    """A port of all addresses is a number; a connection is no place to listen."""
    text = "\n".join(
        [_HEAD, _ROW.format(local, state, 55), _ROW.format(local, "0A", 56)]
    )
    assert list(listening.listed(text, {"55"})) == place


def test_places_are_of_the_process_alone():
    """What this process listens on is found; of what it does not, nothing."""
    before = listening.places(os.getpid())
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
        assert set(listening.places(os.getpid())) == {*before, place}
        assert listening.places(0) == []


def test_places_are_of_children_too():
    """A shell that starts a server has its port."""
    command = ["sh", "-c", '"$@"; exit 0', "sh", sys.executable, "-c", _SERVES]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True) as shell:
        port = shell.stdout.readline().strip()
        assert listening.places(shell.pid) == [port]
        shell.stdin.close()
