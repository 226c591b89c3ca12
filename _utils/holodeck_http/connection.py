"""
One connection to a live target: a pinned address, TLS under the target's own name.

Upon the standard library alone, which does less for each request than a client made
for every need: no pool of many hosts, no retries, no decoding.
"""

import contextlib
import http.client
import selectors
import ssl

from holodeck_http import deadline, urls

# epoll would make a file for each question.
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


def context(target):
    """Return what TLS to ``target`` needs; ``None`` for plain HTTP."""
    if target.parts.scheme != "https":
        return None
    made = ssl.create_default_context(cafile=target.ca)
    if target.cert:
        made.load_cert_chain(target.cert, target.key)
    made.set_alpn_protocols(["http/1.1"])
    made.sslsocket_class = deadline.TLSSocket
    return made


class Connection(http.client.HTTPConnection):
    """
    A connection to ``target``, for one request after the other.

    tls
        What :func:`context` returned.
    """

    def __init__(self, target, tls):
        parts = target.parts
        super().__init__(
            parts.hostname,
            parts.port or urls.PORTS[parts.scheme],
            timeout=min(target.connect_s, target.deadline_s),
        )
        name, _ = urls.host_and_port(target.authority, parts.scheme)
        self._tls, self._name = tls, name.rstrip(".")

    def connect(self):
        """Connect to the address, with TLS where it needs it."""
        try:
            super().connect()
            if self._tls:
                name = self._name
                self.sock = self._tls.wrap_socket(self.sock, server_hostname=name)
            else:
                self.sock = deadline.PlainSocket(fileno=self.sock.detach())
        except TimeoutError as error:
            raise ConnectionError(f"not connected within {self.timeout:g} s") from error

    def exchange(self, method, path, body, headers):
        """
        Send one request and return the answer, of which the body is still to be read.

        It connects anew where the last answer, or time, has ended the connection.
        """
        if self.sock and _is_readable(self.sock):
            self.close()
        if not self.sock:
            self.connect()
        # A server may answer, and close, before it has read all of a large body.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.request(
                method, path, body, headers,
                encode_chunked="Transfer-Encoding" in headers,
            )  # fmt: skip
        return self.getresponse()


def _is_readable(sock):
    """Tell whether a socket that waits for nothing has something: its end."""
    with _Selector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(0))
