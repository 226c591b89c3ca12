"""A server that misbehaves on purpose; the path, or its first part, says how."""

import re
import socket
import struct
import threading
import time


def _answer(body=b"", status="200 OK", *headers):
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


def _drip(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    _trickle(connection)


def _drip_head(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    _trickle(connection)


def _trickle(connection):
    try:
        while True:
            connection.sendall(b".")
            time.sleep(0.05)
    except OSError:
        pass  # the client gave up, as it should


def _reset(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _truncate(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


def _truncate_chunk(connection):
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhalf"
    )


def _endless(connection):
    try:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)
    except OSError:
        pass  # the client refused the rest, as it should


def _stall(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf")
    connection.recv(1)


def _ooze(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    _trickle(connection)


def _part(connection):
    connection.sendall(_answer(b"bye"))  # and closes, without having said so


def _refuse(connection):
    connection.sendall(_answer(b"", "413 Content Too Large", "Connection: close"))
    time.sleep(0.1)


def _not_http(connection):
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


_RUDE = {
    "/drip": _drip,
    "/drip-head": _drip_head,
    "/reset": _reset,
    "/truncate": _truncate,
    "/truncate-chunk": _truncate_chunk,
    "/endless": _endless,
    "/stall": _stall,
    "/ooze": _ooze,
    "/not-http": _not_http,
    "/part": _part,
    "/refuse": _refuse,
    "/hang-up": lambda _connection: None,
}
_POLITE = {
    "/two-cookies": _answer(b"", "200 OK", "Set-Cookie: a=1", "Set-Cookie: b=2"),
    "/off-host": _answer(b"", "302 Found", "Location: http://evil.invalid/x"),
    "/off-host-slashes": _answer(b"", "302 Found", "Location: //evil.invalid/x"),
    "/off-port": _answer(b"", "302 Found", "Location: http://127.0.0.1:1/x"),
    "/deep/er/relative": _answer(b"", "302 Found", "Location: ../here"),
    "/a%2Fb/relative": _answer(b"", "302 Found", "Location: here"),
    "/bad-gateway": _answer(b"", "502 Bad Gateway"),
}


def _read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", head.lower())
    while length and len(body) < int(length[1]) and b" /refuse " not in head:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


class RudeServer:
    """A raw socket server; the path says how it misbehaves."""

    def __init__(self, address="127.0.0.1", context=None):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.requests = []
        self.peers = []
        self._context = context
        self._listener = socket.create_server((address, 0), family=family)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self):
        """Accept no more; its threads end with their connections."""
        # A thread that is about to accept would else do so at the next one's socket,
        # which has the same number.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def lines(self):
        """Return the request lines seen."""
        return [request.split(b"\r\n")[0].decode() for request in self.requests]

    def _accept(self):
        while True:
            try:
                connection, peer = self._listener.accept()
            except OSError:
                return
            arguments = (connection, peer)
            threading.Thread(target=self._serve, args=arguments, daemon=True).start()

    def _serve(self, connection, peer):
        with connection:
            try:
                if self._context:
                    connection = self._context.wrap_socket(connection, server_side=True)
                while self._one(connection, peer):
                    pass
            except OSError:
                pass

    def _one(self, connection, peer):
        request = _read_request(connection)
        if not request:
            return False
        self.requests.append(request)
        self.peers.append(peer[1])
        path = request.split(b" ")[1].decode().split("?")[0]
        if rude := _RUDE.get(path, _RUDE.get(re.match("/[^/]*", path)[0])):
            rude(connection)
            return False
        connection.sendall(_POLITE.get(path, _answer(b"hello")))
        return True
