"""Releases by git push: salt-api, the reactor, and the hook for plain git."""

import concurrent.futures
import http.client
import json
import re
import subprocess
import time
import urllib.request

import pytest

from holodeck_master import detached
from probe import Probe

pytestmark = pytest.mark.integration
_FORGED = 10_000
_SENDERS = 4
_PREVIEW = """
    preview:
      ephemeral: {most: 1, hours: 1}
      cidr: PREFIX.0/24
      hosts:
        web: {profile: local-small, count: 1}
        balancer: {profile: local-small, count: 1}
        tester: {profile: local-small, count: 1}
        builder: {profile: local-builder, count: 1}
      services:
        guestbook:
          listen: '*:80'
          push: feature/*
          settings: {GUESTBOOK_SECRET: only-for-this-demo}
          allow_writes: true
"""
_CHANGE = ("guestbook/templates/index.html", "<h1>", "<h1>Pushed: ")


@pytest.fixture
def pushed(at_main):
    """The environment at main, and a repository whose pushes are released."""
    at_main.lab.start_api()
    secret = at_main.lab.home / "push-secret"
    at_main.repository.release_pushes(at_main.lab.api, secret)
    yield at_main
    (at_main.repository.bare / "hooks" / "post-receive").unlink()
    at_main.repository.push()


def _push(world, branch, to="main"):
    """Push a branch of the work tree; return what the pusher reads."""
    done = subprocess.run(
        ["git", "push", "--force", "origin", f"{branch}:refs/heads/{to}"],
        cwd=world.repository.tree, check=True, text=True, capture_output=True,
    )  # fmt: skip
    return done.stderr


def _page(world):
    with urllib.request.urlopen(world.url) as answer:
        return answer.read().decode()


def test_push_releases_and_a_broken_one_does_not(pushed):
    """`git push` ends in the new page; of a broken commit in the old one, and why."""
    repository = pushed.repository
    repository.branch("pushed", "A push", lambda: repository.edit(*_CHANGE))
    # Other tests' bad commits are refused before they are tried.
    repository.branch("bad-push", "A bad push", repository.break_pages)
    with Probe(pushed.url) as probe:
        said = _push(pushed, "pushed")
        assert "is to release main" in said
        assert "web3: back in rotation" in said
        newest = pushed.history()[0]
        assert f"{newest['id']} is good" in said
        assert newest["commit"] == repository.commit("pushed")
        assert "Pushed: " in _page(pushed)
        said = _push(pushed, "bad-push")
        assert "Bad response: 500" in said
        assert "is bad: The suite did not pass." in said
        assert "Pushed: " in _page(pushed)
        # Pushed again, also over another one, it stays refused.
        _push(pushed, "pushed")
        said = _push(pushed, "bad-push")
        assert re.search(r"is refused: Commit \w+: guestbook\.\S+ is bad", said)
        time.sleep(1)
    assert probe.tally.sent > 100
    assert not probe.tally.failed
    assert set(probe.tally.commits) == {
        pushed.commit("main"), repository.commit("pushed"),
    }  # fmt: skip


def test_push_of_a_branch_has_an_environment_of_its_own(pushed):
    """Its hosts are made, its suite passes there, and nothing of it is left."""
    example = pushed.lab.home / "pillar/holodeck/example.sls"
    before = example.read_text()
    example.write_text(before + _PREVIEW.replace("PREFIX", pushed.lab.prefix))
    try:
        # As long as the reactor's process knows the definition of before.
        time.sleep(11)
        hosts = set(pushed.lab.nodes())
        said = _push(pushed, "next", "feature/login")
        assert re.search(
            r"guestbook in preview-login-\w{4}: guestbook\.\S+ is to ", said
        )
        assert "web1: the suite passed" in said
        assert re.search(r"destroy  preview-login-\w{4} is gone", said)
        assert set(pushed.lab.nodes()) == hosts
    finally:
        example.write_text(before)


def test_secret_of_pushes_is_nowhere(pushed):
    """Neither job cache nor records nor what pushers read has the secret."""
    _push(pushed, "next")
    secret = (pushed.lab.home / "push-secret").read_bytes()
    cache = pushed.lab.home / "cache"
    found = [p for p in cache.rglob("*") if p.is_file() and secret in p.read_bytes()]
    assert found == []


def test_forged_requests_do_nothing_and_a_good_push_after_them_counts(pushed):
    """
    Ten thousand forgeries leave no job, no file and no record.

    They come four at once, which must not break salt-api's way to the master.
    """
    cache = pushed.lab.home / "cache"
    before, newest = _files(cache), pushed.history()[0]["id"]
    _flood(pushed.lab)
    assert pushed.history()[0]["id"] == newest
    said = _push(pushed, "next")
    assert "is good" in said or "is unchanged" in said
    grown = [path for path in _files(cache) - before if "jobs" in path.parts]
    # Those of the push itself, and of the release.
    assert len(grown) < 500
    assert newest in [row["id"] for row in pushed.history()[:2]]
    assert (pushed.lab.home / "master.log").stat().st_size < 1 << 20


def _flood(lab):
    host, _, port = lab.api.removeprefix("http://").rpartition(":")
    body = json.dumps({"ref": "refs/heads/main", "after": "4" * 40})

    def send(count):
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        for number in range(count):
            connection.request(
                "POST", "/hook/holodeck/guestbook", body=f"{body} {' ' * number}",
                headers={"Content-Type": "application/json",
                         "X-Holodeck-Timestamp": str(int(time.time())),
                         "X-Holodeck-Signature": f"v1={number:064x}"},
            )  # fmt: skip
            answer = connection.getresponse()
            answer.read()
            assert answer.status == http.client.OK

    with concurrent.futures.ThreadPoolExecutor(_SENDERS) as pool:
        list(pool.map(send, [_FORGED // _SENDERS] * _SENDERS))


def _files(folder):
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("apart", [True, False])
def test_release_process_outlives_a_restart_of_the_masters_unit(
    at_main, monkeypatch, tmp_path, apart
):
    """Where systemd runs the master, a restart of its unit ends no release."""
    monkeypatch.setattr(detached, "_SYSTEMD", tmp_path)
    monkeypatch.setattr(detached.shutil, "which", lambda _name: "/usr/bin/systemd-run")
    words = [*(detached.apart() if apart else []), "sleep", "300"]
    source = (
        "import subprocess, time\n"
        f"began = subprocess.Popen({words!r}, start_new_session=True)\n"
        "open('/run/began', 'a').write(f'{began.pid}\\n')\n"
        "time.sleep(300)\n"
    )
    script = """
        systemd-run --quiet --unit=a-master python3 -c "$1"
        until [ -s /run/began ]; do sleep 0.1; done
        sleep 1
        systemctl restart a-master
        until [ "$(wc -l </run/began)" = 2 ]; do sleep 0.1; done
        systemctl stop a-master
        for pid in $(cat /run/began); do
            if kill "$pid" 2>/dev/null; then echo lived; else echo ended; fi
        done
        rm /run/began
    """
    said = at_main.inside("demo-tester1", "bash", "-c", script, "bash", source)
    assert said.stdout.split() == ["lived" if apart else "ended"] * 2
