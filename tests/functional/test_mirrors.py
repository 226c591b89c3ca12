"""Packages from mirrors: real HTTP, and a host that trusts none of them."""

import contextlib
import logging
import os
import re
import socket
import ssl
import tracemalloc
from pathlib import Path

import pytest
import trustme
from bundle_host import bundle
from gpg_home import Home
from rude_server import RudeServer
from waiting import free_port
from web_server import serving

from holodeck_bundle import downloads, mirrors
from holodeck_io import files
from holodeck_io.errors import HolodeckError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
A, B = "a" * 40, "b" * 40
_PLACE = re.compile(r"/bundles/([0-9a-f]{64})/([^/]+)")


class Mirror:
    """What the master's store has, by HTTP; ``harm`` is done to each file's bytes."""

    def __init__(self, host):
        self._host = host
        self.asked, self.status, self.headers = [], "200 OK", []
        self.harm = bytes

    def __call__(self, environ, start_response):
        """Answer one request."""
        found = _PLACE.fullmatch(environ["PATH_INFO"])
        self.asked.append(found[2])
        file = self._host.store.get(f"salt://bundles/{found[1]}/{found[2]}")
        status = self.status if file else "404 Not Found"
        start_response(status, list(self.headers))
        return [self.harm(Path(file).read_bytes())] if file else []


@pytest.fixture
def mirror(host):
    """A mirror of the host's store, with its ``url``."""
    made = Mirror(host)
    with serving(made) as server:
        made.url = f"{server.url}/bundles"
        yield made


@pytest.fixture
def made(host):
    """A bundle of two layers."""
    deps = host.deps()
    return bundle(A, deps, host.app(A, "first", deps))


@pytest.fixture
def hasty(monkeypatch):
    """A host that waits for nobody."""
    monkeypatch.setattr(mirrors, "_CONNECT_S", 0.3)
    monkeypatch.setattr(mirrors, "_STALL_S", 0.3)


def _names(made):
    return [layer["filename"] for layer in made["layers"]]


def _installed(host, made):
    """Install a bundle; nothing but it may be there afterwards."""
    digests = {layer["root"]: layer["tree"] for layer in made["layers"]}
    assert host.install(made)["digest"] == digests
    assert {root: files.tree_digest(root) for root in digests} == digests
    assert host.leftovers() == []


def _warnings(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno > logging.INFO]


def test_install_takes_packages_from_a_mirror(host, mirror, made, caplog):
    """Where the pillar names a mirror that has all, the master sends nothing."""
    host.pillar({"mirrors": [f"{mirror.url}/"]})
    _installed(host, made)
    assert mirror.asked == _names(made)
    assert host.fetched == []
    assert _warnings(caplog) == []


def test_difference_comes_from_a_mirror_too(host, mirror, made):
    """What moves of a following commit is in the store, and so at a mirror."""
    host.install(made)
    deps, app = made["layers"]
    host.fetched.clear()
    host.pillar({"mirrors": [mirror.url]})
    _installed(host, bundle(B, deps, host.app(B, "second", deps, base=app)))
    [asked] = mirror.asked
    assert asked.endswith(".delta")
    assert host.fetched == []


def test_stage_takes_mirrors_from_the_pillar_that_is_meant(host, mirror, made):
    """A mark that is in memory brings its mirrors; another has the pillar compiled."""
    host.pillar({"mirrors": []})
    host.remember({"mark": "m", "mirrors": [mirror.url]})
    host.call("stage", [made], mark="m")
    assert (mirror.asked, host.fetched) == (_names(made), [])
    app = bundle(B, made["layers"][0], host.app(B, "other", made["layers"][0]))
    host.call("stage", [app], mark="newer")
    assert (mirror.asked, host.fetched) == (_names(made), _names(app)[1:])


_WRONG = {
    "sends other bytes than were built": {"harm": lambda data: b"x" + data[1:]},
    "bytes of it instead of": {"harm": lambda data: data + b"x"},
    "ends after": {"harm": lambda data: data[:-9], "headers": []},
    "answers 500": {"status": "500 Internal Server Error"},
    "answers 403": {"status": "403 Forbidden"},
    "answers 206": {"status": "206 Partial Content"},
    "answers 302, and is not followed": {
        "status": "302 Found", "headers": [("Location", "file:///etc/shadow")]},
    "answers 301, and is not followed": {
        "status": "301 Moved", "headers": [("Location", "http://127.0.0.1/")]},
}  # fmt: skip


@pytest.mark.parametrize("reason", _WRONG)
def test_mirror_with_another_answer_is_left_for_the_master(
    host, mirror, made, caplog, reason
):
    """Whatever it answers but the file, it is asked once, named, and done without."""
    vars(mirror).update(_WRONG[reason])
    if reason == "ends after":
        sizes = [str(layer["size"]) for layer in made["layers"]]
        mirror.headers.append(("Content-Length", sizes[0]))
    host.pillar({"mirrors": [mirror.url]})
    _installed(host, made)
    assert mirror.asked == _names(made)[:1]
    assert host.fetched == _names(made)
    [warning] = _warnings(caplog)
    assert warning.startswith(f"Mirror {mirror.url}: {_names(made)[0]}: ")
    assert reason in warning


def test_mirror_that_lacks_one_file_gives_the_other(host, mirror, made, caplog):
    """A 404 is of that file alone: the mirror is asked for the next one."""
    store = dict(host.store)
    missing = made["layers"][0]
    mirror._host = type("Store", (), {"store": store})
    del store[f"salt://bundles/{missing['sha256']}/{missing['filename']}"]
    host.pillar({"mirrors": [mirror.url]})
    _installed(host, made)
    assert mirror.asked == _names(made)
    assert host.fetched == [missing["filename"]]
    [warning] = _warnings(caplog)
    assert "has not got it (404)" in warning


_RUDE = {
    "reset": "reset",
    "truncate": "bytes of it instead of",
    "truncate-chunk": "speaks no proper HTTP (IncompleteRead)",
    "endless": "sends more than",
    "not-http": "speaks no proper HTTP (BadStatusLine)",
    "hang-up": "Remote end closed connection",
    "stall": "4 of",
    "ooze": "is slow",
    "drip-head": "does not answer: 0 of",
}


@pytest.mark.parametrize("way", _RUDE)
def test_rude_mirror_costs_a_call_one_moment(
    host, made, hasty, monkeypatch, caplog, way
):
    """One that hangs, drips, lies or breaks off is waited for once, not per layer."""
    monkeypatch.setattr(mirrors, "_LEAST_BYTES_PER_S", 1 << 30)
    server = RudeServer()
    with contextlib.closing(server):
        host.pillar({"mirrors": [f"http://127.0.0.1:{server.port}/{way}"]})
        _installed(host, made)
    assert len(server.requests) == 1
    assert host.fetched == _names(made)
    [warning] = _warnings(caplog)
    assert _RUDE[way] in warning


@contextlib.contextmanager
def _deaf():
    """Yield the port of somebody who takes no more connections: their SYNs are lost."""
    with socket.socket() as server, contextlib.ExitStack() as stack:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@pytest.mark.parametrize("silent", [True, False])
def test_second_mirror_takes_a_dead_ones_place(
    host, mirror, made, hasty, monkeypatch, caplog, silent
):
    """Of several, one that gives no connection is tried once; the master is spared."""
    with _deaf() if silent else contextlib.nullcontext(free_port()) as port:
        dead = f"http://127.0.0.1:{port}/bundles"
        both = [dead, mirror.url]
        monkeypatch.setattr(downloads.mirror_rules, "in_turn", lambda *_: list(both))
        host.pillar({"mirrors": both})
        deps = made["layers"][0]
        other = bundle(B, deps, host.app(B, "other", deps))
        host.call("stage", [made, other])
    assert mirror.asked == [*_names(made), *_names(other)[1:]]
    assert host.fetched == []
    [warning] = _warnings(caplog)
    assert warning.startswith(f"Mirror {dead}: ")
    assert ("does not connect within 0.3 s" if silent else "refused") in warning


def test_mirror_is_asked_for_nothing_that_is_not_signed(host, mirror, made):
    """A demand for signatures comes before the first byte, from wherever it is."""
    home = Home()
    with contextlib.closing(home):
        key = home.make("builder@localhost")
        public = home.gpg("--armor", "--export", key)
        signing = {"key": key, "public_keys": public}
        host.pillar({"mirrors": [mirror.url], "signing": signing})
        with pytest.raises(HolodeckError, match="carries no signature"):
            host.install(made)
    assert (mirror.asked, host.fetched) == ([], [])


@pytest.mark.parametrize("trusted", [True, False])
def test_tls_is_by_the_systems_authorities(
    host, made, monkeypatch, tmp_path, caplog, trusted
):
    """A certificate that the host's trust store does not lead to is no mirror's."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    known = authority if trusted else trustme.CA()
    known.cert_pem.write_to_path(tmp_path / "authorities.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authorities.pem"))
    mirror = Mirror(host)
    with serving(mirror, context) as server:
        host.pillar({"mirrors": [f"{server.url}/bundles"]})
        _installed(host, made)
    assert bool(host.fetched) is not trusted
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text or trusted


def test_proxy_of_the_environment_is_not_asked(host, mirror, made, monkeypatch):
    """A mirror is asked by the name it has in pillar, and nobody in between."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    host.pillar({"mirrors": [mirror.url]})
    _installed(host, made)
    assert host.fetched == []


def test_full_disk_is_no_fault_of_the_mirror(host, mirror, made, monkeypatch, caplog):
    """What cannot be written is an error of this host, whoever sends it."""
    real = Path.open

    def full(path, *words, **more):
        wanted = Path("/dev/full") if path.suffix == ".part" else path
        return real(wanted, *words, **more)

    host.pillar({"mirrors": [mirror.url]})
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(HolodeckError, match="No space left on device"):
        host.install(made)
    assert _warnings(caplog) == []
    assert host.leftovers() == []


def test_download_that_fails_leaves_nothing(host, mirror, made):
    """Where nothing came there is no file that could pass for what did."""
    mirror.harm = bytes.upper
    path = downloads.path_for(made["layers"][0])
    with pytest.raises(mirrors.MirrorError):
        mirrors.download(mirror.url, made["layers"][0], path)
    assert host.leftovers() == []


def test_download_is_not_held_in_memory(tmp_path):
    """A package of any size takes no more memory than a piece of it."""
    size, piece = 24 << 20, bytes(64 << 10)

    def app(_environ, start_response):
        start_response("200 OK", [("Content-Length", str(size))])
        return (piece for _ in range(size // len(piece)))

    whole = tmp_path / "whole"
    with whole.open("wb") as file:
        file.truncate(size)
    artefact = {"filename": "a.deb", "sha256": files.sha256_file(whole), "size": size}
    with serving(app) as server:
        tracemalloc.start()
        try:
            mirrors.download(server.url, artefact, tmp_path / "got")
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert (tmp_path / "got").stat().st_size == size
    assert most < 4 << 20
