"""The pytest that waits for the next run: for its own kind, and never for long."""

# ruff: noqa: F401, F811 -- fixtures come by name

import os
import time

import pytest
from tester import bundle, given, loaded, run, web

from holodeck_tester import warm

_SUITE = """
import os
def test_who(app):
    app.get(f"/{os.getppid()}/{os.getuid()}")
    assert "PASSWORD" not in os.environ or os.environ["PASSWORD"] == "horse"
"""


@pytest.fixture(autouse=True)
def _alone(loaded):
    """No server is left of other tests."""
    warm.HOME.mkdir(exist_ok=True)
    warm.end_all()


def _servers():
    return sorted(path.name for path in warm.HOME.iterdir() if path.is_dir())


def test_run_takes_the_one_that_waits(run, web):
    """Host after host, a suite is imported for once."""
    assert run([web], _SUITE)["targets"]["web1"]["counts"]["collected"] == 1
    before = _servers()
    assert run([web], _SUITE)["targets"]["web1"]["counts"]["collected"] == 1
    assert _servers() == before
    assert len(before) == 1


def test_run_with_other_settings_takes_another(run, web, given):
    """What one suite was given no other reads: each has a server and a user."""
    run([web], _SUITE)
    given["PASSWORD"] = "horse"
    run([web], _SUITE)
    found = [warm.Server(warm.HOME / name) for name in _servers()]
    assert len(found) == 2
    if os.geteuid() == 0:
        assert len({one.user for one in found}) == 2


def test_waiting_ones_are_nobodys_to_list(run, web):
    """Suites pass through to their own folder, and read neither names nor state."""
    run([web], _SUITE)
    [name] = _servers()
    assert warm.HOME.stat().st_mode & 0o777 == 0o711
    assert (warm.HOME / name / "state.json").stat().st_mode & 0o777 == 0o600
    assert (warm.HOME / name / "socket").stat().st_mode & 0o777 == 0o600


def test_one_that_broke_is_not_taken_again(run, web):
    """A suite that kills its server harms no later run."""
    kills = "import os, signal\ndef test_no(): os.kill(1, signal.SIGKILL); os.abort()"
    hangs = """
    import os, signal
    def test_no():
        while True:
            os.kill(os.getppid(), signal.SIGSTOP)
    """
    for source in (kills, hangs):
        assert run([web], source, deadline_s=5)["ok"] is False
    assert run([web], _SUITE)["targets"]["web1"]["counts"]["collected"] == 1


def test_one_that_waits_in_vain_ends(run, web, monkeypatch):
    """Without another run nothing of it is left."""
    monkeypatch.setattr(warm, "IDLE_S", 1)
    run([web], _SUITE)
    [name] = _servers()
    one = warm.Server(warm.HOME / name)
    end = time.monotonic() + 30
    while one.is_alive() and time.monotonic() < end:
        time.sleep(0.1)
    assert not one.is_alive()
    monkeypatch.setattr(warm, "IDLE_S", 120)
    run([web], _SUITE)
    assert name not in _servers()


def test_one_that_may_be_about_to_end_is_left_alone(run, web, monkeypatch):
    """Its last moments are nobody's: a run that it does not answer would be lost."""
    run([web], _SUITE)
    monkeypatch.setattr(warm, "_REUSED_S", 0)
    run([web], _SUITE)
    assert len(_servers()) == 2


def test_a_run_longer_than_the_wait_goes_on(run, web, monkeypatch):
    """It is not idle while it works."""
    monkeypatch.setattr(warm, "IDLE_S", 1)
    source = "import time\ndef test_slow(): time.sleep(4)"
    assert run([web], source)["ok"] is True
