"""A service's OpenAPI schema held against it by the real Schemathesis."""

# ruff: noqa: F401, F811 -- fixtures come by name

import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

import pytest
import trustme
from salt.exceptions import SaltInvocationError
from tester import COMMIT, PACK, bundle, given, loaded, target
from web_server import serving

from holodeck_http import verdict
from holodeck_io.errors import HolodeckError
from holodeck_tester import contract

_LOCK = PACK / "salt/holodeck/files/contract-requirements.txt"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
_CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
]
_TEXTS = {"type": "array", "items": {"type": "string"}}
_PAGE = {"type": "object", "required": ["entries"], "properties": {"entries": _TEXTS}}
_NEW = {"type": "object", "required": ["text"], "properties": {"text": _TEXTS["items"]}}
_LIMIT = {"type": "integer", "minimum": 1, "maximum": 100}


def _answers(**statuses):
    content = {"application/json": {"schema": {}}}
    return {
        status[1:]: {"description": "an answer", "content": told or content}
        for status, told in statuses.items()
    }


_ENTRIES = {
    "get": {
        "parameters": [{"name": "limit", "in": "query", "schema": _LIMIT}],
        "responses": _answers(
            _200={"application/json": {"schema": _PAGE}}, _400=None, _405=None
        ),
    },
    "post": {
        "requestBody": {"content": {"application/json": {"schema": _NEW}}},
        "responses": _answers(_201=None, _400=None, _405=None, _415=None),
    },
}


class Service:
    """A service with a schema; it remembers what it was asked."""

    def __init__(self):
        self.asked = []
        self.paths = {"/api/entries": _ENTRIES}
        self.breaks_at = None
        self.entries = ["hello"]
        self.schema = None
        self.pause_s = 0
        self.token = None

    def __call__(self, environ, start_response):
        """Answer one request."""
        time.sleep(self.pause_s)
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        self.asked.append((method, path, environ["HTTP_HOST"]))
        status, body, *headers = self._answer(path, method, environ)
        headers = [("Content-Type", "application/json"), *headers]
        start_response(status, headers)
        return [body if isinstance(body, bytes) else json.dumps(body).encode()]

    def _answer(self, path, method, environ):
        if path == "/openapi.json":
            return self.schema or ("200 OK", self._document())
        if path == "/api/old":
            return "302 Found", {}, ("Location", self.elsewhere)
        if self.token and environ.get("HTTP_AUTHORIZATION") != f"Bearer {self.token}":
            return "500 Internal Server Error", {"why": f"I wanted {self.token}"}
        if path != "/api/entries":
            return "404 Not Found", {}
        if method == "POST":
            return "201 Created", {}
        return self._page(environ) if method == "GET" else ("405 Not Allowed", {})

    def _document(self):
        servers = [{"url": "https://production.example.org/api"}]
        paths = {path.removeprefix("/api"): ways for path, ways in self.paths.items()}
        info = {"title": "entries", "version": "1"}
        return {"openapi": "3.0.3", "info": info, "servers": servers, "paths": paths}

    def _page(self, environ):
        query = urllib.parse.parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
        limit = query.get("limit", ["1"])
        if len(limit) > 1 or not limit[0].isascii() or not limit[0].isdigit():
            return "400 Bad Request", {}
        if not 1 <= int(limit[0]) <= 100:
            return "400 Bad Request", {}
        if int(limit[0]) == self.breaks_at:
            return "500 Internal Server Error", {}
        return "200 OK", {"entries": self.entries}

    @property
    def sent(self):
        """The methods that it was asked by."""
        return {method for method, _, _ in self.asked}


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """What the bundle of a service with a contract has: its lock, installed."""
    root = tmp_path_factory.mktemp("contract")
    for folder in (root, *root.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    uv = str(Path(sys.executable).parent / "uv")
    env = {**os.environ, "UV_CACHE_DIR": str(_CACHE / "holodeck/uv-venv")}
    base = ["--quiet", "--no-config", "--python"]
    for command in (
        [uv, "venv", *base, sys.executable, str(root / "bundle")],
        [uv, "pip", "install", *base, str(root / "bundle/bin/python"),
         "--require-hashes", "--requirement", str(_LOCK)],
    ):  # fmt: skip
        subprocess.run(command, env=env, check=True)
    return root / "bundle"


@pytest.fixture
def service():
    """A service that keeps its contract, until a test changes it."""
    return Service()


@pytest.fixture
def run(loaded, tools, tmp_path):
    """``webtest.contract`` against a service, for a few seconds."""

    def call(service, *, seconds=5, port=None, host=None, headers=None, **options):
        options.setdefault("bundle", str(tools))
        terms = _terms(seconds=seconds, headers=headers or {})
        with serving(service) as server:
            where = target("web1", port or server.server_port)
            return loaded["webtest.contract"](
                "guestbook", COMMIT, {**where, **({"host": host} if host else {})},
                terms, reports=str(tmp_path / "reports"), **options,
            )  # fmt: skip

    return call


def _terms(**changes):
    known = {"schema": "/openapi.json", "seconds": 1, "checks": _CHECKS, "headers": {}}
    return {**known, **changes}


def _faults(entry):
    dealt, answer = {"t1": [{"name": "row"}]}, {"t1": {"targets": {"row": entry}}}
    return verdict.joined(dealt, answer, {})["faults"]


def test_contract_that_is_kept_passes(run, service):
    """Each answer is as the schema says; the verdict takes it, reports stay."""
    entry = run(service)
    assert entry["state"] == "passed", entry
    assert entry["counts"]["passed"] == entry["counts"]["total"] == 1
    assert _faults(entry) == []
    kept = Path(entry["report"])
    assert {file.name for file in kept.iterdir()} >= {"contract.json", "contract.log"}
    assert kept.parent.name == COMMIT


def test_contract_on_a_read_only_target_sends_no_write(run, service):
    """Without allow_writes neither an operation nor a probe is more than a read."""
    run(service)
    assert service.sent <= {"GET", "HEAD", "OPTIONS"}
    assert len(service.asked) > 10


def test_contract_with_writes_tests_the_others_too(run, service):
    """Where writes are allowed, every operation of the schema is tested."""
    entry = run(service, allow_writes=True, seconds=15)
    assert entry["state"] == "passed", entry
    assert "POST" in service.sent


def test_contract_stays_on_its_target(run, service, monkeypatch, tmp_path):
    """The schema's servers, a redirect or the minion's settings lead nowhere else."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("SCHEMATHESIS_HOOKS", "nothing_of_this_name")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tmp_path.chmod(0o755)
    (tmp_path / "schemathesis.toml").write_text("no = such key\n")
    service.paths["/api/old"] = {"get": {"responses": _answers(_302=None)}}
    other = Service()
    with serving(other) as elsewhere:
        service.elsewhere = f"{elsewhere.url}/api/entries"
        entry = run(service, host="book.example.org")
    assert entry["counts"]["passed"] == 2, entry
    assert other.asked == []
    assert {host for _, _, host in service.asked} == {"book.example.org"}


def test_contract_behind_a_login(run, service, given, tmp_path):
    """Headers carry the suite's own secret, which nothing that is kept shows."""
    service.token = given["API_TOKEN"] = "a-secret-of-the-service"
    headers = {"Authorization": "Bearer ${API_TOKEN}"}
    entry = run(service, headers=headers, host="www.example.org")
    assert entry["state"] == "passed", entry
    assert {host for _, _, host in service.asked} == {"www.example.org"}
    service.token = f"{service.token}-of-others"
    entry = run(service, headers=headers)
    assert entry["state"] == "failed"
    kept = [path for path in (tmp_path / "reports").rglob("*") if path.is_file()]
    told = json.dumps(entry) + "".join(path.read_text() for path in kept)
    assert len(kept) >= 6
    assert given["API_TOKEN"] not in told


def test_contract_server_error_comes_with_its_curl_line(run, service):
    """A generated input that breaks the service fails, and can be sent again."""
    service.breaks_at = 100
    with serving(service) as server:
        entry = run(service, port=server.server_port)
        failure = entry["failures"][0]
        done = subprocess.run(
            f"{failure['curl']} -s -w '%{{http_code}}'", shell=True,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    assert (entry["state"], entry["counts"]["failed"]) == ("failed", 1)
    assert failure["id"] == "GET /entries"
    assert failure["why"].splitlines()[0].startswith("Server error")
    assert done.stdout.endswith("500")
    assert _faults(entry)[0]["why"].startswith("failed")


def test_contract_answer_that_breaks_its_schema_fails(run, service):
    """A body of another shape than the schema says is named, and how."""
    service.entries = [7]
    entry = run(service)
    assert entry["state"] == "failed"
    why = entry["failures"][0]["why"]
    assert why.startswith("Response violates schema\n")
    assert '7 is not of type "string"' in why


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (("404 Not Found", {}), "HTTP 404 Not Found"),
        (("200 OK", b"<html>"), "does not appear syntactically valid"),
        (("200 OK", {}), "Unable to determine the Open API version"),
    ],
    ids=["missing", "html", "empty"],
)
def test_contract_without_a_schema_fails(run, service, schema, reason):
    """No schema, or something else in its place, is a failure with its reason."""
    service.schema = schema
    entry = run(service)
    assert entry["state"] == "error"
    [failure] = entry["failures"]
    assert failure["id"] == "schema"
    assert reason in failure["why"].splitlines()[0]
    assert _faults(entry)


def test_contract_of_a_dead_host_fails(run, service):
    """Nobody listens: that is said, and nothing passes."""
    entry = run(service, port=1)
    assert entry["state"] == "error"
    assert "Connection refused" in entry["failures"][0]["why"]


def test_contract_of_writes_alone_proves_nothing_when_read_only(run, service):
    """Where no operation may be sent, nothing was tested, and nothing passed."""
    service.paths = {"/api/entries": {"post": _ENTRIES["post"]}}
    entry = run(service)
    assert entry["state"] == "no-tests"
    assert "the schema has 1" in entry["failures"][0]["why"]


def test_contract_operations_that_were_not_reached_are_a_timeout(run, service):
    """A run that has no time for all operations does not pass for the rest."""
    service.pause_s = 0.2
    for number in range(20):
        service.paths[f"/api/{number}"] = {"get": {"responses": _answers(_404=None)}}
    entry = run(service, seconds=1)
    assert entry["state"] == "timeout"
    assert "of 21 operations were not tested in time" in entry["failures"][-1]["why"]


def test_contract_that_hangs_is_killed(run, service, monkeypatch):
    """A host that answers nothing costs the seconds and the grace, not more."""
    monkeypatch.setattr(contract, "GRACE_S", 2)
    service.pause_s = 30
    begin = time.monotonic()
    entry = run(service, seconds=1)
    assert time.monotonic() - begin < 20
    assert entry["state"] == "timeout"
    assert entry["failures"][0]["why"] == "The deadline ended the run."


def test_contract_over_tls_trusts_the_given_authority_alone(
    loaded, tools, service, tmp_path
):
    """A private authority is trusted by its file, and not without it."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    terms = _terms(seconds=3)
    states = []
    with serving(service) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = server.url.replace("http:", "https:")
        for ca in ({"ca": str(file)}, {}):
            where = {"name": "web1", "kind": "host", "url": url, **ca}
            entry = loaded["webtest.contract"](
                "guestbook", COMMIT, where, terms, bundle=str(tools),
                reports=str(tmp_path / "reports"),
            )  # fmt: skip
            states.append(entry["state"])
    assert states == ["passed", "error"]


def test_contract_bundle_without_schemathesis_is_named(run, service, bundle):
    """A suite's own lock that lacks Schemathesis fails with what is missing."""
    entry = run(service, bundle=str(bundle))
    assert entry["state"] == "error"
    assert "No module named 'schemathesis'" in entry["failures"][0]["why"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"name": "../etc"}, "name: '../etc'"),
        ({"commit": "main"}, "commit: 'main' should be a full commit id"),
        ({"target": {"name": "a"}}, "targets/0/kind"),
        ({"contract": {"schema": "/a"}}, "contract: should be a mapping with schema"),
        ({"contract": _terms(schema="a")}, "contract/schema"),
        ({"contract": _terms(seconds=0)}, "contract/seconds"),
        ({"contract": _terms(checks=["-x"])}, "contract/checks"),
        ({"contract": _terms(headers={"A B": "c"})}, "contract/headers"),
    ],
)
def test_contract_bad_input_is_refused(loaded, change, match):
    """Wrong arguments name the value and the rule before anything runs."""
    where = target("web1", 80)
    known = {"name": "guestbook", "commit": COMMIT, "target": where}
    known["contract"] = _terms()
    with pytest.raises(SaltInvocationError, match=match):
        loaded["webtest.contract"](**{**known, **change})


def test_contract_bundle_that_is_missing_is_named(loaded, tmp_path):
    """A tester without the bundle says so."""
    with pytest.raises(HolodeckError, match="has no bin/python"):
        loaded["webtest.contract"](
            "guestbook", COMMIT, target("web1", 80), _terms(), bundle=str(tmp_path)
        )
