"""The nginx that are mirrors, by the very lines of docs/bundles.rst."""

import concurrent.futures
import contextlib
import hashlib
import http.client
import re
import textwrap
import time
from pathlib import Path

import nginx_server
import pytest
from waiting import free_port
from web_server import serving

from holodeck_bundle import mirrors

_DOCS = Path(__file__).parents[2] / "docs/bundles.rst"
_BYTES = b"a package" * 20_000
_DIGEST = hashlib.sha256(_BYTES).hexdigest()
_NAME = "holodeck-guestbook_1.2~rc1+x.deb"
_PATH = f"/bundles/{_DIGEST}/{_NAME}"
_ARTEFACT = {"filename": _NAME, "sha256": _DIGEST, "size": len(_BYTES)}


def _site(number, changes):
    """Return one of the docs' configurations, with a test's own words in it."""
    blocks = re.findall(
        r"^\.\. code-block:: nginx\n\n((?: +\S.*\n|\n)+)",
        _DOCS.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert len(blocks) == 2
    text = textwrap.dedent(blocks[number])
    for told, ours in changes.items():
        assert told in text
        text = text.replace(told, ours)
    return text


@contextlib.contextmanager
def _nginx(folder, number, changes, allowed="127.0.0.0/8"):
    """Run one of the two; yield its port."""
    port = free_port()
    network = ("10.0.0.0/8", "10.2.0.0/16")[number]
    changes = {"listen 8080;": f"listen 127.0.0.1:{port};", network: allowed, **changes}
    folder.mkdir()
    with nginx_server.running(folder, _site(number, changes), port):
        yield port


@pytest.fixture
def store(tmp_path):
    """A store with one package, a file under way, and a neighbour."""
    home = tmp_path / "mirror"
    package = home / _PATH.strip("/")
    package.parent.mkdir(parents=True)
    package.write_bytes(_BYTES)
    package.with_name(f".{_NAME}.7.new").write_bytes(b"half")
    (home / "secret").write_text("secret")
    (home / "bundles/secret").write_text("secret")
    return home


@contextlib.contextmanager
def _beside(tmp_path, store, **options):
    changes = {"/srv/mirror;": f"{store};"}
    with _nginx(tmp_path / "beside", 0, changes, **options) as port:
        yield port


@contextlib.contextmanager
def _far(tmp_path, backend, **options):
    changes = {
        "/var/lib/nginx/holodeck": str(tmp_path / "cache"),
        "master.example.org:8080": f"127.0.0.1:{backend}",
    }
    with _nginx(tmp_path / "far", 1, changes, **options) as port:
        yield port


@pytest.fixture(params=["beside", "far"])
def port(request, tmp_path, store):
    """The port of each of the two."""
    with _beside(tmp_path, store) as near:
        if request.param == "beside":
            yield near
        else:
            with _far(tmp_path, near) as far:
                yield far


def _ask(port, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def _download(port, target):
    mirrors.download(f"http://127.0.0.1:{port}/bundles", _ARTEFACT, target)
    return target.read_bytes()


def test_mirror_gives_a_package(port, tmp_path):
    """A host has from either what the store has."""
    assert _download(port, tmp_path / "got") == _BYTES


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/bundles",
        "/bundles/",
        "/secret",
        "/bundles/secret",
        f"/bundles/{_DIGEST}",
        f"/bundles/{_DIGEST}/",
        f"/bundles/{_DIGEST}/.{_NAME}.7.new",
        f"/bundles/{_DIGEST}/../secret",
        f"/bundles/{_DIGEST}/%2e%2e/%2e%2e/secret",
        f"/bundles/{_DIGEST}/..%2f..%2fsecret",
        f"/bundles/{_DIGEST.upper()}/{_NAME}",
        f"/bundles/{'0' * 64}/{_NAME}",
        "/../etc/passwd",
    ],
)
def test_mirror_gives_nothing_else(port, path):
    """No list, no file under way, and nothing beside the bundles."""
    status, body = _ask(port, path)
    assert status in {400, 404}
    assert not {b"secret", b"half"} & {body}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "MKCOL"])
def test_mirror_is_for_reading(port, store, method):
    """No other method does anything."""
    assert _ask(port, _PATH, method)[0] in {403, 405}
    assert (store / _PATH.strip("/")).read_bytes() == _BYTES


def _recorded(asked):
    """Return a first mirror that takes its time, and notes who asks how."""

    def app(environ, start_response):
        asked.append(environ["REQUEST_METHOD"])
        time.sleep(0.2)
        start_response("200 OK", [])
        return [_BYTES]

    return app


def test_far_mirror_asks_for_many_once(tmp_path):
    """Hosts that want the same package at the same time are one request."""
    asked = []
    with (
        serving(_recorded(asked)) as server,
        _far(tmp_path, server.server_port) as far,
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        answers = list(pool.map(lambda _: _ask(far, _PATH), range(5)))
    assert answers == [(200, _BYTES)] * 5
    assert asked == ["GET"]


def test_far_mirror_hands_nothing_but_questions_on(tmp_path):
    """Another method does not reach the first mirror."""
    asked = []
    with (
        serving(_recorded(asked)) as server,
        _far(tmp_path, server.server_port) as far,
    ):
        assert _ask(far, _PATH, "POST")[0] == 403
    assert asked == []


def test_mirror_is_for_the_networks_that_it_names(tmp_path, store):
    """Whoever asks from elsewhere gets no code."""
    with (
        _beside(tmp_path, store, allowed="10.0.0.0/8") as near,
        _far(tmp_path, near, allowed="10.2.0.0/16") as far,
    ):
        assert [_ask(port, _PATH)[0] for port in (near, far)] == [403, 403]


def test_far_mirror_keeps_what_it_fetched(tmp_path, store):
    """Once it has a package it needs the first mirror no more, whatever the query."""
    with contextlib.ExitStack() as stack:
        with _beside(tmp_path, store) as near:
            far = stack.enter_context(_far(tmp_path, near))
            assert _download(far, tmp_path / "got") == _BYTES
        assert _download(far, tmp_path / "again") == _BYTES
        assert _ask(far, f"{_PATH}?x") == (200, _BYTES)


def test_far_mirror_keeps_no_failure(tmp_path, store):
    """A package that comes into the store later is there at once."""
    package = store / _PATH.strip("/")
    away = package.rename(store / "away")
    with _beside(tmp_path, store) as near, _far(tmp_path, near) as far:
        with pytest.raises(mirrors.NotThereError):
            _download(far, tmp_path / "got")
        away.rename(package)
        assert _download(far, tmp_path / "got") == _BYTES
