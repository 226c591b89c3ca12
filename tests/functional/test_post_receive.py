"""The hook for plain git, as a git server runs it."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from web_server import serving

from holodeck import webhook_signatures as signatures
from holodeck import webhooks

_HOOK = Path(__file__).parents[2] / "salt/holodeck/files/post-receive"
_SECRET = "a-secret-of-the-service"
_GOOD = {"state": "good", "release": "guestbook.demo.2", "dropped": 0,
         "lines": ["guestbook.demo.2 is good"]}  # fmt: skip


class Master:
    """What salt-api does: it takes webhooks, and has files by secret names."""

    def __init__(self):
        self.asked, self.bodies, self.headers = [], [], []
        self.told = {}
        self.fails = 0
        self.then = _GOOD
        self._lock = threading.Lock()

    def __call__(self, environ, start_response):
        """Answer one request."""
        path = environ["PATH_INFO"]
        with self._lock:
            self.asked.append((environ["REQUEST_METHOD"], path))
            status, body = self._answer(path, environ)
        start_response(status, [("Content-Length", str(len(body)))])
        return [body]

    def _answer(self, path, environ):
        if path == "/hook/holodeck/guestbook":
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode()
            self.bodies.append(body)
            self.headers.append(
                {k[5:].replace("_", "-"): v for k, v in environ.items() if "HTTP_" in k}
            )
            if self.then:
                self.told[f"/holodeck/{signatures.receipt(_SECRET, body)}.json"] = (
                    self.then
                )
            return "200 OK", b'{"success": true}'
        if self.fails:
            self.fails -= 1
            return "500 Oops", b""
        if path in self.told:
            return "200 OK", json.dumps(self.told[path]).encode()
        return "404 Not Found", b""


@pytest.fixture
def master():
    """A master that releases at once."""
    return Master()


@pytest.fixture
def push(master, tmp_path):
    """Run the hook for lines of git's; return its exit status, and what is read."""
    bare, work = tmp_path / "bare.git", tmp_path / "work"
    secret = tmp_path / "secret"
    secret.write_text(f"{_SECRET}\n")

    def git(*words, at=bare):
        done = subprocess.run(
            ["git", "-C", at, "-c", "user.name=a", "-c", "user.email=a@b", *words],
            check=True, text=True, capture_output=True,
        )  # fmt: skip
        return done.stdout.strip()

    subprocess.run(["git", "init", "--quiet", "--bare", bare], check=True)
    subprocess.run(["git", "clone", "--quiet", bare, work], check=True,
                   capture_output=True)  # fmt: skip
    commits = []
    for number in range(2):
        git("commit", "--quiet", "--allow-empty", "-m", str(number), at=work)
        commits.append(git("rev-parse", "HEAD", at=work))
    git("push", "--quiet", "origin", "HEAD:refs/heads/main", at=work)

    def run(*lines, env=None, **settings):
        with serving(master) as server:
            own = {"url": f"{server.url}/", "service": "guestbook"}
            own |= {"secretFile": secret, **settings}
            for name, value in own.items():
                git("config", f"holodeck.{name}", str(value))
            done = subprocess.run(
                [sys.executable, _HOOK], cwd=bare, input="".join(lines), text=True,
                capture_output=True, env=env, check=False,
            )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    run.commits = commits
    return run


def _line(before, after, ref="refs/heads/main"):
    return f"{before} {after} {ref}\n"


def test_hook_sends_what_the_master_takes(push, master):
    """Its webhook is genuine by the scheme, and tells of that push."""
    one, other = push.commits
    code, said = push(_line(one, other))
    assert (code, said) == (0, "holodeck: guestbook.demo.2 is good\n")
    [body], [headers] = master.bodies, master.headers
    stamp = int(headers["X-HOLODECK-TIMESTAMP"])
    webhooks.verify("holodeck", [_SECRET], headers, body, stamp)
    [found] = webhooks.pushes("holodeck", headers, body, "guestbook", "/srv/g.git")
    assert (found.branch, found.commit, found.before) == ("main", other, one)
    assert found.forced is False


def test_hook_says_when_a_branch_was_rewritten(push, master):
    """From the later commit back to the one before; a first push is none."""
    one, other = push.commits
    push(_line(other, one), _line("0" * 40, one, "refs/heads/new"))
    assert [json.loads(body)["forced"] for body in master.bodies] == [True, False]


def test_hook_sends_all_before_it_waits_for_one(push, master):
    """Whoever ends it while it waits has asked for every branch."""
    one, other = push.commits
    push(*(_line(one, other, f"refs/heads/b{number}") for number in range(3)))
    assert [way for way, _ in master.asked][:3] == ["POST"] * 3
    assert len(master.bodies) == 3


def test_hook_leaves_tags_and_deleted_branches(push, master):
    """They release nothing."""
    one, _ = push.commits
    push(_line("0" * 40, one, "refs/tags/v1"), _line(one, "0" * 40))
    assert master.asked == []


def test_hook_goes_on_after_a_moment_without_an_answer(push, master):
    """A master that is restarted is asked again."""
    master.fails = 2
    one, other = push.commits
    assert push(_line(one, other))[1] == "holodeck: guestbook.demo.2 is good\n"


def test_hook_shows_plain_text_alone(push, master):
    """What a service said cannot move the pusher's cursor, in any locale."""
    master.then = {**_GOOD, "lines": ["\x1b[31mred\r", "é → ok\nand more"]}
    one, other = push.commits
    _, said = push(_line(one, other), env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"})
    assert "\x1b" not in said
    assert "\r" not in said
    assert said.count("holodeck: ") == 3


def test_hook_does_not_wait_where_it_is_told_so(push, master):
    """``wait`` of nothing sends, and ends."""
    master.then = None
    one, other = push.commits
    assert push(_line(one, other), wait=0) == (0, "")
    assert len(master.bodies) == 1


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"secretFile": "/nowhere"}, "is not released: [Errno 2]"),
        ({"wait": "10m"}, "is not released: could not convert string"),
        ({"url": "http://127.0.0.1:9"}, "is not released: <urlopen error"),
    ],
)
def test_hook_says_why_nothing_is_released(push, settings, why):
    """The push itself has worked, and the pusher hears what has not."""
    one, other = push.commits
    code, said = push(_line(one, other), **settings)
    assert code == 0
    assert why in said
