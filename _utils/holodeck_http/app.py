"""WebTest's ``TestApp``, made safe for live targets and equal in-process."""

import os
import time
from urllib.parse import urlsplit, urlunsplit

import webtest

from holodeck_http import asgi, client, urls

_HIJACK = "WEBTEST_TARGET_URL"


class OffHostError(AssertionError):
    """A link or redirect leads away from the target, where no test may go."""


class Request(webtest.TestRequest):
    """A request that keeps its path as written and its host."""

    @classmethod
    def blank(cls, path, environ=None, **options):
        """Make a request for ``path``; refuse one to another host."""
        parts = urlsplit(path)
        if parts.netloc:
            _refuse_foreign(path, parts, environ or {})
        raw = urls.escape(parts.path)
        raw = raw if raw.startswith("/") else f"/{raw}"
        local = urlunsplit(("", "", raw, urls.escape(parts.query), ""))
        request = super().blank(local, environ, **options)
        request.environ[client.RAW_PATH] = raw
        return request

    @property
    def path(self):
        """The path with its escapes as written: ``%2F`` is not ``/``."""
        return self.environ.get(client.RAW_PATH) or super().path

    @property
    def path_url(self):
        """The URL without its query; relative redirects start from it."""
        return self.host_url + self.path


def _refuse_foreign(url, parts, environ):
    scheme = environ.get("wsgi.url_scheme", "http")
    own = environ.get("HTTP_HOST", "localhost:80")
    asked = urls.host_and_port(parts.netloc, parts.scheme or scheme)
    if asked != urls.host_and_port(own, scheme):
        raise OffHostError(
            f"URL {url!r}: leads away from {scheme}://{own}; check the Location "
            "header with resp.location instead of following it."
        )


class App(webtest.TestApp):
    """
    A ``TestApp`` over a WSGI application, or over a live target.

    wsgi
        The application; a :class:`~holodeck_http.client.LiveApp` for a live
        target.
    guard
        Called with each request's method before it is sent; may skip or raise.
    watch
        Called with each request and the seconds it took, also when none answered.
    """

    RequestClass = Request

    def __init__(self, wsgi, guard=None, watch=None):
        if _HIJACK in os.environ:
            # WebTest would silently send every request there, writes of an
            # in-process suite too.
            raise ValueError(
                f"{_HIJACK}: would hijack this suite; unset it and give the target "
                "as --http-target URL."
            )
        target = getattr(wsgi, "target", None)
        # WebTest's lint judges WSGI applications, not what others answer.
        super().__init__(
            wsgi,
            extra_environ=target.environ if target else None,
            lint=not (target or isinstance(wsgi, asgi.AsgiApp)),
        )
        self._guard, self._watch = guard, watch

    def request(self, url_or_req, status=None, expect_errors=False, **options):
        """Send any request; like the other verbs it goes to the target's host."""
        if isinstance(url_or_req, str):
            options["environ"] = {**self.extra_environ, **options.get("environ", {})}
        return super().request(url_or_req, status, expect_errors, **options)

    def get_until(self, path, is_ready, within_s=10, every_s=0.1, **options):
        """
        GET ``path`` again and again until ``is_ready(answer)``; return that answer.

        For what a service does a little later: a job that it queued, an entry that
        reaches every host. No answer at all counts as not ready yet.

        within_s, every_s
            Seconds until it gives up with an ``AssertionError``, and between two
            requests.
        """
        options.setdefault("status", "*")
        end = time.monotonic() + within_s
        while True:
            try:
                answer = self.get(path, **options)
                if is_ready(answer):
                    return answer
                said = answer.body[:200].decode("utf-8", "replace")
                last = f"{answer.status}: {said}"
            except client.TransportError as error:
                last = str(error)
            if time.monotonic() > end:
                raise AssertionError(f"GET {path}: not within {within_s:g} s; {last}")
            time.sleep(every_s)

    def do_request(self, req, status=None, expect_errors=None):
        """Ask the guard, then send."""
        if self._guard:
            self._guard(req.method)
        # Whoever watches may want to see the body once more.
        req.make_body_seekable()
        started = time.monotonic()
        try:
            return super().do_request(req, status, expect_errors)
        finally:
            if self._watch:
                self._watch(req, time.monotonic() - started)
