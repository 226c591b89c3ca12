"""
Webhooks of git forges: whether one is genuine, and which pushes it tells of.

The scheme is chosen by configuration alone. Nothing of a webhook is believed before
its signature over the raw body has been checked, and what is taken from it then is a
branch's name, commit ids, names of repositories and of who pushed, each by a rule.
"""

import hashlib
import json
import re
from dataclasses import dataclass

from holodeck import names, outcome
from holodeck import webhook_signatures as signatures

#: Seconds that the clocks of sender and master may differ, where the time is signed.
CLOCK_S = 300

_BODY_MAX = 8 << 20
_GONE = "0" * 40
_HEADS = "refs/heads/"
_CHANGES_MAX = 100
_STAMP = re.compile(r"[0-9]{1,12}")
_PUSHER = re.compile(r"[\w][\w .@+-]{0,63}")
_REPOSITORY = re.compile(r"[\w.~-]+(/[\w.-]+)+")


class RefusedError(ValueError):
    """The webhook is not genuine, or breaks a rule: nothing may come of it."""


class IgnoredError(ValueError):
    """The webhook is genuine, and tells of nothing to release."""


@dataclass(frozen=True)
class Push:
    """
    A branch that points to another commit.

    before
        Where it pointed before, as the sender says; ``""`` where he says nothing.
    forced
        Whether the sender says that the branch was rewritten.
    pusher
        Who, as far as the forge says it in plain words.
    """

    branch: str
    commit: str
    before: str = ""
    forced: bool = False
    pusher: str = ""


def verify(scheme, secrets, headers, body, now):
    """
    Return the one of the secrets that a webhook was signed with.

    Raises :class:`RefusedError` where it was signed with none of them.

    scheme
        One of :data:`SCHEMES`.
    secrets
        Texts; a new one and the one before, while a forge is told of the new one.
    headers
        ``{name: value}``, the names in any case.
    body
        The body as text, as it was received.
    now
        The time in seconds since the epoch.
    """
    # It must fit twice into that, 1 MiB by default.
    if not isinstance(body, str) or body == outcome.TRIMMED:
        raise RefusedError(
            "its body was cut by Salt, because it is larger than half of the master's "
            "`max_event_size`; raise that"
        )
    if len(body) > _BODY_MAX:
        raise RefusedError(f"its body has more than {_BODY_MAX} characters")
    headers = _by_name(headers)
    # Each is tried, so that the time tells nothing about which one it was.
    genuine = [
        secret
        for secret in secrets
        if secret and _SCHEMES[scheme].is_signed(secret, headers, body)
    ]
    if not genuine:
        raise RefusedError(f"its signature is not one of the scheme {scheme}")
    stamp = _SCHEMES[scheme].stamp
    if stamp:
        told = headers.get(stamp, "")
        if not _STAMP.fullmatch(told) or abs(int(told) - now) > CLOCK_S:
            raise RefusedError(
                f"its {stamp} is not within {CLOCK_S} s of this machine's clock"
            )
    return genuine[0]


def pushes(scheme, headers, body, service, repository):
    """
    Return the :class:`Push` of each branch that a genuine webhook tells of.

    service, repository
        Their names, as the definition has them.

    Raises :class:`IgnoredError` for what is no push of a branch of that repository and
    :class:`RefusedError` for what breaks a rule; one branch of several that breaks it
    keeps no other from being released.
    """
    headers = _by_name(headers)
    way = _SCHEMES[scheme]
    kind = next((headers[name] for name in way.events if name in headers), "")
    if way.events and kind not in way.pushes:
        raise IgnoredError(f"it is of the kind {kind[:40]!r}, not a push of branches")
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError("its body is no JSON; let the forge send that") from None
    if not isinstance(told, dict):
        raise RefusedError("its body is no JSON object")
    known = sorted(_repositories(told))
    if not way.names and told.get("service") != service:
        raise RefusedError("it was signed for another service")
    if way.names and not any(_is_same(name, repository) for name in known):
        told_of = ", ".join(known) or "none"
        raise IgnoredError(f"it is of another repository: {told_of[:200]}")
    changes = way.changes(told)
    if len(changes) > _CHANGES_MAX:
        raise RefusedError(f"it tells of more than {_CHANGES_MAX} branches")
    found, why = [], IgnoredError("no branch of it has a new commit")
    for change in changes:
        try:
            push = _push(*change, told)
        except RefusedError as error:
            why = error
            continue
        found += [push] if push else []
    if not found:
        raise why
    return found


def digest(body):
    """Return what tells one body from all others; the delivery's id is not signed."""
    return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()


def _by_name(headers):
    """Return headers as ``{name in lower case: text}``."""
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _push(ref, before, commit, forced, told):
    """Return the push of one change, or ``None`` where no branch has a new commit."""
    if not isinstance(ref, str) or not ref.startswith(_HEADS):
        return None  # a tag, or a forge's own
    branch = ref.removeprefix(_HEADS)
    if not names.is_ref(branch):
        raise RefusedError(f"its branch {branch[:60]!r} is none; {names.REF_RULE}")
    if commit in (None, _GONE):
        return None  # the branch is gone
    if not names.is_commit(commit):
        raise RefusedError(f"its commit {str(commit)[:60]!r} is no full commit id")
    before = before if names.is_commit(before) and before != _GONE else ""
    return Push(branch, commit, before, forced is True, _pusher(told))


def _pusher(told):
    """Return who pushed; what is not plain words is left out."""
    person = told.get("pusher") or told.get("user_username") or told.get("actor")
    if isinstance(person, dict):
        person = next(
            (
                person[k]
                for k in ("name", "login", "username", "nickname")
                if k in person
            ),
            "",
        )
    plain = isinstance(person, str) and _PUSHER.fullmatch(person)
    return person if plain else ""


def _repositories(told):
    """Return the names of the repository, as ``owner/name`` in lower case."""
    found = set()
    for path in (
        ("repository", "full_name"), ("project", "path_with_namespace"),
    ):  # fmt: skip
        value = _at(told, *path)
        found.add(value if isinstance(value, str) else "")
    # Bitbucket's server has no full name.
    key, slug = (
        _at(told, "repository", "project", "key"),
        _at(told, "repository", "slug"),
    )
    found.add(f"{key}/{slug}")
    return {name.lower() for name in found if _REPOSITORY.fullmatch(name)}


def _is_same(name, repository):
    """Tell whether a URL is of ``owner/name``, whatever its host and its ending."""
    path = repository.lower().rstrip("/").removesuffix(".git")
    return re.split(r"[:/]+", path)[-name.count("/") - 1 :] == name.split("/")


def _one_change(told):
    return [(told.get(x) for x in ("ref", "before", "after", "forced"))]


def _bitbucket(told):
    """Bitbucket's cloud tells each branch by its new head; its server by references."""
    changes = told.get("changes")
    if isinstance(changes, list):
        return [
            (_at(each, "ref", "id"), _at(each, "fromHash"), _at(each, "toHash"), None)
            for each in changes
        ]
    changes = _at(told, "push", "changes")
    return [
        (f"{_HEADS}{_at(each, 'new', 'name')}", _at(each, "old", "target", "hash"),
         _at(each, "new", "target", "hash"), _at(each, "forced"))
        for each in (changes if isinstance(changes, list) else [])
        if _at(each, "new", "type") == "branch"
    ]  # fmt: skip


def _at(data, *path):
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


@dataclass(frozen=True)
class _Scheme:
    is_signed: object
    events: tuple
    pushes: tuple
    changes: object = _one_change
    stamp: str = ""
    # Whether it names the repository; one of ours names the service.
    names: bool = True


_GITLAB = ("x-gitlab-event",), ("Push Hook",)
_SCHEMES = {
    "holodeck": _Scheme(
        signatures.own, (), (), stamp="x-holodeck-timestamp", names=False
    ),
    "github": _Scheme(
        signatures.hexed("x-hub-signature-256", "sha256="),
        ("x-github-event",), ("push",),
    ),
    "gitlab": _Scheme(signatures.standard, *_GITLAB, stamp="webhook-timestamp"),
    "gitlab-token": _Scheme(signatures.token, *_GITLAB),
    "gitea": _Scheme(
        signatures.hexed("x-gitea-signature"),
        ("x-gitea-event", "x-forgejo-event"), ("push",),
    ),
    "bitbucket": _Scheme(
        signatures.hexed("x-hub-signature", "sha256="),
        ("x-event-key",), ("repo:push", "repo:refs_changed"), _bitbucket,
    ),
}  # fmt: skip
#: The schemes that a definition can name.
SCHEMES = tuple(_SCHEMES)
