"""
Sockets that keep one deadline for a whole request.

A socket's timeout starts anew with each read, so a server that sends one byte
now and then never meets it. These sockets give each read and write only what is
left of the request's time.
"""

import contextlib
import contextvars
import socket
import ssl
import time

_end = contextvars.ContextVar("holodeck_http_end")


@contextlib.contextmanager
def within(seconds):
    """Give all socket operations in this block ``seconds`` together."""
    token = _end.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _end.reset(token)


def remaining():
    """Return the seconds left, or raise :class:`TimeoutError` at the end."""
    left = _end.get() - time.monotonic()
    if left <= 0:
        raise TimeoutError("the request's deadline has passed")
    return left


class _Deadlined:
    def recv_into(self, *args, **kwargs):
        self.settimeout(remaining())
        return super().recv_into(*args, **kwargs)

    def sendall(self, *args, **kwargs):
        self.settimeout(remaining())
        return super().sendall(*args, **kwargs)


class PlainSocket(_Deadlined, socket.socket):
    """A TCP socket under the deadline."""


class TLSSocket(_Deadlined, ssl.SSLSocket):
    """A TLS socket under the deadline; for ``SSLContext.sslsocket_class``."""
