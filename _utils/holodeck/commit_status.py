"""What a forge is told of a commit, in its own words. Pure."""

import json
import re
import urllib.parse

from holodeck import names

PENDING, SUCCESS, FAILURE = "pending", "success", "failure"
#: The schemes of webhooks whose forges are told.
SCHEMES = ("github", "gitea", "gitlab", "gitlab-token")

_WORDS_MAX = 140
_HOST = re.compile(r"[a-z][a-z0-9+.-]*://[^/]+/|[^/:]+:")
# GitLab has words of its own.
_GITLAB = {PENDING: "running", SUCCESS: "success", FAILURE: "failed"}


def request(scheme, status, repository, commit, state, context, words):
    """
    Return ``(url, headers, body)`` of the request that sets a commit's status.

    scheme
        One of :data:`SCHEMES`.
    status
        ``{"api", "token"}``: where the forge's API is, and who asks.
    repository
        The service's.
    state
        One of the three above.
    context
        What the status is of: a commit has one for each.
    words
        A line for people.
    """
    path = _HOST.sub("", repository, count=1).strip("/").removesuffix(".git")
    api, token, words = status["api"].rstrip("/"), status["token"], words[:_WORDS_MAX]
    if not names.is_commit(commit):
        raise ValueError(f"{commit!r} is no commit")
    headers = {"Content-Type": "application/json"}
    if scheme.startswith("gitlab"):
        project = urllib.parse.quote(path, safe="")
        url = f"{api}/projects/{project}/statuses/{commit}"
        body = {"state": _GITLAB[state], "name": context, "description": words}
        return url, {**headers, "PRIVATE-TOKEN": token}, json.dumps(body)
    url = f"{api}/repos/{urllib.parse.quote(path)}/statuses/{commit}"
    body = {"state": state, "context": context, "description": words}
    kind = "Bearer" if scheme == "github" else "token"
    return url, {**headers, "Authorization": f"{kind} {token}"}, json.dumps(body)
