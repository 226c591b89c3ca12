"""The README's first command, from a clean clone, as a stranger types it."""

import re
import subprocess
import urllib.request
from pathlib import Path

import pytest

from lab import CLONE
from laboratory import leftovers

_SESSION = """
set -e
. demo/activate
salt-run holodeck.status
salt-cloud -Q
salt demo-web1 test.ping
salt-call --local test.ping
echo "URL=$HOLODECK_URL"
"""
pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clean clone of what is committed."""
    if Path("/sys/class/net/hd-demo0").exists():
        pytest.fail("A demo is up on this machine; take it down with demo/down first.")
    target = tmp_path_factory.mktemp("demo") / "holodeck"
    subprocess.run(["git", "clone", "--quiet", CLONE, target], check=True)
    yield target
    _run(target, "down")


def test_demo_serves_a_page_and_leaves_nothing(clone):
    """`demo/up` ends in a served page, again changes nothing, `demo/down` is clean."""
    before = leftovers(clone / ".demo")
    first = _run(clone, "up")
    url = re.search(r"^  (http://\S+)", first.stdout, re.MULTILINE)[1]
    assert b"Welcome to the demo" in urllib.request.urlopen(url).read()
    again = _run(clone, "up")
    assert "nothing was changed" in again.stdout
    activated = subprocess.run(
        ["bash", "-c", _SESSION],
        cwd=clone, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert activated.returncode == 0, activated.stdout + activated.stderr
    assert f"URL={url}" in activated.stdout
    _run(clone, "down")
    assert not (clone / ".demo").exists()
    assert leftovers(clone / ".demo") == before


def _run(clone, verb):
    done = subprocess.run(
        [clone / "demo" / verb], cwd="/", text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done
