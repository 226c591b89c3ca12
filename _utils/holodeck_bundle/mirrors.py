"""
Files of the store from mirrors: plain HTTP, and nothing taken on trust.

A mirror is asked as it is named: no redirect, which would have a host ask whom the
mirror likes; no proxy of the minion's environment; TLS by the system's authorities. It
may be dead, silent, slow or wrong, and costs a call a bounded time.
"""

import contextlib
import http.client
import ssl
import time
import urllib.parse

from holodeck import mirror_rules
from holodeck_http import deadline
from holodeck_io import files

# One that is up answers a connection at once; it may have to fetch a file itself.
_CONNECT_S = 5
_STALL_S = 15
_LEAST_BYTES_PER_S = 256 << 10
_CHUNK = 256 << 10
_OK, _NOT_FOUND = 200, 404


class MirrorError(Exception):
    """Why a mirror did not give a file."""


class NotThereError(MirrorError):
    """A mirror that works has not got the file."""


def download(mirror, artefact, path):
    """
    Write a file of the store to ``path``, with the bytes that were built.

    Raises :class:`MirrorError` with the reason when the mirror does not give it; then
    there is nothing at ``path``.
    """
    try:
        with path.open("wb") as file:
            for chunk in _received(mirror, artefact):
                file.write(chunk)
        _prove(artefact, path)
    except MirrorError:
        path.unlink()
        raise


def _prove(artefact, path):
    if files.sha256_file(path) != artefact["sha256"]:
        raise MirrorError("sends other bytes than were built")


def _received(mirror, artefact):
    """Yield the bytes that arrive: as many as the file has."""
    end = time.monotonic() + _STALL_S + artefact["size"] / _LEAST_BYTES_PER_S
    arrived = 0
    try:
        with _asked(mirror_rules.url(mirror, artefact)) as answer:
            _check_head(answer, artefact["size"])
            while chunk := _next(answer):
                arrived += len(chunk)
                if arrived > artefact["size"]:
                    raise MirrorError(f"sends more than {artefact['size']} bytes")
                if time.monotonic() > end:
                    raise MirrorError(f"is slow: {_of(arrived, artefact)} so far")
                yield chunk
    except TimeoutError as error:
        raise MirrorError(
            f"does not answer: {_of(arrived, artefact)}, and nothing for {_STALL_S} s"
        ) from error
    except OSError as error:
        raise MirrorError(f"{error}, after {_of(arrived, artefact)}") from error
    except http.client.HTTPException as error:
        # Its text may be the mirror's own.
        raise MirrorError(f"speaks no proper HTTP ({type(error).__name__})") from error
    if arrived < artefact["size"]:
        raise MirrorError(f"ends after {_of(arrived, artefact)}")


def _of(arrived, artefact):
    return f"{arrived} of {artefact['size']} bytes"


@contextlib.contextmanager
def _asked(url):
    """Yield the answer to a request, of which the body is still to be read."""
    parts = urllib.parse.urlsplit(url)
    with contextlib.closing(_connected(parts)) as connection:
        with deadline.within(_STALL_S):
            connection.request("GET", parts.path)
            answer = connection.getresponse()
        with contextlib.closing(answer):
            yield answer


def _connected(parts):
    """Return a connection whose sockets keep the deadline of what is read."""
    where = {"host": parts.hostname, "port": parts.port, "timeout": _CONNECT_S}
    if parts.scheme == "https":
        context = ssl.create_default_context()
        context.sslsocket_class = deadline.TLSSocket
        connection = http.client.HTTPSConnection(**where, context=context)
    else:
        connection = http.client.HTTPConnection(**where)
    try:
        connection.connect()
    except TimeoutError as error:
        raise MirrorError(f"does not connect within {_CONNECT_S} s") from error
    if parts.scheme == "http":
        connection.sock = deadline.PlainSocket(fileno=connection.sock.detach())
    return connection


def _check_head(answer, size):
    if answer.status == _NOT_FOUND:
        raise NotThereError("has not got it (404)")
    if answer.status != _OK:
        moved = ", and is not followed" if answer.getheader("Location") else ""
        raise MirrorError(f"answers {answer.status}{moved}")
    if answer.length not in {None, size}:
        raise MirrorError(f"has {answer.length} bytes of it instead of {size}")


def _next(answer):
    with deadline.within(_STALL_S):
        return answer.read1(_CHUNK)
