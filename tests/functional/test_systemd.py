"""What systemd is told, and what a service's last words may show."""

# ruff: noqa: ARG005 -- fakes take what the real ones take

import http.server
import os
import socket
import threading
import time
from types import SimpleNamespace

import pytest
from waiting import free_port

from holodeck import names, units
from holodeck_io import process, systemd
from holodeck_io.errors import HolodeckError
from holodeck_webapp import deployments, health, last_words

COMMIT = "0" * 40
_UNITS = ["holodeck-guestbook.web.service", "holodeck-guestbook.worker.service"]


@pytest.fixture
def told(monkeypatch):
    """The commands that would have run."""
    commands = []

    def run(argv, **options):
        commands.append(argv)
        return SimpleNamespace(stdout="", returncode=1)

    monkeypatch.setattr(process, "run", run)
    return commands


def test_restart_forgets_the_count_of_restarts(told):
    """A crash loop of the version before is not taken for one of the new version."""
    systemd.restart(_UNITS)
    assert told == [
        ["systemctl", verb, *_UNITS] for verb in ("stop", "reset-failed", "start")
    ]


def test_show_asks_for_all_units_at_once(monkeypatch):
    """What systemd says of each unit stays that unit's own."""
    blocks = "MainPID=7\nDropInPaths=\n\nNRestarts=2\nActiveState=active\n"
    done = SimpleNamespace(stdout=blocks)
    monkeypatch.setattr(process, "run", lambda argv, **options: done)
    web, worker = systemd.show(_UNITS).values()
    assert (web["MainPID"], web["NRestarts"], web["DropInPaths"]) == (7, 0, "")
    assert (worker["MainPID"], worker["NRestarts"]) == (0, 2)


@pytest.fixture
def sick(tmp_path, monkeypatch):
    """A service that never gets healthy; returns ``(summary, say)`` for its journal."""
    monkeypatch.setattr(names, "CONFIG", str(tmp_path))
    deployment = units.Deployment(
        service="guestbook", environment="demo", commit=COMMIT, config="c" * 12,
        port=8000, health="/", processes={"web": "gunicorn app"},
        settings={"DATABASE": "postgres://u:p@ss w0rd@db"},
        files={"key.pem": "first-line-of-it\nsecond-line\n"},
    )  # fmt: skip
    deployments.write(deployment)
    state = {"ActiveState": "failed", "SubState": "x", "MainPID": 0, "NRestarts": 9}
    monkeypatch.setattr(systemd, "show", lambda units: dict.fromkeys(units, state))

    def say(text):
        monkeypatch.setattr(systemd, "journal", lambda unit, since: text)

    return deployments.summary("guestbook", deployment.name), say


def _reason(summary, since=None):
    with pytest.raises(HolodeckError) as sick:
        health.wait(summary, 0, since)
    return str(sick.value)


def test_wait_shows_the_journal_without_secrets(sick):
    """Settings and lines of files are taken out of a service's last words."""
    summary, say = sick
    say("cannot reach postgres://u:p@ss w0rd@db\nkey: second-line\nValueError: bad")
    reason = _reason(summary)
    assert "cannot reach ******\nkey: ******\n" in reason
    assert "w0rd" not in reason
    assert "second-line" not in reason


def test_wait_names_the_exception_first(sick):
    """The line that says why stands in front of a server's own frames."""
    summary, say = sick
    say("Traceback (most recent call last):\n  File x\napp.errors.NoKeyError: a\nbye")
    first = _reason(summary).splitlines()[0]
    assert first.startswith("guestbook 000000000000 is not healthy")
    assert first.endswith(": app.errors.NoKeyError: a")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("up\nTraceback:\n  File x\na.NoKeyError: no\nGET /",
         "Traceback:\n  File x\na.NoKeyError: no"),
        ('File "/opt/holodeck/x/0/lib/python3.11/site-packages/a.py"\nKeyError: a',
         'File "a.py"\nKeyError: a'),
        ("GET /\nGET /b\npostgres://u:p@ss w0rd@db", ""),
    ],
    ids=["a cause", "a place", "none"],
)  # fmt: skip
def test_raised_ends_with_the_first_cause(sick, said, told):
    """What explains a failed suite is not buried by what was written after it."""
    summary, say = sick
    say(said)
    assert last_words.raised(summary, None, lines=3) == told


def test_wait_shows_the_first_cause_of_a_crash_loop(sick):
    """A server's own words, each time that it ends, do not bury the application's."""
    summary, say = sick
    say("\n".join(["Traceback:", "NoKeyError: a", *(f"halt {n}" for n in range(90))]))
    reason = _reason(summary)
    assert reason.splitlines()[0].endswith(": NoKeyError: a")
    assert "halt" not in reason


_AT = "guestbook web at 000000000000."
_UNIT = "holodeck-guestbook.web.service"
_NO_PROGRAM = f"""\
{_UNIT}: Failed to locate executable /opt/holodeck/guestbook/0/bin/gunicorn: No such file or directory
{_UNIT}: Failed at step EXEC spawning /opt/holodeck/guestbook/0/bin/gunicorn: No such file or directory
Starting {_UNIT} - {_AT}..
{_UNIT}: Main process exited, code=exited, status=203/EXEC
{_UNIT}: Failed with result 'exit-code'.
Failed to start {_UNIT} - {_AT}
{_UNIT}: Scheduled restart job, restart counter is at 1.
Stopped {_UNIT} - {_AT}
"""  # noqa: E501  # systemd's own words
_NO_MODULE = """\
ERROR:    Error loading ASGI app. Could not import module "unitconv.wsgi".
INFO:     Stopping parent process [7]
"""
_NO_ATTRIBUTE = """\
[2026-11-27 08:10:01 +0000] [7] [INFO] Booting worker with pid: 7
Failed to find attribute 'application' in 'guestbook.wsgi'.
[2026-11-27 08:10:01 +0000] [7] [INFO] Worker exiting (pid: 7)
"""


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (_NO_PROGRAM, "Failed to locate executable /opt/holodeck/guestbook/0/bin/gun"),
        (
            _NO_MODULE,
            'Error loading ASGI app. Could not import module "unitconv.wsgi".',
        ),
        (_NO_ATTRIBUTE, "Failed to find attribute 'application' in 'guestbook.wsgi'."),
    ],
    ids=["systemd", "uvicorn", "gunicorn"],
)
def test_wait_names_what_could_not_be_started_first(sick, text, cause):
    """What has no exception is named all the same, in systemd's and servers' words."""
    summary, say = sick
    say(text)
    first, second, *_ = _reason(summary).splitlines()
    assert f"again and again: {cause}" in first
    assert second == f"{_UNIT} is failed (x)"


def test_wait_leaves_out_starts_and_stops(sick):
    """That a unit comes and goes is no reason; how its process ended may be one."""
    summary, say = sick
    say(_NO_PROGRAM)
    reason = _reason(summary)
    assert "code=exited, status=203/EXEC" in reason
    for words in ("Starting", "Stopped", "Scheduled restart"):
        assert words not in reason


def test_wait_shows_equal_lines_once(sick):
    """A check that fails for a minute is one line, whatever the client's port."""
    summary, say = sick
    line = 'INFO:     127.0.0.1:{} - "GET /healthz HTTP/1.1" 404 Not Found'
    say("\n".join([*(line.format(51000 + n) for n in range(90)), "bye"]))
    reason = _reason(summary)
    assert f"{line.format(51000)} (90 times)\nbye" in reason
    assert reason.count("404") == 1


def test_wait_asks_for_the_journal_since_the_switch(sick, monkeypatch):
    """What the processes before wrote is not told as the reason of the new ones."""
    summary, _ = sick
    asked = []
    monkeypatch.setattr(
        systemd, "journal", lambda unit, since: asked.append(since) or ""
    )
    _reason(summary, since=7.5)
    assert asked == [7.5]


def test_journal_begins_at_a_moment(told):
    """Between stop and start is the moment from which the new processes' words are."""
    before = time.time()
    between = systemd.restart(_UNITS)
    assert before <= between <= time.time()
    systemd.journal(_UNIT, between)
    assert f"--since=@{between:.6f}" in told[-1]
    systemd.journal(_UNIT)
    assert not [word for word in told[-1] if word.startswith("--since")]


@pytest.fixture
def answering(sick, monkeypatch):
    """Let the service's process be this one; returns ``fault(port)``."""
    summary, say = sick
    say("")
    state = {"ActiveState": "active", "MainPID": os.getpid(), "NRestarts": 0}
    monkeypatch.setattr(systemd, "show", lambda units: dict.fromkeys(units, state))
    name = names.deployment(summary["commit"], summary["config"])
    monkeypatch.setattr(
        systemd, "environment", lambda pid: {"HOLODECK_DEPLOYMENT": name}
    )
    return lambda port: _reason({**summary, "port": port, "health": "/gone"})


def test_wait_of_another_port_names_it(answering):
    """Who listens elsewhere reads where, and what a command has its port from."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        reason = answering(port := free_port())
        place = f"127.0.0.1:{server.getsockname()[1]}"
    assert f"after 0 s: GET /gone on port {port} is refused; {_UNIT} listens" in reason
    assert place in reason
    assert reason.endswith("let the command use ${PORT}")


def test_wait_of_a_path_that_is_not_there_says_so(answering):
    """A steady 404 is told as one, with what can be done."""
    handler = http.server.SimpleHTTPRequestHandler
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        reason = answering(server.server_port)
        server.shutdown()
    assert reason.endswith(
        f"GET /gone on port {server.server_port} answers 404: correct `health`, or "
        "bring the path"
    )


def test_wait_names_the_unit_where_nothing_was_said(sick):
    """A service that died without a word is named with its state."""
    summary, say = sick
    say("")
    first = _reason(summary).splitlines()[0]
    assert first.endswith("holodeck-guestbook.web.service is failed (x)")


def test_restart_leaves_a_socket_listening(told):
    """A socket is started where it was not, and stopped only when it moves."""
    sockets = ["holodeck-guestbook.web.socket"]
    systemd.restart(_UNITS, sockets)
    assert ["systemctl", "stop", *sockets] not in told
    assert told[-2:] == [
        ["systemctl", "start", *sockets],
        ["systemctl", "start", *_UNITS],
    ]
    systemd.restart(_UNITS, sockets, moved=sockets)
    assert ["systemctl", "stop", *sockets] in told
