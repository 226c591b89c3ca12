"""The live client under TLS: the name that was asked for, at a pinned address."""

import ssl

import pytest
import trustme
from rude_server import RudeServer

from holodeck_http.app import App
from holodeck_http.client import LiveApp, Target, TransportError


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


def test_get_tls_slow_drip_ends_at_the_deadline(tls):
    """The deadline holds under TLS too."""
    app = _tls_app(tls, "www.example.org", ca=tls.ca, deadline_s=0.5)
    with pytest.raises(TransportError, match=r"within 0\.5 s"):
        app.get("/drip", status="*")


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
