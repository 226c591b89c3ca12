"""The ways to send one GET: ours, bare urllib3, and what else there is."""

import http.client

import requests
import urllib3
import webtest
from server import BODY

from holodeck_http.app import App
from holodeck_http.client import LiveApp, Target

OURS = "App(LiveApp(Target))"
BARE = "urllib3, keep-alive"
_PATH = "/healthz"


def ways(port):
    """Return ``{name: function}``; each sends one GET and returns the body."""
    # What ours sends.
    headers = {
        "Host": f"127.0.0.1:{port}",
        "Accept-Encoding": "identity",
        "User-Agent": "holodeck-http",
    }
    return {
        OURS: _ours(port),
        BARE: _urllib3(port, headers),
        "http.client": _http_client(port, headers),
        "requests.Session": _requests(port, headers),
        "WebTest over a no-op": _webtest(lint=False),
        "the same with lint": _webtest(lint=True),
    }


def _ours(port):
    app = App(LiveApp(Target(f"http://127.0.0.1:{port}")))
    return lambda: app.get(_PATH).body


def _urllib3(port, headers):
    pool = urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=1)
    return lambda: pool.request("GET", _PATH, headers=headers).data


def _http_client(port, headers):
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def get():
        connection.request("GET", _PATH, headers=headers)
        return connection.getresponse().read()

    return get


def _requests(port, headers):
    session = requests.Session()
    session.trust_env = False
    url = f"http://127.0.0.1:{port}{_PATH}"
    return lambda: session.get(url, headers=headers).content


def _webtest(*, lint):
    """Return what WebTest alone costs, which is in ours: nothing is sent."""

    def application(_environ, start_response):
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(BODY))),
        ]
        start_response("200 OK", headers)
        return [BODY]

    app = webtest.TestApp(application, lint=lint)
    return lambda: app.get(_PATH).body
