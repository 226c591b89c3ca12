"""Pushes: taken in once, the newest released, refused by rule, told to the pusher."""

import contextlib
import dataclasses
import hmac
import json
import logging
import os
import signal
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import pytest
from fake_fleet import NEW, OLD, THIRD
from fake_world import opened, served
from hypothesis import strategies
from waiting import until
from web_server import serving

from holodeck import webhook_signatures as signatures
from holodeck import webhooks
from holodeck_io.errors import HolodeckError
from holodeck_master import (
    building,
    detached,
    locks,
    pillar,
    pushes,
    pushing,
    receiving,
)

_SECRET = "a-secret-of-the-service"
_OTHER = "another-secret-of-sdb"
_KEY = ("guestbook", "demo")
_TAG = f"{receiving.TAG}guestbook"


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A world at an old commit, whose service takes pushes of main."""
    world = served(tmp_path)
    service = dataclasses.replace(
        world.definition.services["guestbook"],
        webhook={"scheme": "holodeck", "secrets": [_SECRET, "sdb://vault/key"]},
    )
    world.definition.services["guestbook"] = service
    services = world.definition.environments["demo"].services
    services["guestbook"] = dataclasses.replace(services["guestbook"], push="main")
    monkeypatch.setattr(pillar, "load", lambda _opts: world.definition)
    monkeypatch.setattr(pillar.salt.utils.sdb, "sdb_get", lambda *_, **__: _OTHER)
    return world


@pytest.fixture
def receiver(world):
    """What the reactor's process has."""
    return receiving.Receiver(world.opts)


def _body(commit=NEW, branch="main", **more):
    told = {"service": "guestbook", "ref": f"refs/heads/{branch}", "after": commit}
    return json.dumps({**told, **more})


_TAGGED = json.dumps({"service": "guestbook", "ref": "refs/tags/v1", "after": NEW})


def _data(body, secret=_SECRET):
    stamp = int(time.time())
    signature = signatures.sign(secret, stamp, body)
    headers = {"X-Holodeck-Timestamp": str(stamp), "X-Holodeck-Signature": signature}
    return {"body": body, "post": {}, "headers": headers}


def _told(world, body, secret=_SECRET):
    file = pushes.Desk(world.opts).told / f"{signatures.receipt(secret, body)}.json"
    return json.loads(file.read_text()) if file.exists() else None


def _work(world, say=None):
    def open_world(told):
        return dataclasses.replace(world, say=say or told)

    return pushing.work_off(world.opts, _KEY, open_world)


def _head(monkeypatch, commit, *older):
    """Let the git server's branch be at a commit, with others in its past."""
    line = [*older, commit]

    def history(world, environment, service, old, new, within_s=0):
        past = line[: line.index(new) + 1] if new in line else [new]
        return [{"commit": c, "subject": ""} for c in past if c not in
                line[: line.index(old) + 1]] if old in line else past  # fmt: skip

    monkeypatch.setattr(building, "resolve", lambda *_: commit)
    monkeypatch.setattr(building, "resolve_known", lambda *_: commit)
    monkeypatch.setattr(building, "history", history)


def test_push_is_released_and_told(world, receiver, monkeypatch):
    """From the event to a good release; the answer has its id before it begins."""
    _head(monkeypatch, NEW, OLD)
    body = _body(pusher={"name": "ann"})
    reaction = receiver.reaction(_TAG, _data(body))
    [[call]] = [list(each.values()) for each in reaction.values()]
    args = [{"service": "guestbook"}, {"env": "demo"}, {"background": True}]
    assert call == [{"args": args}]
    promised = _told(world, body)
    assert (promised["state"], promised["release"]) == ("waiting", "guestbook.demo.2")
    [outcome] = _work(world)
    assert (outcome["release"], outcome["state"]) == ("guestbook.demo.2", "good")
    record = world.records.find("guestbook.demo.2")
    assert (record["commit"], record["user"]) == (NEW, "ann")
    assert record["message"] == "push of main by ann"
    told = _told(world, body)
    assert told["state"] == "good"
    assert any("back in rotation" in line for line in told["lines"])
    assert {host.commit for host in world.fleet.hosts.values()} == {NEW}


def test_reaction_holds_nothing_of_the_sender(receiver):
    """Salt's job cache keeps a runner's arguments: two names, and no secret."""
    body = _body(pusher={"name": "ann"}, evil="{{ 7*7 }}")
    text = json.dumps(receiver.reaction(_TAG, _data(body)))
    assert set("{}[]") >= set(text) - set('abcdefghijklmnopqrstuvwxyz.: ,"_')
    assert _SECRET not in text
    assert "ann" not in text


def test_forged_webhooks_start_nothing_and_fill_nothing(world, receiver, caplog):
    """A flood leaves no file, and a line now and then; a good one after it counts."""
    before = sorted(_files(world))
    with caplog.at_level(logging.INFO):
        for number in range(2000):
            data = _data(_body(n=number), secret="a-guess-of-somebody")
            assert receiver.reaction(_TAG, data) == {}
            assert receiver.reaction(f"{receiving.TAG}x{number}", data) == {}
    assert sorted(_files(world)) == before
    assert len(caplog.records) <= 4
    assert receiver.reaction(_TAG, _data(_body()))


_ANY = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers()
    | strategies.text() | strategies.binary(),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(
        strategies.text(), inner
    ),
    max_leaves=10,
)  # fmt: skip


@hypothesis.given(
    name=strategies.text() | strategies.just("guestbook"), body=_ANY,
    headers=_ANY | strategies.dictionaries(
        strategies.sampled_from(["X-Holodeck-Signature", "X-Holodeck-Timestamp"]), _ANY
    ),
)  # fmt: skip
@hypothesis.settings(
    max_examples=300, deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)  # fmt: skip
def test_any_event_of_a_stranger_starts_nothing(world, receiver, name, body, headers):
    """Whatever stands in an event, the reactor goes on, and wakes nobody."""
    data = {"body": body, "headers": headers, "post": {}}
    assert receiver.reaction(f"{receiving.TAG}{name}", data) == {}


@hypothesis.given(
    branch=strategies.text(), commit=strategies.text() | strategies.just(NEW),
    pusher=strategies.text(),
)  # fmt: skip
@hypothesis.settings(
    max_examples=300, deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)  # fmt: skip
def test_any_signed_body_wakes_one_place_or_nobody(
    world, receiver, branch, commit, pusher
):
    """Of what was signed, only the definition's own names go on to the runner."""
    body = _body(commit, branch, pusher={"name": pusher})
    reaction = receiver.reaction(_TAG, _data(body))
    assert set(reaction) <= {"push of guestbook to demo"}
    assert (reaction == {}) or branch == "main"


def test_second_secret_counts_too(world, receiver):
    """One of the list, and one that Salt's sdb has."""
    body = _body()
    assert receiver.reaction(_TAG, _data(body, _OTHER))
    assert _told(world, body, _OTHER)["state"] == "waiting"


def test_replay_starts_nothing_also_after_a_restart(world, receiver):
    """The same body again, with a new signature of its time, does nothing."""
    body = _body()
    assert receiver.reaction(_TAG, _data(body))
    assert receiver.reaction(_TAG, _data(body)) == {}
    assert receiving.Receiver(world.opts).reaction(_TAG, _data(body)) == {}


def test_burst_is_one_release_of_the_newest(world, receiver, monkeypatch):
    """A hundred pushes wake one process, take one number, and one release follows."""
    bodies = [_body(n=number) for number in range(100)]
    woken = [receiver.reaction(_TAG, _data(body)) for body in bodies]
    assert [bool(each) for each in woken] == [True, *[False] * 99]
    _head(monkeypatch, NEW, OLD)
    assert [each["release"] for each in _work(world)] == ["guestbook.demo.2"]
    assert _told(world, bodies[-1])["state"] == "good"
    assert len(world.records.history(*_KEY)) == 2


def test_push_during_a_release_follows_it(world, receiver, monkeypatch):
    """Who pushes while a push is released wakes nobody, and is released next."""
    _head(monkeypatch, NEW, OLD)
    receiver.reaction(_TAG, _data(_body(NEW)))
    seen = []

    def say(phase, _message):
        if phase == "rollout" and not seen:
            seen.append(receiver.reaction(_TAG, _data(_body(THIRD))))
            _head(monkeypatch, THIRD, OLD, NEW)

    assert [each["state"] for each in _work(world, say)] == ["good", "good"]
    assert seen == [{}]
    assert world.records.last_good(*_KEY)["commit"] == THIRD


def test_push_at_the_very_end_of_a_turn_is_not_lost(world, receiver, monkeypatch):
    """Between the last look and the lock's end a push sees a lock, and is taken."""
    _head(monkeypatch, NEW, OLD)
    receiver.reaction(_TAG, _data(_body(NEW)))
    take = pushes.Desk.take

    def late(desk, key):
        found = take(desk, key)
        if found is None and not late.done:
            late.done = True
            assert receiver.reaction(_TAG, _data(_body(THIRD))) == {}
            _head(monkeypatch, THIRD, OLD, NEW)
        return found

    late.done = False
    monkeypatch.setattr(pushes.Desk, "take", late)
    assert [each["state"] for each in _work(world)] == ["good", "good"]


def test_push_survives_its_worker(world, receiver, monkeypatch):
    """What a killed process had taken waits still, under its number."""
    _head(monkeypatch, NEW, OLD)
    receiver.reaction(_TAG, _data(_body()))
    child = os.fork()
    if not child:
        with pushes.Desk(world.opts).turn(_KEY):
            pushes.Desk(world.opts).take(_KEY)
            os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert [each["state"] for each in _work(world)] == ["good"]


def test_worker_that_never_came_is_woken_again(world, receiver, monkeypatch):
    """A process that died at its start holds nobody up for ever."""
    assert receiver.reaction(_TAG, _data(_body(n=1)))
    assert receiver.reaction(_TAG, _data(_body(n=2))) == {}
    monkeypatch.setattr(pushes, "_WAKING_S", 0)
    assert receiver.reaction(_TAG, _data(_body(n=3)))


def test_older_commit_does_not_overtake(world, receiver, monkeypatch):
    """A branch that fell back is refused with the ways to go, unless it was forced."""
    _head(monkeypatch, NEW, THIRD, OLD)
    receiver.reaction(_TAG, _data(_body(NEW)))
    _work(world)
    _head(monkeypatch, THIRD, NEW)
    monkeypatch.setattr(
        building, "history",
        lambda *a, **_: [] if (a[3], a[4]) == (NEW, THIRD) else [{"commit": NEW}],
    )  # fmt: skip
    body = _body(THIRD)
    receiver.reaction(_TAG, _data(body))
    [outcome] = _work(world)
    assert outcome["state"] == "refused"
    assert f"Commit {THIRD[:12]}: is older than {NEW[:12]}" in outcome["reason"]
    assert "holodeck.rollback" in _told(world, body)["lines"][-1]
    receiver.reaction(_TAG, _data(_body(THIRD, forced=True)))
    assert [each["state"] for each in _work(world)] == ["good"]


def test_mirror_that_lags_is_named(world, receiver, monkeypatch):
    """A git server that has not yet what was pushed makes no silent success."""
    _head(monkeypatch, OLD)
    monkeypatch.setattr(
        building, "history",
        lambda *a, **_: [] if (a[3], a[4]) == (NEW, OLD) else [{"commit": NEW}],
    )  # fmt: skip
    receiver.reaction(_TAG, _data(_body(NEW)))
    [outcome] = _work(world)
    assert outcome["state"] == "refused"
    assert "push again when it has the other" in outcome["reason"]
    monkeypatch.setattr(building, "resolve_known", _unknown)
    _lay(world)
    assert _work(world)[0]["state"] == "refused"


def test_bad_commit_is_not_pushed_again(world, receiver, monkeypatch):
    """The same broken commit in another push is refused by the release's id."""
    _head(monkeypatch, NEW, OLD)
    monkeypatch.setattr(type(world.fleet), "_webtest_run", _broken_suite, raising=False)
    receiver.reaction(_TAG, _data(_body(n=1)))
    assert [each["state"] for each in _work(world)] == ["bad"]
    receiver.reaction(_TAG, _data(_body(n=2)))
    [outcome] = _work(world)
    assert outcome["state"] == "refused"
    assert "is bad" in outcome["reason"]
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}


def _broken_suite(_fleet, _host, targets, **_options):
    entry = {"state": "failed", "counts": {}, "failures": [{"id": "t", "why": "500"}]}
    return {"ok": False, "targets": {target["name"]: entry for target in targets}}


def test_frozen_service_refuses_pushes(world, receiver, monkeypatch):
    """The pusher hears by whom; the next push tries again."""
    _head(monkeypatch, NEW, OLD)
    world.records.keep_freeze(*_KEY, user="ann", since="now")
    body = _body()
    receiver.reaction(_TAG, _data(body))
    [outcome] = _work(world)
    assert outcome["state"] == "failed"
    assert "frozen by ann" in _told(world, body)["lines"][-1]


def test_push_waits_for_the_release_that_runs(world, receiver, monkeypatch):
    """A release by hand goes first; the newest of what came meanwhile follows."""
    _head(monkeypatch, NEW, OLD)
    receiver.reaction(_TAG, _data(_body(n=1)))
    said = []
    held = locks.held(world.opts, *_KEY, "a release by hand")
    held.__enter__()

    def say(phase, message):
        said.append(phase)
        if phase == "waits":
            receiver.reaction(_TAG, _data(_body(n=2)))
            held.__exit__(None, None, None)

    monkeypatch.setattr(pushing, "_POLL_S", 0.01)
    assert [each["state"] for each in _work(world, say)] == ["good"]
    assert "waits" in said


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (_body(branch="other"), "no environment takes pushes of other"),
        (
            _TAGGED,
            "no branch of it has a new",
        ),
        (_body(branch="--upload-pack=x"), "is none"),
    ],
)
def test_what_is_not_released_is_told(world, receiver, body, why):
    """Genuine, and still nothing to release: the pusher hears why."""
    assert receiver.reaction(_TAG, _data(body)) == {}
    told = _told(world, body)
    assert told["state"] == "refused"
    assert why in told["lines"][-1]


def test_broken_definition_is_logged_and_loses_no_service(
    world, receiver, monkeypatch, caplog
):
    """A webhook while pillar is broken is lost by name in the log."""
    monkeypatch.setattr(pillar, "load", _fail)
    assert receiver.reaction(_TAG, _data(_body())) == {}
    assert "Pillar: is broken" in caplog.text


def _fail(*_, **__):
    raise HolodeckError("Pillar: is broken")


def test_reserved_number_is_given_up_when_another_came_before(tmp_path):
    """The newest record has the highest number, whatever was promised."""
    world = opened(tmp_path)
    promised = world.records.reserve(*_KEY)
    assert promised == "guestbook.demo.1"
    assert world.records.find(promised) is None
    assert world.records.begin(*_KEY)["number"] == 2
    assert world.records.begin(*_KEY, reserved=promised)["number"] == 3
    assert (
        world.records.begin(*_KEY, reserved=world.records.reserve(*_KEY))["number"] == 4
    )


def test_told_pushes_are_pruned(world, receiver, monkeypatch):
    """What pushers may read does not fill the disk."""
    monkeypatch.setattr(pushes, "_TOLD_MAX", 5)
    for number in range(9):
        receiver.reaction(_TAG, _data(_body(n=number)))
    assert len(list(pushes.Desk(world.opts).told.iterdir())) == 5


def test_what_is_laid_is_for_root_alone(world, receiver):
    """Only what the sender may read is readable at all."""
    receiver.reaction(_TAG, _data(_body()))
    home = pushes.Desk(world.opts).told.parent
    assert home.stat().st_mode & 0o077 == 0


def _files(world):
    place = pushes.Desk(world.opts).told.parent.parent
    return [str(path) for path in place.rglob("*") if path.is_file()]


@pytest.fixture
def forge(world):
    """A forge's API that keeps what it is told; ``answers`` is its status line."""
    told = SimpleNamespace(requests=[], answers="201 Created", headers=[])

    def app(environ, start_response):
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0))
        told.requests.append((environ["PATH_INFO"], environ, json.loads(body)))
        start_response(told.answers, [("Content-Length", "0"), *told.headers])
        return [b""]

    service = world.definition.services["guestbook"]
    with serving(app) as server:
        told.api = f"http://127.0.0.1:{server.server_port}/api"
        status = {"api": told.api, "token": "a-token-of-the-forge"}
        webhook = {**service.webhook, "status": status}
        world.definition.services["guestbook"] = dataclasses.replace(
            service, webhook=webhook, repository="git@forge:team/guestbook.git"
        )
        yield told


def _as(world, scheme):
    service = world.definition.services["guestbook"]
    webhook = {**service.webhook, "scheme": scheme}
    world.definition.services["guestbook"] = dataclasses.replace(
        service, webhook=webhook
    )


def _lay(world, commit=NEW):
    desk = pushes.Desk(world.opts)
    facts = {"branch": "main", "commit": commit, "forced": False, "befores": [],
             "pusher": "ann", "followers": ["f"]}  # fmt: skip
    return desk.lay(_KEY, facts, world.records.reserve)


@pytest.mark.parametrize(
    ("scheme", "path", "header", "words"),
    [
        ("github", "/api/repos/team/guestbook", ("HTTP_AUTHORIZATION", "Bearer "),
         ("pending", "success", "failure")),
        ("gitea", "/api/repos/team/guestbook", ("HTTP_AUTHORIZATION", "token "),
         ("pending", "success", "failure")),
        ("gitlab", "/api/projects/team/guestbook", ("HTTP_PRIVATE_TOKEN", ""),
         ("running", "success", "failed")),
    ],
)  # fmt: skip
def test_forge_is_told(world, forge, monkeypatch, scheme, path, header, words):
    """The commit is pending while it is released, and good or bad then."""
    _as(world, scheme)
    _head(monkeypatch, NEW, OLD)
    _lay(world)
    _work(world)
    _lay(world, OLD[:-1] + "5")
    monkeypatch.setattr(building, "resolve", _unknown)
    _work(world)
    states = [body["state"] for _, _, body in forge.requests]
    assert states == [words[0], words[1], words[0], words[2]]
    name, kind = header
    for where, environ, body in forge.requests:
        assert where.startswith(f"{path}/statuses/")
        assert environ[name] == f"{kind}a-token-of-the-forge"
        assert "holodeck/demo" in body.values()
    assert forge.requests[1][2]["description"] == "guestbook.demo.2 is good"


def test_forge_is_told_no_word_of_a_host(world, forge, monkeypatch):
    """A forge may be public, and what a service said as it ended is nobody's."""
    _as(world, "github")
    _head(monkeypatch, NEW, OLD)
    world.fleet.faults["switch web1 new"] = "OperationalError: token 7f3a is no good"
    _lay(world)
    _work(world)
    said = forge.requests[-1][2]["description"]
    assert said.startswith("guestbook.demo.2 is bad; holodeck.show guestbook.demo.2")
    assert "7f3a" not in str([body for *_, body in forge.requests])


def _unknown(*_):
    raise building.UnknownCommitError("Commit main: is no branch")


@pytest.mark.parametrize("answers", ["500 Oops", "302 Found"])
def test_forge_that_fails_fails_no_release(world, forge, monkeypatch, answers):
    """Nor does the token go to where a redirect points."""
    forge.answers, forge.headers = answers, [("Location", f"{forge.api}/elsewhere")]
    _as(world, "github")
    _head(monkeypatch, NEW, OLD)
    _lay(world)
    assert [each["state"] for each in _work(world)] == ["good"]
    assert not [where for where, *_ in forge.requests if "elsewhere" in where]
    lines = json.loads((pushes.Desk(world.opts).told / "f.json").read_text())["lines"]
    assert any(f"the forge was not told: HTTP Error {answers[:3]}" in x for x in lines)
    assert "a-token-of-the-forge" not in "".join(lines)


def _no_space(*_args, **_options):
    raise OSError(28, "No space left on device")


def test_full_disk_of_what_is_told_harms_no_release(world, receiver, monkeypatch):
    """Who follows a push hears nothing more; the release goes on as ever."""
    _head(monkeypatch, NEW, OLD)
    receiver.reaction(_TAG, _data(_body()))
    write, told = pushes.files.write_atomic, pushes.Desk(world.opts).told

    def full(path, *words, **options):
        return (_no_space if path.parent == told else write)(path, *words, **options)

    monkeypatch.setattr(pushes.files, "write_atomic", full)
    assert [each["state"] for each in _work(world)] == ["good"]


@pytest.mark.parametrize(
    "found", ["sdb://vault/key", "", None, {"a": 1}, b"x", "short"]
)
def test_secret_that_sdb_does_not_have_counts_for_nothing(
    world, receiver, monkeypatch, found, caplog
):
    """Neither its name nor what is too short is a secret; the other one counts."""
    monkeypatch.setattr(pillar.salt.utils.sdb, "sdb_get", lambda *_, **__: found)
    for guess in ("sdb://vault/key", "short", "x"):
        assert receiver.reaction(_TAG, _data(_body(), guess)) == {}
    assert "without a secret" in caplog.text
    assert receiver.reaction(_TAG, _data(_body()))


def test_sdb_that_fails_stops_that_secret_alone(world, receiver, monkeypatch):
    """A vault that is sealed keeps no other service from its releases."""
    monkeypatch.setattr(pillar.salt.utils.sdb, "sdb_get", _no_space)
    assert receiver.reaction(_TAG, _data(_body()))


def test_webhook_that_could_not_be_taken_in_can_be_sent_again(
    world, receiver, monkeypatch, caplog
):
    """A full disk, a cache that is away: nothing is marked as done."""
    data = _data(_body())
    with monkeypatch.context() as patch:
        patch.setattr(type(receiver._records), "reserve", _no_space)
        assert receiver.reaction(_TAG, data) == {}
    assert "lost, OSError" in caplog.text
    assert receiver.reaction(_TAG, data)


def test_webhook_whose_worker_was_not_woken_wakes_it_the_second_time(
    world, receiver, monkeypatch
):
    """Sent again, it finds the push that waits."""
    data = _data(_body())
    with monkeypatch.context() as patch:
        patch.setattr(pushes.Desk, "should_wake", _no_space)
        assert receiver.reaction(_TAG, data) == {}
    assert receiver.reaction(_TAG, data)


def test_branch_nobody_takes_keeps_no_other_back(world, receiver):
    """Of a webhook with several branches each is looked at alone."""
    service = world.definition.services["guestbook"]
    _as(world, "bitbucket")
    world.definition.services["guestbook"] = dataclasses.replace(
        world.definition.services["guestbook"], repository="git@forge:team/g.git"
    )
    change = {"new": {"type": "branch", "target": {"hash": NEW}}}
    for names in (("main", "other"), ("other", "main"), ("x#1", "main")):
        changes = [{"new": {**change["new"], "name": name}} for name in names]
        body = json.dumps({"repository": {"full_name": "team/g"}, "n": names,
                           "push": {"changes": changes}})  # fmt: skip
        mac = hmac.new(_SECRET.encode(), body.encode(), "sha256").hexdigest()
        headers = {"X-Hub-Signature": f"sha256={mac}", "X-Event-Key": "repo:push"}
        pushes.Desk(world.opts).done(_KEY)
        receiver.reaction(_TAG, {"body": body, "headers": headers})
        assert pushes.Desk(world.opts).take(_KEY)["branch"] == "main"
    assert service.webhook["scheme"] == "holodeck"


def test_release_by_hand_that_was_faster_is_waited_for(world, receiver, monkeypatch):
    """A push that finds the lock taken at the last moment is released after it."""
    _head(monkeypatch, NEW, OLD)
    receiver.reaction(_TAG, _data(_body()))
    real, refused = pushing.release.release, []

    def release(*args, **options):
        if not refused:
            refused.append(1)
            raise locks.LockedError("being released")
        return real(*args, **options)

    monkeypatch.setattr(pushing.release, "release", release)
    assert [each["state"] for each in _work(world)] == ["good"]


def test_forced_push_stays_so_when_another_joins_it(world, receiver, monkeypatch):
    """So does a push taken back from the very commit that runs, where no flag is."""
    for first in ({"forced": True}, {"before": OLD[:-1] + "1"}):
        receiver.reaction(_TAG, _data(_body(n=str(first), **first)))
        receiver.reaction(_TAG, _data(_body(THIRD, n=str(first))))
        push = pushes.Desk(world.opts).take(_KEY)
        assert (push["forced"], bool(push["befores"])) == (
            "forced" in first, "before" in first,
        )  # fmt: skip
        assert len(push["followers"]) == 2
        pushes.Desk(world.opts).done(_KEY)


def test_push_that_says_what_it_takes_back_may(world, receiver, monkeypatch):
    """Forges without a flag say from which commit the branch was moved."""
    _head(monkeypatch, NEW, OLD, THIRD)
    receiver.reaction(_TAG, _data(_body(NEW)))
    _work(world)
    _head(monkeypatch, THIRD, NEW)
    monkeypatch.setattr(building, "history", lambda *_, **__: [])
    receiver.reaction(_TAG, _data(_body(THIRD, before=NEW)))
    assert [each["state"] for each in _work(world)] == ["good"]


def test_ancestry_that_cannot_be_asked_for_refuses(world, receiver, monkeypatch):
    """A builder that is silent makes no older commit a newer one."""
    _head(monkeypatch, THIRD, OLD)
    monkeypatch.setattr(building, "history", _fail)
    receiver.reaction(_TAG, _data(_body(THIRD)))
    [outcome] = _work(world)
    assert outcome["state"] in {"failed", "bad"}
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}


def test_promised_number_holds_after_a_push_that_was_refused(
    world, receiver, monkeypatch
):
    """What the pusher reads is the release's number, whatever came before."""
    _head(monkeypatch, NEW, OLD)
    _lay(world)
    with monkeypatch.context() as patch:
        patch.setattr(building, "resolve", _unknown)
        assert _work(world)[0]["state"] == "refused"
    promised = _lay(world)["release"]
    assert [each["release"] for each in _work(world)] == [promised]
    assert world.records.find(promised)["status"] == "good"


def test_pushers_beyond_twenty_hear_that_later_ones_go_on(world, receiver):
    """Nobody's terminal waits for ever."""
    for number in range(25):
        receiver.reaction(_TAG, _data(_body(n=number)))
    told = [json.loads(p.read_text()) for p in pushes.Desk(world.opts).told.iterdir()]
    states = [each["state"] for each in told]
    assert (states.count("superseded"), states.count("waiting")) == (5, 20)


def test_world_that_does_not_open_is_told(world, receiver):
    """Pillar that broke since is the pusher's answer, and the push is done with."""
    body = _body()
    receiver.reaction(_TAG, _data(body))
    pushing.work_off(world.opts, _KEY, _fail)
    assert _told(world, body)["state"] == "failed"
    assert "Pillar: is broken" in _told(world, body)["lines"][-1]
    assert not pushes.Desk(world.opts).left(_KEY)


@pytest.mark.parametrize("answer", [b"", b"no http\r\n\r\n"])
def test_forge_that_speaks_no_http_fails_no_release(
    world, forge, monkeypatch, answer, caplog
):
    """Nor does a token that makes no header show itself."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_answers, args=(server, answer), daemon=True).start()
        service = world.definition.services["guestbook"]
        api = f"http://127.0.0.1:{server.getsockname()[1]}"
        status = {"api": api, "token": "a-token\nof-the-forge"}
        for token in ("a-token-of-the-forge", "a-token\nof-the-forge"):
            webhook = {"scheme": "github", "secrets": [_SECRET],
                       "status": {**status, "token": token}}  # fmt: skip
            world.definition.services["guestbook"] = dataclasses.replace(
                service, webhook=webhook
            )
            _head(monkeypatch, NEW, OLD)
            _lay(world)
            assert _work(world)[0]["state"] in {"good", "unchanged"}
    assert "of-the-forge" not in caplog.text
    told = "".join(p.read_text() for p in pushes.Desk(world.opts).told.iterdir())
    assert "of-the-forge" not in told


def _answers(server, answer):
    with contextlib.suppress(OSError):
        while True:
            connection, _ = server.accept()
            connection.recv(65536)
            connection.sendall(answer)
            connection.close()


def test_each_thing_that_is_told_is_announced(world, receiver, monkeypatch):
    """Whoever listens to the master's events reads what the pusher reads."""
    _head(monkeypatch, NEW, OLD)
    body = _body()
    receiver.reaction(_TAG, _data(body))
    heard = []

    def open_world(told):
        return dataclasses.replace(world, say=told)

    pushing.work_off(world.opts, _KEY, open_world, heard.append)
    lines = _told(world, body)["lines"]
    assert [fact["line"] for fact in heard] == lines[1:]
    assert {fact["release"] for fact in heard} == {"guestbook.demo.2"}
    assert [fact["state"] for fact in heard][-1] == "good"


def test_detached_process_releases_what_waits(world, receiver, tmp_path):
    """
    It is a process of its own, with the master's configuration.

    The second is worked off by the one that has waited for it.
    """
    conf = tmp_path / "master"
    known = {"cachedir": world.opts["cachedir"]}
    conf.write_text(json.dumps({**known, "pillar_roots": {"base": [str(tmp_path)]}}))
    opts = {**world.opts, "conf_file": str(conf)}
    desk, spares = pushes.Desk(world.opts), [None]
    for commit in (NEW, THIRD):
        body = _body(commit)
        receiver.reaction(_TAG, _data(body))
        detached.start(opts, tmp_path, *_KEY)
        until(lambda: not desk.left(_KEY), "the push is released")
        # Their master defines nothing.
        assert "for the id 'holodeck'" in _told(world, body)["lines"][-1]
        until(lambda: _spare() not in spares, "another one waits for the next")
        spares.append(_spare())
    assert spares[1].poll() == 0
    log = tmp_path / "holodeck/runs/push-demo.guestbook"
    until(lambda: log.read_text().count("is failed") == 2, "both stand in the log")


def _spare():
    """Return the process that waits for the next push, if any."""
    return detached._spares[0][0] if detached._spares else None


@pytest.fixture
def spare(tmp_path):
    """A process that waits for a push, which nobody needs afterwards."""
    opts = {"cachedir": str(tmp_path), "conf_file": str(tmp_path / "none")}
    detached.start(opts, tmp_path, *_KEY)
    until(_spare, "one waits")
    until(lambda: _is_ready(_spare()), "it has imported everything")
    yield _spare()
    with detached._lock:
        for process, _ in detached._spares:
            process.stdin.close()
        detached._spares.clear()


def _is_ready(process):
    """Tell whether a process waits for what it is told."""
    return "poll" in Path(f"/proc/{process.pid}/wchan").read_text()


def test_spare_process_has_heard_before_anybody_relies_on_it(spare, tmp_path):
    """What it is told is done by it, and the log is that of the place."""
    log, words = tmp_path / "log", [str(tmp_path / "none"), str(tmp_path), *_KEY]
    assert detached._told_spare(log, words) is spare
    assert spare.wait(30) == 0
    assert log.exists()


@pytest.mark.parametrize("fate", ["killed", "stopped", "outdated"])
def test_spare_process_that_is_no_good_is_not_told(
    spare, tmp_path, monkeypatch, fate
):  # fmt: skip
    """A push is never lost with it: another process takes it, with the present code."""
    monkeypatch.setattr(detached, "_HEARD_S", 0.5)
    if fate == "outdated":
        monkeypatch.setattr(detached, "_code", lambda: "another pack")
    elif fate == "killed":
        spare.kill()
        spare.wait()
    else:
        spare.send_signal(signal.SIGSTOP)
    assert detached._told_spare(tmp_path / "log", ["none"]) is None
    if fate == "stopped":
        spare.send_signal(signal.SIGCONT)
    until(lambda: spare.poll() is not None, "it ends")


def test_spare_process_ends_with_its_master(spare):
    """Its memory is free when the reactor is gone."""
    spare.stdin.close()
    assert spare.wait(30) == 0


def test_detached_process_has_a_control_group_of_its_own(tmp_path, monkeypatch):
    """Where systemd is, a restart of the master's unit does not end releases."""
    monkeypatch.setattr(detached, "_SYSTEMD", tmp_path)
    monkeypatch.setattr(detached.shutil, "which", lambda _name: "/usr/bin/systemd-run")
    assert detached.apart()[:2] == ["systemd-run", "--scope"]
    monkeypatch.setattr(detached, "_SYSTEMD", tmp_path / "none")
    assert detached.apart() == []


def test_schemes_of_the_documentation_are_those_of_the_code():
    """Who reads the names may use them."""
    assert set(webhooks.SCHEMES) == {
        "holodeck", "github", "gitlab", "gitlab-token", "gitea", "bitbucket",
    }  # fmt: skip
