"""
The pytest plugin: an ``app`` fixture that is in-process or live, and checks.

.. code-block:: console

    $ pytest tests/http                            # http_app from pytest's ini
    $ pytest tests/http --http-target https://10.0.0.7:8000 --http-host www.example.org
"""

import pytest

from holodeck_http import checks, recorder, suite
from holodeck_http.items import CheckFile


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
    parser.addini("http_app", "the WSGI or ASGI application as MODULE:ATTR")


def pytest_configure(config):
    """Register the markers, check the options, start the result file."""
    for name, meaning in checks.MARKS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    suite.configure(config)
    path = config.getoption("--http-results")
    if path:
        config.pluginmanager.register(recorder.Recorder(path), "holodeck_http_recorder")


def pytest_unconfigure(config):
    """Close connections; let the application end."""
    suite.known(config).close()


def pytest_collect_file(file_path, parent):
    """Collect ``*.checks.json``, ``*.checks.yaml`` and ``*.checks.yml``."""
    if file_path.name.endswith((".checks.json", ".checks.yaml", ".checks.yml")):
        return CheckFile.at(parent, file_path)
    return None


def pytest_collection_modifyitems(config, items):
    """Skip, with the reason, what makes no sense against this target."""
    for item in items:
        reason = suite.known(config).unfit(item)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def app(request):
    """WebTest's ``TestApp`` over the service: in-process, or the live target."""
    return suite.ready(request.config).app(request.node)
