"""
Hosts that say hello, as a process of their own.

    server.py COUNT LATENCY_MS

Prints its ports. For each line that it reads it prints its processor seconds.
"""

import contextlib
import socket
import subprocess
import sys
import threading
import time

BODY = b'{"status": "ok", "greeting": "hello"}'
_ANSWER = b"""\
HTTP/1.1 200 OK\r
Server: benchmark\r
Date: Thu, 01 Jan 2026 00:00:00 GMT\r
Content-Type: application/json\r
Content-Length: %d\r
X-Holodeck-Commit: 4f2c1e90b7a1c5d2e8f3a6b4c7d8e9f0a1b2c3d4\r
\r
%s""" % (len(BODY), BODY)


class Hosts:
    """A running server process; as a context manager it ends with the block."""

    def __init__(self, count, latency_ms=0):
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(count), str(latency_ms)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ports = [int(word) for word in self._process.stdout.readline().split()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.communicate()

    def cpu_s(self):
        """Return the processor seconds that the server took so far."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


def _serve(listener, latency_s):
    while True:
        connection, _ = listener.accept()
        arguments = (connection, latency_s)
        threading.Thread(target=_converse, args=arguments, daemon=True).start()


def _converse(connection, latency_s):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, contextlib.suppress(ConnectionError):
        asked = b""
        while chunk := connection.recv(65536):
            asked += chunk
            if asked.endswith(b"\r\n\r\n"):
                time.sleep(latency_s)
                connection.sendall(_ANSWER)
                asked = b""


def _main(count, latency_ms):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    for listener in listeners:
        arguments = (listener, latency_ms / 1000)
        threading.Thread(target=_serve, args=arguments, daemon=True).start()
    _say(*(listener.getsockname()[1] for listener in listeners))
    for _ in sys.stdin:
        _say(time.process_time())


def _say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _main(int(sys.argv[1]), float(sys.argv[2]))
