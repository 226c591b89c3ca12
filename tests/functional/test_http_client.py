"""The live client against a server that misbehaves on purpose."""

import concurrent.futures
import socket
import time

import pytest
from rude_server import RudeServer

from holodeck_http.app import App, OffHostError
from holodeck_http.client import LiveApp, Target, TransportError


@pytest.fixture
def rude():
    """A misbehaving server on 127.0.0.1."""
    server = RudeServer()
    yield server
    server.close()


def _app(server, host="127.0.0.1", **options):
    return App(LiveApp(Target(f"http://{host}:{server.port}", **options)))


@pytest.mark.parametrize("path", ["/drip", "/drip-head"])
def test_get_slow_drip_ends_at_the_deadline(rude, path):
    """A byte now and then does not postpone the request's deadline."""
    with pytest.raises(TransportError, match=r"within 0\.5 s"):
        _app(rude, deadline_s=0.5).get(path, status="*")


@pytest.mark.parametrize(
    "path", ["/reset", "/truncate", "/truncate-chunk", "/hang-up", "/not-http"]
)
def test_get_broken_answer_is_no_status(rude, path):
    """Half an answer is an error, even for a test that accepts any status."""
    with pytest.raises(TransportError):
        _app(rude).get(path, status="*")


@pytest.mark.parametrize("status", [500, 502, 503, 504, "*"])
def test_get_dead_host_is_no_status(status):
    """A test that expects a 502 does not pass against a dead host."""
    app = App(LiveApp(Target("http://127.0.0.1:1")))
    with pytest.raises(TransportError, match="refused"):
        app.get("/", status=status)


def test_get_real_bad_gateway_is_a_status(rude):
    """A 502 that the server did send can be expected."""
    assert _app(rude).get("/bad-gateway", status=502).status_int == 502


def test_get_huge_body_is_refused(rude):
    """An endless body ends at the cap, and the next request starts afresh."""
    app = _app(rude, max_body_bytes=200_000)
    with pytest.raises(TransportError, match="larger than 200000 bytes"):
        app.get("/endless")
    assert app.get("/").text == "hello"


@pytest.mark.parametrize("verb", ["get", "post"])
def test_request_is_never_repeated(rude, verb):
    """A request that got no answer is sent once."""
    with pytest.raises(TransportError):
        getattr(_app(rude), verb)("/hang-up", status="*")
    assert len(rude.requests) == 1


def test_get_two_cookies_are_both_kept_and_sent(rude):
    """Several Set-Cookie headers stay several, and later requests carry all."""
    app = _app(rude)
    app.get("/two-cookies")
    assert app.cookies == {"a": "1", "b": "2"}
    app.get("/")
    assert b"cookie: a=1; b=2" in rude.requests[-1].lower()


def test_get_cookie_survives_with_a_host_header(rude):
    """Cookies belong to the Host the server was asked for."""
    app = _app(rude, host="127.0.0.1")
    named = App(LiveApp(Target(app.app.target.url, host="www.example.org")))
    named.get("/two-cookies")
    named.get("/")
    assert b"host: www.example.org\r\n" in rude.requests[-1].lower()
    assert b"cookie: a=1; b=2" in rude.requests[-1].lower()


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("/a%20b", "/a%20b"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a%3Fb", "/a%3Fb"),
        ("/caf%C3%A9", "/caf%C3%A9"),
        ("/caf%c3%a9", "/caf%c3%a9"),
        ("/café", "/caf%C3%A9"),
        ("/100%", "/100%25"),
        ("/a b?q=c d", "/a%20b?q=c%20d"),
        ("/?q=%2F%3F%26&e=é", "/?q=%2F%3F%26&e=%C3%A9"),
        ("/a/../b;c=d", "/a/../b;c=d"),
        ("/x#fragment", "/x"),
    ],
)
@pytest.mark.parametrize("verb", ["get", "post", "request"])
def test_path_arrives_as_written(rude, verb, asked, sent):
    """Escapes reach the server exactly as the test wrote them."""
    getattr(_app(rude), verb)(asked)
    method = "POST" if verb == "post" else "GET"
    assert rude.lines() == [f"{method} {sent} HTTP/1.1"]


@pytest.mark.parametrize("path", ["/off-host", "/off-host-slashes", "/off-port"])
def test_follow_off_host_is_refused(rude, path):
    """A redirect elsewhere is shown, never followed, not even on this machine."""
    app = _app(rude)
    answer = app.get(path, status=302)
    with pytest.raises(OffHostError, match="leads away"):
        answer.follow()
    assert len(rude.requests) == 1


@pytest.mark.parametrize("verb", ["get", "post", "request", "delete"])
def test_absolute_url_elsewhere_is_refused(rude, verb):
    """No verb reaches another host, and none is silently redirected to ours."""
    with pytest.raises(OffHostError):
        getattr(_app(rude), verb)("http://evil.invalid/")
    assert not rude.requests


def test_foreign_host_header_is_refused(rude):
    """A Host header of the test's own does not lead astray."""
    with pytest.raises(TransportError, match="never leaves its target"):
        _app(rude).get("/", headers={"Host": "evil.invalid"})


@pytest.mark.parametrize(
    ("path", "followed"),
    [("/deep/er/relative", "/deep/here"), ("/a%2Fb/relative", "/a%2Fb/here")],
)
def test_follow_relative_redirect_starts_from_its_page(rude, path, followed):
    """A relative Location is resolved against the page, escapes included."""
    _app(rude).get(path).follow()
    assert rude.lines()[-1] == f"GET {followed} HTTP/1.1"


def test_get_own_absolute_url_is_followed(rude):
    """Absolute links to the target itself are fine."""
    assert _app(rude).get(f"http://127.0.0.1:{rude.port}/x").text == "hello"


def test_get_connection_is_kept(rude):
    """Several requests use one connection."""
    app = _app(rude)
    for _ in range(3):
        app.get("/")
    assert len(set(rude.peers)) == 1


def test_get_after_the_server_closed_connects_anew(rude):
    """A kept connection that the server has ended meanwhile is no failure."""
    app = _app(rude)
    assert app.get("/part").text == "bye"
    time.sleep(0.1)
    assert app.get("/").text == "hello"
    assert len(set(rude.peers)) == 2


def test_get_from_several_threads(rude):
    """Threads of a test share an app, and none gets another's answer."""
    wsgi = LiveApp(Target(f"http://127.0.0.1:{rude.port}"))

    def get(number):
        path = "/bad-gateway" if number % 2 else "/"
        return App(wsgi).get(path, status="*").status_int

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(get, range(200))) == [200, 502] * 100


def test_post_refused_early_is_a_status(rude):
    """A server that answers before it has read a large body is heard."""
    answer = _app(rude).post("/refuse", "x" * (8 << 20), status=413)
    assert answer.status_int == 413


def test_get_sends_no_body(rude):
    """A GET says nothing of a body; a POST without one says so."""
    app = _app(rude)
    app.get("/")
    app.post("/")
    told = [b"content-length:" in request.lower() for request in rude.requests]
    assert told == [False, True]


def test_get_no_connection_says_how_long():
    """A host that does not even refuse is given up, with the seconds it had."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        app = App(LiveApp(Target(f"http://127.0.0.1:{address[1]}", connect_s=0.3)))
        with pytest.raises(TransportError, match=r"not connected within 0\.3 s"):
            app.get("/", status="*")
        for each in waiting:
            each.close()


def test_get_without_keep_alive_connects_anew(rude):
    """Without keep-alive the server is told so."""
    app = _app(rude, keep_alive=False)
    app.get("/")
    app.get("/")
    assert b"connection: close" in rude.requests[0].lower()
    assert len(set(rude.peers)) == 2


def test_get_until_waits_for_what_comes_later(rude):
    """An answer that is not ready, or none at all, is asked for again."""
    app = _app(rude)
    seen = app.get_until("/", lambda _: len(rude.requests) > 2, every_s=0)
    assert (seen.text, len(rude.requests)) == ("hello", 3)
    for path, last in (("/", "200 OK: hello"), ("/hang-up", "GET /hang-up at")):
        with pytest.raises(AssertionError, match=f"not within 0 s; {last}"):
            app.get_until(path, lambda _: False, within_s=0)


def test_get_ipv6_target():
    """An IPv6 address works, with its brackets in the Host header."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 on this machine")
    server = RudeServer("::1")
    assert _app(server, "[::1]").get("/").text == "hello"
    assert f"host: [::1]:{server.port}\r\n".encode() in server.requests[0].lower()
    server.close()


def test_get_ignores_proxies(rude, monkeypatch):
    """The target is asked directly, whatever the environment says."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert _app(rude).get("/").text == "hello"


def test_app_refuses_webtests_own_target(rude, monkeypatch):
    """WEBTEST_TARGET_URL would hijack the suite, so nothing runs."""
    monkeypatch.setenv("WEBTEST_TARGET_URL", f"http://127.0.0.1:{rude.port}")
    with pytest.raises(ValueError, match="unset it"):
        App(lambda _environ, _start_response: [])
