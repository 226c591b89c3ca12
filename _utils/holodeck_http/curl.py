"""A request as the curl command that sends it again."""

import shlex

from holodeck_http import urls

_BODY_BYTES = 2000
# Whoever reads a report must not become who the suite was.
_SECRET = {"authorization", "cookie", "proxy-authorization"}
# curl makes these itself, or they are of one connection alone.
_OWN = {"host", "content-length", "connection", "user-agent", "accept-encoding"}


def command(request, target=None):
    """
    Return the command that repeats a WebTest request, in one line.

    target
        The :class:`~holodeck_http.client.Target` that it went to; in-process there is
        none, and the URL is the suite's own.
    """
    words = ["curl", "-sS", "-i"]
    if request.method == "HEAD":
        words = ["curl", "-sS", "-I"]
    elif request.method != "GET":
        words += ["-X", request.method]
    words += _way(target) if target else []
    for name, value in request.headers.items():
        if name.lower() not in _OWN:
            shown = "******" if name.lower() in _SECRET else value
            words += ["-H", f"{name}: {shown}"]
    words += _body(request.body)
    query = f"?{request.query_string}" if request.query_string else ""
    return shlex.join([*words, request.path_url + query])


def _way(target):
    """Return how to reach the pinned address under the name that was asked for."""
    words = []
    if target.authority != target.parts.netloc:
        port = target.parts.port or urls.PORTS[target.parts.scheme]
        address = target.parts.hostname
        address = f"[{address}]" if ":" in address else address
        words += ["--connect-to", f"::{address}:{port}"]
    for option, file in (("--cacert", target.ca), ("--cert", target.cert),
                         ("--key", target.key)):  # fmt: skip
        words += [option, file] if file else []
    return words


def _body(body):
    if not body:
        return []
    text = body.decode("utf-8", "replace")
    if len(body) > _BODY_BYTES or "\ufffd" in text or "\0" in text:
        return ["--data-binary", f"@BODY-OF-{len(body)}-BYTES"]
    return ["--data-raw", text]
