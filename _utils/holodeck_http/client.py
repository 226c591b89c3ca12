"""
A WSGI application that forwards to one pinned live target.

It replaces WSGIProxy2, which turns a dead host into a 502 that a test may
expect, loses logins, overwrites the Host header, and retries.
"""

import contextlib
import dataclasses
import http.client
from urllib.parse import quote, unquote_to_bytes, urlsplit

from holodeck_http import connection, deadline, urls

#: Where the request keeps its path as written: WSGI's own is already unescaped.
RAW_PATH = "holodeck.raw_path"

_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


class TransportError(Exception):
    """
    No whole HTTP answer: refused, reset, truncated, late, too large, bad TLS.

    Never disguised as a status code, which a test might expect.
    """


@dataclasses.dataclass(frozen=True)
class Target:
    """
    One live target and the limits of each request to it.

    url
        ``http://`` or ``https://`` with a host name or address and perhaps a
        port, without a path.
    host
        The ``Host`` header, also TLS's server name; the URL's own by default.
    ca
        A file of PEM certificates to trust instead of the system's.
    cert, key
        Files of a client certificate and its key in PEM, for servers that ask for one;
        ``key`` may be left out when ``cert`` holds both.
    deadline_s
        Seconds for one whole request, from connecting to the last byte.
    connect_s
        Seconds for connecting, at most.
    max_body_bytes
        Largest answer accepted.
    keep_alive
        Whether the next request may use the same connection.
    """

    url: str
    host: str | None = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    deadline_s: float = 30
    connect_s: float = 5
    max_body_bytes: int = 16 << 20
    keep_alive: bool = True

    def __post_init__(self):
        problem = urls.problem(self.url)
        if problem:
            raise ValueError(f"Target {self.url!r}: {problem}")
        if self.key and not self.cert:
            raise ValueError(f"Target {self.url!r}: has a key, and no cert for it.")

    @property
    def parts(self):
        """The URL in its parts."""
        return urlsplit(self.url)

    @property
    def authority(self):
        """What the ``Host`` header says."""
        return self.host or self.parts.netloc

    @property
    def environ(self):
        """What WebTest must put into each request's environment."""
        name, port = urls.host_and_port(self.authority, self.parts.scheme)
        return {
            "HTTP_HOST": self.authority,
            "SERVER_NAME": name,
            "SERVER_PORT": str(port),
            "wsgi.url_scheme": self.parts.scheme,
        }


class LiveApp:
    """Forward each WSGI request to ``target`` and return the answer as it is."""

    def __init__(self, target):
        self.target = target
        self._own = urls.host_and_port(target.authority, target.parts.scheme)
        self._tls = connection.context(target)
        self._idle = []

    def __call__(self, environ, start_response):
        """Answer one WSGI request; raise :class:`TransportError` without answer."""
        method, path = environ["REQUEST_METHOD"], _path(environ)
        try:
            with deadline.within(self.target.deadline_s):
                answer, body = self._exchange(method, path, environ)
        except (http.client.HTTPException, OSError) as error:
            raise TransportError(self._explain(method, path, error)) from error
        headers = [
            (name, value)
            for name, value in answer.getheaders()
            if name.lower() not in _HOP_BY_HOP
        ]
        start_response(f"{answer.status} {answer.reason or '-'}", headers)
        return [body]

    def close(self):
        """Close the kept connections."""
        while self._idle:
            self._idle.pop().close()

    def _exchange(self, method, path, environ):
        headers, sent = self._headers(environ), _request_body(environ)
        own = self._connection()
        try:
            answer = own.exchange(method, path, sent, headers)
            body = self._read(method, path, answer)
        except BaseException:
            # Without this the rest of a refused body would be taken for the
            # next answer on this connection.
            own.close()
            raise
        if not self.target.keep_alive:
            own.close()  # a rude server may leave it open
        self._idle.append(own)
        return answer, body

    def _connection(self):
        """Return one that no other thread of a test uses."""
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        return connection.Connection(self.target, self._tls)

    def _read(self, method, path, answer):
        limit = self.target.max_body_bytes
        body = answer.read(limit + 1)
        if len(body) > limit:
            raise TransportError(
                f"{method} {path} at {self.target.url}: the answer is larger "
                f"than {limit} bytes; raise max_body_bytes if it should be."
            )
        if answer.length:
            raise http.client.IncompleteRead(body, answer.length)
        return body

    def _headers(self, environ):
        asked = environ.get("HTTP_HOST", self.target.authority)
        if urls.host_and_port(asked, self.target.parts.scheme) != self._own:
            raise TransportError(
                f"Host {asked!r}: is not the target {self.target.authority!r}; a "
                "live suite never leaves its target."
            )
        headers = {
            name[5:].replace("_", "-").title(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        headers["Host"] = self.target.authority
        headers.setdefault("Accept-Encoding", "identity")
        headers.setdefault("User-Agent", "holodeck-http")
        if environ.get("CONTENT_TYPE"):
            headers["Content-Type"] = environ["CONTENT_TYPE"]
        if not self.target.keep_alive:
            headers["Connection"] = "close"
        return headers

    def _explain(self, method, path, error):
        where = f"{method} {path} at {self.target.url}"
        if isinstance(error, TimeoutError):
            return f"{where}: no whole answer within {self.target.deadline_s} s."
        return f"{where}: no answer: {type(error).__name__}: {error}"


def _path(environ):
    path = environ.get("SCRIPT_NAME", "") + environ["PATH_INFO"]
    raw = environ.get(RAW_PATH, "")
    if unquote_to_bytes(raw).decode("latin-1") != path:
        raw = quote(path.encode("latin-1"), safe="/:@!$&'()*+,;=~-._")
    query = environ.get("QUERY_STRING")
    return f"{raw}?{urls.escape(query)}" if query else raw


def _request_body(environ):
    """Return the body; ``None`` where there is none, which WebTest calls 0 bytes."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return environ["wsgi.input"].read(length) if length else None
