"""
A WSGI application that forwards to one pinned live target.

It replaces WSGIProxy2, which turns a dead host into a 502 that a test may
expect, loses logins, overwrites the Host header, and retries.
"""

import dataclasses
import ssl
from urllib.parse import quote, unquote_to_bytes, urlsplit

import urllib3

from holodeck_http import deadline, urls

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
_CHUNK = 1 << 16


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
        self._pool = _pool(target)

    def __call__(self, environ, start_response):
        """Answer one WSGI request; raise :class:`TransportError` without answer."""
        method, path = environ["REQUEST_METHOD"], _path(environ)
        try:
            with deadline.within(self.target.deadline_s):
                answer, body = self._exchange(method, path, environ)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise TransportError(self._explain(method, path, error)) from error
        headers = [
            (name, value)
            for name, value in answer.headers.items()
            if name.lower() not in _HOP_BY_HOP
        ]
        start_response(f"{answer.status} {answer.reason or '-'}", headers)
        return [body]

    def close(self):
        """Close the kept connections."""
        self._pool.close()

    def _exchange(self, method, path, environ):
        answer = self._pool.urlopen(
            method,
            path,
            body=_request_body(environ),
            headers=self._headers(environ),
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        connection = answer.connection
        try:
            body = self._read(method, path, answer)
        except BaseException:
            # Without this the rest of a refused body would be taken for the
            # next answer on this connection.
            answer.close()
            raise
        answer.release_conn()
        if not self.target.keep_alive:
            connection.close()  # a rude server may leave it open
        return answer, body

    def _read(self, method, path, answer):
        if method == "HEAD":
            return b""
        parts, size = [], 0
        while chunk := answer.read(_CHUNK):
            parts.append(chunk)
            size += len(chunk)
            if size > self.target.max_body_bytes:
                limit = self.target.max_body_bytes
                raise TransportError(
                    f"{method} {path} at {self.target.url}: the answer is larger "
                    f"than {limit} bytes; raise max_body_bytes if it should be."
                )
        return b"".join(parts)

    def _headers(self, environ):
        asked = environ.get("HTTP_HOST", self.target.authority)
        if urls.host_and_port(asked, self.target.parts.scheme) != self._own:
            raise TransportError(
                f"Host {asked!r}: is not the target {self.target.authority!r}; a "
                "live suite never leaves its target."
            )
        headers = urllib3.HTTPHeaderDict()
        for name, value in environ.items():
            if name.startswith("HTTP_"):
                headers[name[5:].replace("_", "-").title()] = value
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
        if isinstance(error, (urllib3.exceptions.ReadTimeoutError, TimeoutError)):
            return f"{where}: no whole answer within {self.target.deadline_s} s."
        return f"{where}: no answer: {error}"


def _pool(target):
    parts = target.parts
    port = parts.port or urls.PORTS[parts.scheme]
    options = {
        "maxsize": 1,
        "retries": False,
        "timeout": urllib3.Timeout(
            connect=min(target.connect_s, target.deadline_s), total=target.deadline_s
        ),
    }
    if parts.scheme == "http":
        pool = urllib3.HTTPConnectionPool(parts.hostname, port, **options)
        pool.ConnectionCls = deadline.PlainConnection
        return pool
    context = ssl.create_default_context(cafile=target.ca)
    if target.cert:
        context.load_cert_chain(target.cert, target.key)
    context.sslsocket_class = deadline.TLSSocket
    name, _ = urls.host_and_port(target.authority, "https")
    return urllib3.HTTPSConnectionPool(
        parts.hostname, port, ssl_context=context, server_hostname=name, **options
    )


def _path(environ):
    path = environ.get("SCRIPT_NAME", "") + environ["PATH_INFO"]
    raw = environ.get(RAW_PATH, "")
    if unquote_to_bytes(raw).decode("latin-1") != path:
        raw = quote(path.encode("latin-1"), safe="/:@!$&'()*+,;=~-._")
    query = environ.get("QUERY_STRING")
    return f"{raw}?{urls.escape(query)}" if query else raw


def _request_body(environ):
    length = environ.get("CONTENT_LENGTH")
    return environ["wsgi.input"].read(int(length)) if length else None
