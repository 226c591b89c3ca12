"""Webhooks: what is genuine, what is a push, and that nothing else gets through."""

import base64
import hashlib
import hmac
import json

import hypothesis
import pytest
from hypothesis import strategies

from holodeck import names, webhooks
from holodeck import webhook_signatures as signatures

_SECRET = "a-secret-of-the-forge"
_COMMIT, _BEFORE, _GONE = "4f2c" * 10, "0b1d" * 10, "0" * 40
_REPOSITORY = "git@git.example.org:Team/guestbook.git"
_NOW = 1_800_000_000
_GITHUB = {
    "ref": "refs/heads/main", "before": _BEFORE, "after": _COMMIT, "forced": False,
    "repository": {"full_name": "team/guestbook"}, "pusher": {"name": "ann"},
}  # fmt: skip
_GITLAB = {
    "ref": "refs/heads/main", "before": _BEFORE, "after": _COMMIT,
    "project": {"path_with_namespace": "team/guestbook"}, "user_username": "ann",
}  # fmt: skip
_CLOUD = {
    "repository": {"full_name": "team/guestbook"}, "actor": {"nickname": "ann"},
    "push": {"changes": [
        {"new": {"type": "branch", "name": "main", "target": {"hash": _COMMIT}},
         "forced": True},
        {"new": None, "closed": True},
        {"new": {"type": "tag", "name": "v1", "target": {"hash": _COMMIT}}},
    ]},
}  # fmt: skip
_SERVER = {
    "repository": {"slug": "guestbook", "project": {"key": "TEAM"}},
    "actor": {"name": "ann"},
    "changes": [
        {"ref": {"id": "refs/heads/main"}, "fromHash": _BEFORE, "toHash": _COMMIT},
        {"ref": {"id": "refs/heads/old"}, "toHash": _GONE, "type": "DELETE"},
    ],
}  # fmt: skip
_TOKEN = "whsec_" + base64.b64encode(b"thirty-two-bytes-of-a-signing-key").decode()


def _hex(body, secret=_SECRET):
    return hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()


def _github(body):
    return {"X-Hub-Signature-256": f"sha256={_hex(body)}", "X-Github-Event": "push"}


def _gitlab(body):
    key = base64.b64decode(_TOKEN.removeprefix("whsec_"))
    mac = hmac.new(key, f"msg_1.{_NOW}.{body}".encode(), hashlib.sha256).digest()
    return {
        "Webhook-Id": "msg_1", "Webhook-Timestamp": str(_NOW),
        "Webhook-Signature": f"v1a,other v1,{base64.b64encode(mac).decode()}",
        "X-Gitlab-Event": "Push Hook",
    }  # fmt: skip


def _token(_body):
    return {"X-Gitlab-Token": _SECRET, "X-Gitlab-Event": "Push Hook"}


def _gitea(body):
    # It sends GitHub's headers too.
    return {**_github("other"), "X-Gitea-Signature": _hex(body),
            "X-Gitea-Event": "push"}  # fmt: skip


def _bitbucket(body):
    return {"X-Hub-Signature": f"sha256={_hex(body)}", "X-Event-Key": "repo:push"}


def _own(body, now=_NOW):
    return {"X-Holodeck-Timestamp": str(now),
            "X-Holodeck-Signature": signatures.sign(_SECRET, now, body)}  # fmt: skip


_WAYS = {
    "github": (_github, _SECRET, _GITHUB),
    "gitlab": (_gitlab, _TOKEN, _GITLAB),
    "gitlab-token": (_token, _SECRET, _GITLAB),
    "gitea": (_gitea, _SECRET, _GITHUB),
    "bitbucket": (_bitbucket, _SECRET, _CLOUD),
    "holodeck": (_own, _SECRET, {**_GITHUB, "service": "guestbook"}),
}


def _verify(scheme, headers, body, secrets, now=_NOW):
    webhooks.verify(scheme, secrets, headers, body, now)


def _pushes(scheme, told, **headers):
    body = told if isinstance(told, str) else json.dumps(told)
    sent = {**_WAYS[scheme][0](body), **headers}
    return webhooks.pushes(scheme, sent, body, "guestbook", _REPOSITORY)


@pytest.fixture(params=webhooks.SCHEMES)
def way(request):
    """One scheme: its name, its headers for a body, its secret and a body."""
    headers, secret, told = _WAYS[request.param]
    return request.param, headers, secret, json.dumps(told)


def test_verify_githubs_own_example():
    """The vector that GitHub's documentation publishes."""
    signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"x-hub-signature-256": f"sha256={signature}"}
    _verify("github", headers, "Hello, World!", ["It's a Secret to Everybody"])


def test_verify_the_standard_webhooks_own_example():
    """The vector that the standard's own libraries are tested with; GitLab signs so."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }  # fmt: skip
    body, secret = '{"test": 2432232314}', "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    _verify("gitlab", headers, body, [secret], now=1614265330)
    with pytest.raises(webhooks.RefusedError):
        _verify("gitlab", headers, f"{body} ", [secret], now=1614265330)


def test_verify_bitbuckets_own_example():
    """The vector that Bitbucket's documentation publishes."""
    signature = "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
    headers = {"x-hub-signature": f"sha256={signature}"}
    _verify("bitbucket", headers, "Hello World!", ["It's a Secret to Everybody"])


def test_genuine_push_is_taken(way):
    """Each scheme's own signature, and its own way to tell of a push."""
    scheme, headers, secret, body = way
    _verify(scheme, headers(body), body, ["the-new-one", secret])
    [push] = webhooks.pushes(scheme, headers(body), body, "guestbook", _REPOSITORY)
    assert (push.branch, push.commit, push.pusher) == ("main", _COMMIT, "ann")
    assert push.forced == (scheme == "bitbucket")


def test_bitbucket_server_tells_it_otherwise():
    """Its references, its names; the branch that is gone is no push."""
    key = {"X-Event-Key": "repo:refs_changed"}
    [push] = _pushes("bitbucket", _SERVER, **key)
    assert (push.branch, push.commit, push.before) == ("main", _COMMIT, _BEFORE)


def test_odd_branch_keeps_no_other_from_being_released():
    """One that breaks a rule is left out; alone it is refused."""
    odd = {"ref": {"id": "refs/heads/fix#1"}, "toHash": _COMMIT}
    told = {**_SERVER, "changes": [odd, *_SERVER["changes"]]}
    key = {"X-Event-Key": "repo:refs_changed"}
    assert [push.branch for push in _pushes("bitbucket", told, **key)] == ["main"]


def test_own_webhook_is_for_one_service_alone():
    """Two services may have one secret, and not each other's pushes."""
    with pytest.raises(webhooks.RefusedError, match="for another service"):
        _pushes("holodeck", {**_GITHUB, "service": "other"})


def test_forged_webhook_is_refused(way):
    """Another secret, another body, no secret, no header, an empty one, a cut one."""
    scheme, headers, secret, body = way
    good = headers(body)
    signed = [name for name in good if "ignature" in name or "Token" in name][-1]
    if scheme == "gitea":
        signed = "X-Gitea-Signature"
    bad = [
        ({**good, signed: value}, body, [secret])
        for value in ("", good[signed][:-1], f"{good[signed]}0", "sha256=", "é")
    ]
    bad += [({k: v for k, v in good.items() if k != signed}, body, [secret])]
    bad += [(good, body, ["another"]), (good, body, []), (good, body, [""])]
    if scheme != "gitlab-token":
        bad += [(good, f"{body} ", [secret])]
    if scheme == "gitlab":
        bad += [(good, body, ["whsec_"]), (good, body, ["whsec_é"])]
    for sent, told, secrets in bad:
        with pytest.raises(webhooks.RefusedError, match="signature"):
            _verify(scheme, sent, told, secrets)


@pytest.mark.parametrize("now", [_NOW + 301, _NOW - 301])
@pytest.mark.parametrize("scheme", ["gitlab", "holodeck"])
def test_old_webhook_is_refused_where_the_time_is_signed(scheme, now):
    """Whoever recorded it cannot send it again tomorrow."""
    headers, secret, told = _WAYS[scheme]
    body = json.dumps(told)
    with pytest.raises(webhooks.RefusedError, match="clock"):
        _verify(scheme, headers(body), body, [secret], now)


@pytest.mark.parametrize("stamp", ["", "x", "٣", "-1", "1e9", "9" * 5000, "1 "])
def test_stamp_that_is_no_time_is_refused(stamp):
    """Also one that is signed."""
    signature = signatures.sign(_SECRET, stamp, "{}")
    sent = {"X-Holodeck-Timestamp": stamp, "X-Holodeck-Signature": signature}
    with pytest.raises(webhooks.RefusedError):
        _verify("holodeck", sent, "{}", [_SECRET])


def test_body_that_salt_cut_is_named():
    """It arrives with a success for the forge, and an administrator must hear why."""
    with pytest.raises(webhooks.RefusedError, match="max_event_size"):
        _verify("github", _github("x"), "VALUE_TRIMMED", [_SECRET])
    with pytest.raises(webhooks.RefusedError, match="more than"):
        _verify("github", {}, "x" * (9 << 20), [_SECRET])


@pytest.mark.parametrize(
    ("scheme", "told", "headers", "why"),
    [
        ("github", _GITHUB, {"X-Github-Event": "ping"}, "'ping'"),
        ("github", {"zen": "x"}, {}, "another repository: none"),
        ("github", {**_GITHUB, "after": _GONE, "deleted": True}, {}, "no branch"),
        ("github", {**_GITHUB, "ref": "refs/tags/v1"}, {}, "no branch"),
        ("github", {**_GITHUB, "repository": {"full_name": "team/other"}}, {}, "other"),
        ("github", {**_GITHUB, "repository": {"full_name": "a/team/guestbook"}}, {},
         "another repository"),
        ("github", {**_GITHUB, "repository": {"full_name": "guestbook"}}, {}, "none"),
        ("gitlab", _GITLAB, {"X-Gitlab-Event": "Tag Push Hook"}, "'Tag Push Hook'"),
        ("bitbucket", {**_CLOUD, "push": {"changes": []}}, {}, "no branch"),
        ("bitbucket", _CLOUD, {"X-Event-Key": "diagnostics:ping"}, "ping"),
    ],
)  # fmt: skip
def test_what_is_no_push_is_ignored(scheme, told, headers, why):
    """Pings, tags, branches that are gone and other repositories start nothing."""
    with pytest.raises(webhooks.IgnoredError, match=why):
        _pushes(scheme, told, **headers)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("no json", "no JSON"), ("[]", "no JSON object"), ("[" * 100_000, "no JSON"),
        ("payload=%7B%7D", "no JSON"),
        *(({**_GITHUB, "ref": f"refs/heads/{branch}"}, "branch")
          for branch in ("--upload-pack=x", "{{ pillar }}", "a\nb", "a b", "a..b", "",
                         "x" * 1_000_000, "$(id)", "main.lock", "é", "HEAD", "a\0b")),
        *(({**_GITHUB, "after": commit}, "commit")
          for commit in ("main", "4f2c", "--all", 7, [], {}, "4F2C" * 10, "4" * 41)),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused(told, why):
    """Options, templates, lines, megabytes: by rule, whatever comes later."""
    with pytest.raises(webhooks.RefusedError, match=why) as refused:
        _pushes("github", told)
    assert len(str(refused.value)) < 400
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "name", ["a\nb", "{{ x }}", "x" * 65, 7, None, [], "-x", "$(id)"]
)
def test_pusher_is_plain_words_or_nobody(name):
    """Who pushed is for people to read, and stands in records."""
    assert _pushes("github", {**_GITHUB, "pusher": {"name": name}})[0].pusher == ""


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.org/team/guestbook", "git@forge:team/guestbook.git",
        "ssh://git@forge:7999/TEAM/guestbook.git", "https://forge/scm/team/guestbook.git/",
        "/srv/git/team/guestbook.git",
    ],
)  # fmt: skip
def test_repository_is_known_by_its_last_names(url):
    """A master may reach the forge by another name than its webhooks have."""
    body = json.dumps(_GITHUB)
    assert webhooks.pushes("github", _github(body), body, "guestbook", url)


_JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers()
    | strategies.text(max_size=20)
    | strategies.sampled_from([_COMMIT, "refs/heads/main"]),
    lambda inner: strategies.lists(inner, max_size=4)
    | strategies.dictionaries(
        strategies.sampled_from(
            ["ref", "after", "repository", "full_name", "project", "pusher", "name",
             "push", "changes", "new", "type", "target", "hash", "toHash", "id", "key"]
        ), inner, max_size=6,
    ),
    max_leaves=30,
)  # fmt: skip


@hypothesis.given(
    scheme=strategies.sampled_from(webhooks.SCHEMES), told=_JSON | strategies.text()
)
@hypothesis.settings(max_examples=400, deadline=None)
def test_any_body_is_a_push_by_the_rules_or_a_refusal(scheme, told):
    """Whatever was signed, there is no third outcome, and no other characters."""
    found, why = [], ""
    try:
        found = _pushes(scheme, told)
    except (webhooks.RefusedError, webhooks.IgnoredError) as error:
        why = str(error)
    assert why.isprintable()
    for push in found:
        assert names.is_ref(push.branch)
        assert names.is_commit(push.commit)
        assert push.pusher.isprintable()


@hypothesis.given(
    scheme=strategies.sampled_from(webhooks.SCHEMES), body=strategies.text(),
    headers=strategies.dictionaries(
        strategies.sampled_from(
            ["X-Hub-Signature-256", "X-Hub-Signature", "X-Gitea-Signature",
             "Webhook-Id", "Webhook-Signature", "Webhook-Timestamp", "X-Gitlab-Token",
             "X-Holodeck-Signature", "X-Holodeck-Timestamp"]
        ), strategies.text(),
    ),
)  # fmt: skip
@hypothesis.settings(max_examples=400, deadline=None)
def test_any_headers_are_refused(scheme, body, headers):
    """Nobody guesses a signature, and no header ends in another error."""
    with pytest.raises(webhooks.RefusedError):
        _verify(scheme, headers, body, [_WAYS[scheme][1]])
