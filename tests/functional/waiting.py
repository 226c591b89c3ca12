"""What servers of the tests need: a port that nobody has, and patience."""

import socket
import time


def free_port():
    """Return a port of the loopback where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def listens(port):
    """Tell whether somebody listens on a port of the loopback."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def until(condition, what, seconds=60):
    """Wait until a condition is met; raise ``TimeoutError`` where it never is."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)
