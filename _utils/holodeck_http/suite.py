"""What one pytest run tests: the application in-process, or a live target."""

import dataclasses
import importlib
from collections.abc import Callable

import pytest

from holodeck_http import asgi, curl
from holodeck_http.app import App
from holodeck_http.client import LiveApp, Target

_MUTATING = {"POST", "PUT", "PATCH", "DELETE"}
_COMMIT = "X-Holodeck-Commit"
_KEY = pytest.StashKey()
#: How many tests all testers of a target have together, and which: a digest.
WHOLE = pytest.StashKey()


@dataclasses.dataclass
class Suite:
    """
    The application under test and what may be done to it.

    wsgi
        The WSGI application; ``None`` until a test asks for it.
    kind
        ``host`` or ``balancer``; ``None`` in-process.
    read_only
        Whether requests that may change data are refused.
    seconds
        How long each request took, in their order.
    last
        The last request of the test that runs.
    """

    wsgi: Callable | None = None
    kind: str | None = None
    read_only: bool = False
    seconds: list = dataclasses.field(default_factory=list)
    last: object = None

    def app(self, node):
        """Return a fresh ``App``, without cookies, for one test."""
        allowed = not self.read_only or any(
            node.get_closest_marker(mark) for mark in ("writes", "harmless")
        )
        guard = None if allowed else _refuse_writes
        return App(self.wsgi, guard=guard, watch=self._watch)

    def curl(self):
        """Return the command that repeats the last request, or ``""``."""
        target = getattr(self.wsgi, "target", None)
        return curl.command(self.last, target) if target and self.last else ""

    def wait(self, path, commit, within_s):
        """
        Return once the target answers ``path`` with a 2xx; else raise ``Failed``.

        An answer that names another commit than ``commit`` in ``X-Holodeck-Commit``
        is none: a balancer may still send requests to a host of before.
        """

        def is_ready(answer):
            told = answer.headers.get(_COMMIT, commit)
            return answer.status_int in range(200, 300) and told == commit

        try:
            App(self.wsgi).get_until(path, is_ready, within_s)
        except AssertionError as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from error

    def _watch(self, request, seconds):
        self.last = request
        self.seconds.append(seconds)

    def unfit(self, node):
        """Return why ``node`` makes no sense against this target, or ``None``."""
        if self.read_only and node.get_closest_marker("writes"):
            return "writes: the target is read-only; --http-allow-writes lifts it"
        if self.kind == "balancer" and node.get_closest_marker("host_only"):
            return "host_only: the target is a balancer"
        if self.kind != "balancer" and node.get_closest_marker("lb_only"):
            return "lb_only: the target is not a balancer"
        return None

    def close(self):
        """Close the connections to a live target; let an ASGI application end."""
        if isinstance(self.wsgi, (LiveApp, asgi.AsgiApp)):
            self.wsgi.close()


def _refuse_writes(method):
    if method.upper() in _MUTATING:
        pytest.skip(
            f"{method} on a read-only target; mark the test writes, or harmless when "
            "it changes nothing"
        )


def configure(config):
    """Read the options; raise :class:`pytest.UsageError` for an unusable target."""
    config.stash[_KEY] = Suite()
    if config.getoption("--http-target"):
        config.stash[_KEY] = _live(config)


def known(config):
    """Return the run's :class:`Suite`, perhaps without its application yet."""
    return config.stash[_KEY]


def ready(config):
    """
    Return the run's :class:`Suite` with its application.

    The application is imported when the first test asks: ``--help`` and suites
    with an ``app`` fixture of their own need none.
    """
    suite = config.stash[_KEY]
    if suite.wsgi is None:
        suite.wsgi = _load(config.getoption("--http-app") or config.getini("http_app"))
    return suite


def _live(config):
    option = config.getoption
    url = option("--http-target")
    try:
        target = Target(
            url,
            host=option("--http-host"),
            ca=option("--http-ca"),
            cert=option("--http-cert"),
            key=option("--http-key"),
            deadline_s=option("--http-deadline"),
        )
        wsgi = LiveApp(target)
    except (ValueError, OSError) as error:
        raise pytest.UsageError(f"--http-target {url}: {error}") from error
    read_only = not option("--http-allow-writes")
    return Suite(wsgi, kind=option("--http-kind"), read_only=read_only)


def _load(name):
    module, separator, attribute = (name or "").partition(":")
    if not separator:
        pytest.fail(
            f"http_app {name!r}: names no application; set http_app = module:attr in "
            "pytest's ini, or give --http-app or --http-target.",
            pytrace=False,
        )
    loaded = importlib.import_module(module)
    if not hasattr(loaded, attribute):
        pytest.fail(f"http_app {name!r}: {module} has no {attribute}.", pytrace=False)
    app = getattr(loaded, attribute)
    if not asgi.is_asgi(app):
        return app
    try:
        return asgi.AsgiApp(app)
    except ImportError as error:
        pytest.fail(f"http_app {name!r}: {error}.", pytrace=False)
