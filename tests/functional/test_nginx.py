"""The nginx before salt-api, by the very lines of docs/pushes.rst."""

import contextlib
import hashlib
import hmac
import re
import ssl
import textwrap
import time
from pathlib import Path

import nginx_server
import pytest
import trustme
from waiting import free_port
from web_server import serving

from holodeck import webhook_signatures as signatures
from holodeck import webhooks

_DOCS = Path(__file__).parents[2] / "docs/pushes.rst"
_NAME = "master.example.org"
_SECRET = "a-secret-of-the-service"
_HOOK = "/hook/holodeck/guestbook"
_TOLD = f"/holodeck/{'0123456789' * 4}.json"
_JSON = {"Content-Type": "application/json"}
# Spaces and letters that a parser between would have written in another way.
_BODY = '{ "ref":"refs/heads/main",\r\n"pusher": {"name": "J\u00f6rg"}}\n'.encode()
_MAX = 512 << 10
_BURST = 50
_PER_S = 20


class SaltApi:
    """What stands behind: it takes everything, and remembers what it got."""

    def __init__(self):
        self.forget()

    def forget(self):
        """Be as one whom nobody has asked yet."""
        self.asked, self.bodies, self.headers, self.types = [], [], [], []

    def __call__(self, environ, start_response):
        """Answer one request."""
        query = environ["QUERY_STRING"] and f"?{environ['QUERY_STRING']}"
        path = f"{environ['PATH_INFO']}{query}"
        size = int(environ.get("CONTENT_LENGTH") or 0)
        self.bodies.append(environ["wsgi.input"].read(size))
        self.types.append(environ["CONTENT_TYPE"])
        self.headers.append(
            {k[5:].replace("_", "-"): v for k, v in environ.items() if "HTTP_" in k}
        )
        self.asked.append((environ["REQUEST_METHOD"], path))
        start_response("200 OK", [("Content-Length", "16")])
        return [b'{"success":true}']


@pytest.fixture(scope="module")
def behind():
    """A salt-api, and its URL."""
    api = SaltApi()
    with serving(api) as server:
        yield api, server.url


@pytest.fixture
def api(behind):
    """That salt-api, which nobody has asked yet."""
    behind[0].forget()
    return behind[0]


@pytest.fixture(scope="module")
def authority():
    """Who signed the certificate."""
    return trustme.CA()


def _site(folder, port, backend, authority):
    """Return the docs' lines, with the ports and files of a test in them."""
    [found] = re.findall(
        r"^\.\. code-block:: nginx\n\n((?: +\S.*\n|\n)+)",
        _DOCS.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    certificate = authority.issue_cert(_NAME)
    certificate.cert_chain_pems[0].write_to_path(folder / "master.crt")
    certificate.private_key_pem.write_to_path(folder / "master.key")
    text = textwrap.dedent(found)
    for told, ours in [
        ("listen 8000 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("/etc/pki/tls/certs/master.", f"{folder}/master."),
        ("http://127.0.0.1:8001", backend),
    ]:
        assert told in text
        text = text.replace(told, ours)
    return text


@pytest.fixture
def connect(behind, authority, tmp_path):
    """Make a connection to an nginx before that salt-api."""
    port = free_port()
    context = ssl.create_default_context()
    authority.configure_trust(context)

    site = _site(tmp_path, port, behind[1], authority)
    with nginx_server.running(tmp_path, site, port):
        yield lambda: nginx_server.Connection(port, _NAME, context)


@pytest.fixture
def ask(connect):
    """Send one request; return the status of the answer."""

    def send(method, path, body=None, headers=_JSON, **options):
        with contextlib.closing(connect()) as connection:
            connection.request(method, path, body, headers, **options)
            return connection.getresponse().status

    return send


def _signed(scheme):
    if scheme == "holodeck":
        stamp = str(int(time.time()))
        signature = signatures.sign(_SECRET, stamp, _BODY.decode())
        return {"X-Holodeck-Timestamp": stamp, "X-Holodeck-Signature": signature}
    mac = hmac.new(_SECRET.encode(), _BODY, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={mac}", "X-GitHub-Event": "push"}


@pytest.mark.parametrize("scheme", ["holodeck", "github"])
@pytest.mark.parametrize("chunked", [False, True])
def test_webhook_arrives_as_it_was_signed(ask, api, scheme, chunked):
    """Body and headers are what was sent; salt-api takes no body without its length."""
    sent = _signed(scheme)
    body = iter([_BODY[:9], _BODY[9:]]) if chunked else _BODY
    assert ask("POST", _HOOK, body, _JSON | sent, encode_chunked=chunked) == 200
    assert api.asked == [("POST", _HOOK)]
    [headers] = api.headers
    assert api.bodies == [_BODY]
    assert sent.items() == {name: headers[name.upper()] for name in sent}.items()
    webhooks.verify(scheme, [_SECRET], headers, _BODY.decode(), time.time())


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "ODD"])
def test_hook_takes_posts_alone(ask, api, method):
    """No other method reaches salt-api, whatever it is called."""
    assert ask(method, _HOOK) == 403
    assert not api.asked


@pytest.mark.parametrize(
    "kind",
    ["application/json", "application/json; charset=utf-8", "Application/JSON;a=b"],
)
def test_json_is_let_through_as_that(ask, api, kind):
    """However a forge writes that it is JSON, salt-api reads one word."""
    assert ask("POST", _HOOK, _BODY, {"Content-Type": kind}) == 200
    assert api.types == ["application/json"]


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "application/x-www-form-urlencoded",
        "application/x-yaml",
        "text/plain",
        "application/jsonp",
        "application/json-patch+json",
        "application/json, application/x-yaml",
        "text/yaml; application/json",
    ],
)
def test_other_types_are_refused(ask, api, kind):
    """Salt-api parses YAML and forms too: that is for nobody whom it does not know."""
    assert ask("POST", _HOOK, _BODY, {"Content-Type": kind}) == 415
    assert ask("POST", _HOOK, _BODY, {}) == 415
    assert not api.asked


@pytest.mark.parametrize("second", ["; a=b, text/yaml", "\r\nContent-Type: text/yaml"])
def test_second_type_stays_outside(connect, api, second):
    """Salt-api would take the second of two types, which nginx does not look at."""
    text = (
        f"POST {_HOOK} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
        f"Content-Type: application/json; charset=utf-8{second}\r\n\r\n{{}}"
    )
    with contextlib.closing(connect()) as connection:
        connection.connect()
        connection.sock.sendall(text.encode())
        status = connection.sock.recv(4096).split(b" ")[1]
    # Newer ones refuse a header that comes twice.
    assert (status, api.types) in [(b"200", ["application/json"]), (b"400", [])]


@pytest.mark.parametrize("chunked", [False, True])
def test_body_may_be_as_large_as_salt_hands_on(ask, api, chunked):
    """One byte more is refused, also where its length is not told before."""

    def body(size):
        return iter([b"1" * size]) if chunked else b"1" * size

    assert ask("POST", _HOOK, body(_MAX), encode_chunked=chunked) == 200
    assert ask("POST", _HOOK, body(_MAX + 1), encode_chunked=chunked) == 413
    assert [len(each) for each in api.bodies] == [_MAX]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/run",
        "/login",
        "/hook",
        "/hook/other",
        "/hook/holodeck",
        "/hook/holodeck/",
        f"{_HOOK}/",
        "/hook/holodeck/a/b",
        "/hook/holodeck/Guestbook",
        "/hook/holodeck/a.b",
        "/hook/holodeck/a%2fb",
        "/hook/holodeck/a%3fb",
        "/hook/holodeck/a%00",
        f"{_HOOK}/../../../run",
        f"{_HOOK}/%2e%2e/%2e%2e/%2e%2e/run",
        f"{_HOOK}/..%2f..%2f..%2frun",
        "/hook/holodeck/%2e%2e/other",
        "/hook/holodeck/..",
        "//run",
        f"/run{_HOOK}",
        f"/x{_TOLD}",
        f"{_TOLD}/../../run",
        "/holodeck/",
        "/holodeck/index.html",
        "/holodeck/%2e%2e/pending.json",
        _TOLD.replace("0", "g"),
        _TOLD.replace("/0", "/"),
        _TOLD.replace("/0", "/00"),
        _TOLD.upper(),
        _TOLD.removesuffix(".json"),
        _TOLD.replace(".json", "xjson"),
        f"{_TOLD}.gz",
    ],
)
def test_other_paths_are_not_let_through(ask, api, path):
    """Salt-api has more doors than the two, and none of them is open."""
    assert ask("POST", path, _BODY) in {400, 404}
    assert ask("GET", path) in {400, 404}
    assert not api.asked


@pytest.mark.parametrize(
    "path",
    [
        f"/run/..{_HOOK}",
        f"/run/%2e%2e{_HOOK}",
        f"/run/%2E%2E%2f{_HOOK}",
        f"/{_HOOK}",
        "//hook//holodeck///guestbook",
        "/hook/other/%2e%2e/holodeck/guestbook",
        "/hook/./holodeck/x/../%67uestbook",
        f"{_HOOK}%0a",
        f"{_HOOK}?token=x&arg=y",
        f"{_HOOK}#x",
    ],
)
def test_path_reaches_salt_api_in_one_spelling(ask, api, path):
    """What means the hook is asked as the hook: Salt's tags are made of the path."""
    assert ask("POST", path, _BODY) == 200
    assert api.asked == [("POST", _HOOK)]


@pytest.mark.parametrize(
    "path", [_TOLD, f"{_TOLD}?x", f"/run/%2e%2e{_TOLD}", f"{_TOLD}%0a"]
)
def test_what_became_of_a_push_is_let_through(ask, api, path):
    """Whoever knows the name reads it."""
    assert ask("GET", path, headers={}) == 200
    assert api.asked == [("GET", _TOLD)]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_what_became_of_a_push_is_for_reading(ask, api, method):
    """Salt-api would parse what it gets there too."""
    assert ask(method, _TOLD, _BODY, {"Content-Type": "text/yaml"}) == 403
    assert not api.asked


def test_flood_is_held_back_and_its_rest_refused(connect, api):
    """Up to the burst webhooks wait, more are refused; other senders do not wait."""
    with contextlib.ExitStack() as stack:
        flood = [stack.enter_context(contextlib.closing(connect())) for _ in range(120)]
        other = stack.enter_context(contextlib.closing(connect()))
        other.source_address = ("127.0.0.2", 0)
        for connection in [*flood, other]:
            connection.connect()
        begin = time.monotonic()
        for connection in [*flood, other]:
            connection.request("POST", _HOOK, _BODY, _JSON)
        assert other.getresponse().status == 200
        statuses = [connection.getresponse().status for connection in flood]
        seconds = time.monotonic() - begin
    assert set(statuses) == {200, 429}
    through = statuses.count(200)
    assert len(api.asked) == through + 1
    assert _BURST < through <= _BURST + 1 + _PER_S * seconds
    assert seconds > (_BURST - 1) / _PER_S
