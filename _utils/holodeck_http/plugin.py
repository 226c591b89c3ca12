"""
The pytest plugin: an ``app`` fixture that is in-process or live, and checks.

.. code-block:: console

    $ pytest tests/http                            # http_app from pytest's ini
    $ pytest tests/http --http-target https://10.0.0.7:8000 --http-host www.example.org
"""

import argparse
import collections
import contextlib
import hashlib
import os
import signal
import threading

import pytest

from holodeck_http import checks, dealing, recorder, suite
from holodeck_http.items import CheckFile

_RECORDER = "holodeck_http_recorder"
_LATE = pytest.StashKey()


def pytest_addoption(parser):
    """Add the ``--http-*`` options."""
    group = parser.getgroup("http", "HTTP suites, in-process or live")
    add = group.addoption
    add(
        "--http-app",
        metavar="MODULE:ATTR",
        help="the WSGI or ASGI application in-process",
    )
    add("--http-target", metavar="URL", help="test this live target instead")
    add("--http-host", metavar="NAME", help="Host header and TLS server name")
    add("--http-ca", metavar="FILE", help="trust these PEM certificates")
    add("--http-cert", metavar="FILE", help="client certificate in PEM")
    add("--http-key", metavar="FILE", help="its key, where the certificate has none")
    add(
        "--http-deadline",
        metavar="SECONDS",
        type=float,
        default=30.0,
        help="for one whole request (default: 30)",
    )
    add("--http-kind", choices=("host", "balancer"), default="host")
    add(
        "--http-allow-writes",
        action="store_true",
        help="run tests marked writes on a live target too",
    )
    add("--http-results", metavar="FILE", help="write JSON lines, one per test")
    add(
        "--http-ready",
        metavar="PATH",
        help="wait until a live target answers PATH, before any test",
    )
    add(
        "--http-ready-s",
        metavar="SECONDS",
        type=float,
        default=15.0,
        help="for that (default: 15)",
    )
    add(
        "--http-test-s",
        metavar="SECONDS",
        type=float,
        default=60.0,
        help="for each test of a live target (default: 60)",
    )
    add(
        "--http-part",
        metavar="I/N",
        type=_part,
        help="run one of N parts of the files, the first is 0/N",
    )
    parser.addini("http_app", "the WSGI or ASGI application as MODULE:ATTR")


def pytest_configure(config):
    """Register the markers, check the options, start the result file."""
    for name, meaning in checks.MARKS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    suite.configure(config)
    path = config.getoption("--http-results")
    if path:
        tested = suite.known(config)
        config.pluginmanager.register(recorder.Recorder(path, tested), _RECORDER)


def pytest_unconfigure(config):
    """Close connections; let the application end."""
    suite.known(config).close()


def pytest_collect_file(file_path, parent):
    """Collect ``*.checks.json``, ``*.checks.yaml`` and ``*.checks.yml``."""
    if file_path.name.endswith((".checks.json", ".checks.yaml", ".checks.yml")):
        return CheckFile.at(parent, file_path)
    return None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """
    Choose what runs against this target, and in which order.

    What makes no sense is skipped, with the reason. On a live target the smoke tests
    go first; of files that several testers share only this one's stay.
    """
    tested = suite.known(config)
    for item in items:
        reason = tested.unfit(item)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))
    names = "\n".join(sorted(item.nodeid for item in items))
    digest = hashlib.sha256(names.encode()).hexdigest()
    config.stash[suite.WHOLE] = len(items), digest
    part = config.getoption("--http-part")
    if part:
        sizes = collections.Counter(map(_file, items))
        mine = dealing.files_of(sizes, *part)
        items[:] = [item for item in items if _file(item) in mine]
    if tested.kind:
        items.sort(key=lambda item: item.get_closest_marker("smoke") is None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """Wait for a live target before the first test."""
    config = session.config
    path, tested = config.getoption("--http-ready"), suite.known(config)
    if not (path and tested.kind and session.items):
        return
    commit = os.environ.get("HOLODECK_COMMIT", "")
    try:
        tested.wait(path, commit, config.getoption("--http-ready-s"))
    except pytest.fail.Exception as error:
        writer = config.pluginmanager.get_plugin(_RECORDER)
        if writer:
            writer.not_ready(str(error))
        raise session.Failed(str(error)) from error


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    """Give a test's fixtures a deadline."""
    with _deadline(item):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """Give a test a deadline."""
    with _deadline(item):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    """Give the end of a test's fixtures a deadline."""
    with _deadline(item):
        yield


def _part(text):
    which, _, parts = text.partition("/")
    if not (which.isdigit() and parts.isdigit() and int(which) < int(parts)):
        raise argparse.ArgumentTypeError(f"{text!r} should be as 0/2")
    return int(which), int(parts)


def _file(item):
    return item.nodeid.partition("::")[0]


@contextlib.contextmanager
def _deadline(item):
    """Fail a test of a live target that does not end; others still get their turn."""
    seconds = item.config.getoption("--http-test-s")
    if suite.known(item.config).kind is None or not _may_alarm():
        yield
        return

    def end(*_):
        item.stash[_LATE] = True
        pytest.fail(f"did not end within {seconds:g} s", pytrace=False)

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A test that swallowed its deadline's failure has failed all the same."""
    outcome = yield
    report = outcome.get_result()
    if item.stash.get(_LATE, False) and report.passed and report.when == "call":
        report.outcome, report.longrepr = "failed", "did not end in time"


def _may_alarm():
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and hasattr(signal, "SIGALRM")


@pytest.fixture
def app(request):
    """WebTest's ``TestApp`` over the service: in-process, or the live target."""
    return suite.ready(request.config).app(request.node)
