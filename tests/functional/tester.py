"""A tester on this machine: the real module, and a bundle with a suite."""

import shlex
import sys
import textwrap
from pathlib import Path

import pytest
import salt.config
import salt.loader
from web_server import serving

from holodeck_io import pillar
from holodeck_tester import library

PACK = Path(__file__).parents[2]
COMMIT = "4f2c1e90b7a1c5d2e8f3a6b4c7d8e9f0a1b2c3d4"
SUITE = """
import os

def test_home(app):
    assert app.get("/").text == "hello"

def test_commit():
    assert os.environ["HOLODECK_COMMIT"].startswith("4f2c")
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """The minion's functions, as Salt loads them from the checkout."""
    root = tmp_path_factory.mktemp("minion")
    opts = salt.config.minion_config(None)
    opts.update(
        root_dir=str(root),
        cachedir=str(root / "cache"),
        module_dirs=[str(PACK / "salt")],
        utils_dirs=[str(PACK / "_utils")],
        file_client="local",
        grains={},
    )
    utils = salt.loader.utils(opts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "HOME", root / "run" / "library")
        root.chmod(0o711)
        (root / "run").mkdir()
        yield salt.loader.minion_mods(opts, utils=utils)


@pytest.fixture
def bundle(tmp_path):
    """A tester's bundle: this interpreter, and a suite that can be replaced."""
    root = tmp_path / "bundle"
    (root / "bin").mkdir(parents=True)
    # Suites run as users of their own, who may pass through to it as on a tester.
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o011)
    tmp_path.chmod(0o777)
    python = root / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    (root / "suite").mkdir()
    return root


@pytest.fixture
def given(monkeypatch):
    """What pillar gives to the suite: nothing, until a test puts something in."""
    settings = {}
    own = {"suites": {"guestbook": settings}}
    monkeypatch.setattr(pillar, "own", lambda *_: own)
    return settings


@pytest.fixture
def run(loaded, bundle, given, tmp_path):
    """``webtest.run`` with the bundle's suite replaced by the given source."""

    def call(targets, source=SUITE, **options):
        if source:
            test = bundle / "suite" / "test_it.py"
            test.write_text(textwrap.dedent(source))
        options.setdefault("bundle", str(bundle))
        return loaded["webtest.run"](
            "guestbook", COMMIT, targets, reports=str(tmp_path / "reports"), **options
        )

    return call


def _hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


@pytest.fixture
def web():
    """A live target that says hello."""
    with serving(_hello) as server:
        yield target("web1", server.server_port)


def target(name, port, kind="host"):
    """Return a target of the suite on this machine."""
    return {"name": name, "kind": kind, "url": f"http://127.0.0.1:{port}"}
