"""The live client against a server that misbehaves on purpose."""

import socket
import ssl

import pytest
import trustme
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


@pytest.fixture
def tls(tmp_path):
    """A TLS server for www.example.org, and the file of its authority."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("www.example.org").configure_cert(context)
    server = RudeServer(context=context)
    server.ca = str(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(server.ca)
    yield server
    server.close()


def _tls_app(server, host, **options):
    target = Target(f"https://127.0.0.1:{server.port}", host=host, **options)
    return App(LiveApp(target))


@pytest.mark.parametrize("path", ["/drip", "/drip-head"])
def test_get_slow_drip_ends_at_the_deadline(rude, path):
    """A byte now and then does not postpone the request's deadline."""
    with pytest.raises(TransportError, match=r"within 0\.5 s"):
        _app(rude, deadline_s=0.5).get(path, status="*")


def test_get_tls_slow_drip_ends_at_the_deadline(tls):
    """The deadline holds under TLS too."""
    app = _tls_app(tls, "www.example.org", ca=tls.ca, deadline_s=0.5)
    with pytest.raises(TransportError, match=r"within 0\.5 s"):
        app.get("/drip", status="*")


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


def test_tls_trusted_name_is_answered(tls):
    """The Host's name is TLS's name, though the address is pinned."""
    answer = _tls_app(tls, "www.example.org", ca=tls.ca).get("/")
    assert answer.text == "hello"
    assert answer.request.url == "https://www.example.org/"


@pytest.mark.parametrize(
    ("host", "trusted"), [("www.example.com", True), ("www.example.org", False)]
)
def test_tls_wrong_certificate_is_no_status(tls, host, trusted):
    """A certificate for another name, or of an unknown authority, is refused."""
    with pytest.raises(TransportError, match=r"CERTIFICATE_VERIFY_FAILED"):
        _tls_app(tls, host, ca=tls.ca if trusted else None).get("/", status="*")
    assert not tls.requests


@pytest.fixture
def asking(tmp_path):
    """A TLS server that asks for a client's certificate; a folder with one."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("www.example.org").configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    mine = authority.issue_cert("tester1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    mine.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    mine.private_key_pem.write_to_path(tmp_path / "key.pem")
    mine.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    server = RudeServer(context=context)
    yield server, tmp_path
    server.close()


@pytest.mark.parametrize(
    "files", [{"cert": "both.pem"}, {"cert": "cert.pem", "key": "key.pem"}]
)
def test_tls_shows_its_certificate(asking, files):
    """A server that lets in known clients alone is tested like any other."""
    server, folder = asking
    shown = {name: str(folder / file) for name, file in files.items()}
    app = _tls_app(server, "www.example.org", ca=str(folder / "ca.pem"), **shown)
    assert app.get("/").text == "hello"


def test_tls_without_its_certificate_is_no_status(asking):
    """Being turned away by TLS is an error, not a status to expect."""
    server, folder = asking
    app = _tls_app(server, "www.example.org", ca=str(folder / "ca.pem"))
    with pytest.raises(TransportError):
        app.get("/", status="*")
    assert not server.requests


def test_tls_key_without_certificate_is_refused():
    """Half of a pair is a mistake, said before anything is sent."""
    with pytest.raises(ValueError, match="has a key, and no cert"):
        Target("https://127.0.0.1", key="key.pem")


def test_tls_large_body_arrives_whole(tls):
    """Uploads of many TLS records pass the deadline's sockets."""
    app = _tls_app(tls, "www.example.org", ca=tls.ca)
    assert app.post("/", "x" * 30_000).text == "hello"
