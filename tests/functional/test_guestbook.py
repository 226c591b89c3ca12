"""The sample service as people copy it: its own suite, in-process and live."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from waiting import free_port, listens

pytest.importorskip("flask")
pytest.importorskip("gunicorn")

_PACK = Path(__file__).parents[2]
_GUESTBOOK = _PACK / "examples" / "guestbook"
_COMMIT = "4f2c1e90b7a1c5d2e8f3a6b4c7d8e9f0a1b2c3d4"


def _environ(**settings):
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{_PACK / '_utils'}:{_GUESTBOOK}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        **settings,
    }


@pytest.fixture(scope="module")
def gunicorn(tmp_path_factory):
    """The guestbook in gunicorn, as its README starts it; yields its URL."""
    port = free_port()
    state = tmp_path_factory.mktemp("state")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"),
            *("--workers", "2", "--no-control-socket", "guestbook.wsgi:app"),
        ],
        env=_environ(
            STATE_DIRECTORY=str(state),
            GUESTBOOK_SECRET="one for all workers",
            HOLODECK_COMMIT=_COMMIT,
        ),
        stderr=subprocess.DEVNULL,
    )
    _wait_for_port(port, process)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    assert process.wait(timeout=60) == 0


def _wait_for_port(port, process):
    for _ in range(600):
        if listens(port):
            return
        assert process.poll() is None, "gunicorn ended at once"
        time.sleep(0.05)
    pytest.fail("gunicorn did not listen within 30 s")


def _pytest(*arguments, **settings):
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "holodeck_http.plugin"),
            *("-p", "no:cacheprovider", "-W", "ignore", "tests/http", *arguments),
        ],
        cwd=_GUESTBOOK,
        env=_environ(**settings),
        capture_output=True,
        text=True,
        check=False,
    )


def test_suite_in_process():
    """On a laptop the suite needs no server; only the balancer's test is skipped."""
    done = _pytest()
    assert done.returncode == 0, done.stdout
    assert "22 passed, 1 skipped" in done.stdout


@pytest.mark.parametrize(
    ("options", "summary"),
    [
        ([], "19 passed, 4 skipped"),
        (["--http-allow-writes"], "22 passed, 1 skipped"),
        (["--http-kind=balancer", "--http-allow-writes"], "19 passed, 4 skipped"),
        (["--http-host=www.example.org"], "19 passed, 4 skipped"),
        (["-m", "smoke"], "3 passed, 20 deselected"),
    ],
)
def test_suite_live(gunicorn, options, summary):
    """The same files pass against the running service."""
    arguments = [f"--http-target={gunicorn}", *options]
    done = _pytest(*arguments, HOLODECK_COMMIT=_COMMIT)
    assert done.returncode == 0, done.stdout
    assert summary in done.stdout


def test_suite_live_wrong_commit_fails(gunicorn):
    """When the old commit still answers, the suite says so."""
    done = _pytest(f"--http-target={gunicorn}", HOLODECK_COMMIT="0" * 40)
    assert done.returncode == 1
    assert "test_every_answer_names_the_commit" in done.stdout
