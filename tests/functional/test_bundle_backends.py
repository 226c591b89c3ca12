"""What builds a project: the same backend next year, or the one that the lock names."""

import contextlib
import hashlib
import http.server
import json
import os
import threading

import builder
import bundle_builder
import pytest
from bundle_builder import ALPHA, Place, Project, digests, prefix, wheel

from holodeck_io.errors import HolodeckError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

# The projects' commits are of the first day of 2026.
_BEFORE, _AFTER = "2025-06-01T00:00:00Z", "2026-03-01T00:00:00Z"
_TOOL = wheel("tool", "1.0", {"tool.py": "NAME = 'tool'\n"})
_MODULE = """
import zipfile
{more}
def build_wheel(folder, config_settings=None, metadata_directory=None):
    {first}
    info, name = "svc-1.dist-info", "svc-1-py3-none-any.whl"
    with zipfile.ZipFile(f"{{folder}}/{{name}}", "w") as archive:
        archive.writestr("svc.py", "BUILT_BY = {version!r}")
        archive.writestr(f"{{info}}/METADATA",
                         "Metadata-Version: 2.1\\nName: svc\\nVersion: 1\\n")
        archive.writestr(f"{{info}}/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        archive.writestr(f"{{info}}/RECORD", "")
    return name
"""
_ASKS = """
def get_requires_for_build_wheel(config_settings=None):
    return ["tool"]
"""
_PROJECT = """
[build-system]
requires = [{requires}]
build-backend = "smith"
"""


def _smith(version, more="", first="pass"):
    """Return a wheel of a build backend; what it builds says its version."""
    text = _MODULE.format(version=version, more=more, first=first)
    return wheel("smith", version, {"smith.py": text})


_SMITHS = {version: _smith(version) for version in ("1.0", "2.0", "3.0")}
_ASKING = _smith("4.0", _ASKS, "import tool")


class _Index(http.server.BaseHTTPRequestHandler):
    """The simple repository as JSON (PEP 691), which tells times of upload."""

    def do_GET(self):
        """Answer with a list of files, or a file."""
        _, room, name, *_ = f"{self.path}/".split("/")
        files = self.server.files
        if name in self.server.broken:
            self.send_error(403)
            return
        if room == "files":
            self._answer(files[name][0], "application/octet-stream")
            return
        found = [
            {"filename": file, "url": f"/files/{file}", "upload-time": time,
             "hashes": {"sha256": hashlib.sha256(content).hexdigest()}}
            for file, (content, time) in files.items() if file.split("-")[0] == name
        ]  # fmt: skip
        page = {"meta": {"api-version": "1.1"}, "name": name, "files": found}
        if not self.server.tells_times:
            for file in found:
                del file["upload-time"]
        self._answer(json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json")

    def do_HEAD(self):
        """Answer without the body."""
        self.do_GET()

    def log_message(self, *_):
        """Say nothing."""

    def _answer(self, body, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Running:
    """An index whose files may come later."""

    def __init__(self, server):
        self._server, self.broken = server, server.broken
        self.url = f"http://127.0.0.1:{server.server_address[1]}/simple"

    def publish(self, made, time=_BEFORE):
        """Add a wheel; return its hashed requirement."""
        file, content = made
        self._server.files[file] = (content, time)
        name, version = file.split("-")[:2]
        digest = hashlib.sha256(content).hexdigest()
        return f"{name}=={version} --hash=sha256:{digest}\n"


@pytest.fixture(params=[True], ids=["times"])
def index(request):
    """An index that every builder here asks."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Index)
    server.files, server.broken, server.tells_times = {}, [], request.param
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    running = Running(server)
    with contextlib.ExitStack() as stack:
        stack.callback(thread.join)
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        stack.enter_context(bundle_builder.environment(running.url))
        yield running


@pytest.fixture
def project(index, tmp_path):
    """Return a repository with a lock, built by what it requires."""

    def made(requires, lock=()):
        lines = [index.publish(ALPHA), *lock]
        text = _PROJECT.format(requires=json.dumps(requires))
        return Project(
            tmp_path / "git" / "sample",
            {"requirements.txt": "".join(lines), "pyproject.toml": text},
            remove=(),
        )

    return made


def _built_by(manifest):
    [module] = prefix(manifest["layers"][1]).rglob("svc.py")
    return module.read_text().split("'")[1]


def test_backend_is_of_the_commit_s_time(index, project, tmp_path):
    """What was published after the commit does not build it, on whatever day."""
    index.publish(_SMITHS["1.0"])
    repository = project("smith")
    recipe = builder.spec(repository)
    this_year = Place(tmp_path / "now").build(recipe, repository.first)
    index.publish(_SMITHS["2.0"], _AFTER)
    next_year = Place(tmp_path / "later").build(recipe, repository.first)
    assert _built_by(next_year) == "1.0"
    assert digests(next_year) == digests(this_year)


def test_backend_newer_than_the_month_is_found(index, project, tmp_path):
    """A backend that the commit's own day brought builds it, where no older does."""
    index.publish(_SMITHS["1.0"])
    index.publish(_SMITHS["2.0"], "2026-01-01T10:00:00Z")
    index.publish(_SMITHS["3.0"], _AFTER)
    repository = project("smith>=2")
    place = Place(tmp_path / "now")
    assert _built_by(place.build(builder.spec(repository), repository.first)) == "2.0"


def test_backend_of_the_lock_counts_whatever_its_time(index, project, tmp_path):
    """A lock that has the backend decides its version."""
    index.publish(_SMITHS["1.0"])
    index.publish(_SMITHS["3.0"])
    pin = index.publish(_SMITHS["2.0"], _AFTER)
    repository = project("smith", lock=[pin])
    place = Place(tmp_path / "now")
    assert _built_by(place.build(builder.spec(repository), repository.first)) == "2.0"


@pytest.mark.parametrize("index", [True, False], ids=["times", "none"], indirect=True)
def test_backend_that_asks_for_more_builds(index, project, tmp_path):
    """What a backend wants at build time alone is there, whatever the index tells."""
    index.publish(_ASKING)
    index.publish(_TOOL)
    repository = project("smith")
    place = Place(tmp_path / "now")
    assert _built_by(place.build(builder.spec(repository), repository.first)) == "4.0"


def test_backend_that_no_index_has_is_an_error(project, tmp_path):
    """The error of a build without its backend names the backend."""
    repository = project("smith")
    place = Place(tmp_path / "now")
    with pytest.raises(HolodeckError, match="smith"):
        place.build(builder.spec(repository), repository.first)


def test_backend_is_not_newer_for_an_index_that_fails(index, project, tmp_path):
    """While an index does not answer, the build fails: it takes nothing else."""
    index.publish(_SMITHS["1.0"])
    repository = project("smith")
    index.publish(_SMITHS["2.0"], _AFTER)
    index.broken.append("smith-1.0-py3-none-any.whl")
    place = Place(tmp_path / "now")
    with pytest.raises(HolodeckError, match=r"smith-1\.0-py3"):
        place.build(builder.spec(repository), repository.first)
