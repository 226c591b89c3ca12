"""An HTTP proxy between the driver and the cloud that breaks some exchanges."""

import contextlib
import http.client
import http.server
import random
import threading
import time
import urllib.parse

_HOP = {"connection", "proxy-connection", "keep-alive", "transfer-encoding", "te"}
_SLOW_S = 1.5
#: Seconds after which nobody waits any more for an answer that is too late.
PATIENCE_S = 5
#: What may become of a request, and how often beside the others. Before the cloud hears
#: of it: the connection ends, or the answer is another's. After the cloud did what it
#: was asked: the answer is lost, cut, late, later than anybody waits, or an error of
#: what stands between.
FAULTS = {
    "refused": 2, "busy": 1, "error-before": 2,
    "lost": 3, "cut": 2, "late": 1, "too-late": 1, "error-after": 2,
}  # fmt: skip


class Proxy:
    """
    A proxy at ``url``, for the variable ``http_proxy``.

    share
        Of the requests, how many go wrong: 0 to 1. It may be changed at any time.
    seed
        What goes wrong; how requests are interleaved has a part in it too.
    """

    def __init__(self, seed, share):
        self.share = share
        self.broken = dict.fromkeys(FAULTS, 0)
        self.asked = 0
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextlib.contextmanager
    def running(self):
        """Serve until the end of the block."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def fate(self):
        """Return what becomes of the next request; None for nothing."""
        with self._lock:
            self.asked += 1
            if self._random.random() >= self.share:
                return None
            [fault] = self._random.choices(list(FAULTS), FAULTS.values())
            self.broken[fault] += 1
            return fault


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        """Say nothing."""

    def _handle(self):
        self.close_connection = True
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fate = self.server.proxy.fate()
        if fate == "refused":
            return
        if fate == "busy":
            self._answer(429, [("Retry-After", "1")], b"{}")
        elif fate == "error-before":
            self._answer(503, [], b"nobody is there")
        else:
            self._pass_on(body, fate)

    def __getattr__(self, name):
        """Handle every method alike: http.server looks for ``do_`` and its name."""
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def _pass_on(self, body, fate):
        status, headers, content = self._asked(body)
        if fate == "lost":
            return
        if fate == "late":
            time.sleep(_SLOW_S)
        if fate == "too-late":
            time.sleep(PATIENCE_S + 1)
            return
        if fate == "error-after":
            self._answer(504, [], b"the answer was late")
        else:
            self._answer(status, headers, content, cut=fate == "cut")

    def _asked(self, body):
        url = urllib.parse.urlsplit(self.path)
        way = urllib.parse.urlunsplit(("", "", url.path or "/", url.query, ""))
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP}
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=120)
        with contextlib.closing(connection):
            connection.request(self.command, way, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()

    def _answer(self, status, headers, content, *, cut=False):
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _HOP | {"content-length", "date", "server"}:
                self.send_header(name, value)
        if status != http.HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(content) + cut))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
