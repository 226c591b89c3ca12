"""What systemd is told, and what a service's last words may show."""

# ruff: noqa: ARG005 -- fakes take what the real ones take

from types import SimpleNamespace

import pytest

from holodeck import names, units
from holodeck_io import process, systemd
from holodeck_io.errors import HolodeckError
from holodeck_webapp import deployments, health

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
        monkeypatch.setattr(systemd, "journal", lambda unit: text)

    return deployments.summary("guestbook", deployment.name), say


def _reason(summary):
    with pytest.raises(HolodeckError) as sick:
        health.wait(summary, 0)
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
