"""A pytest that stands by for a rollout's runs: for its own kind, and no longer."""

# ruff: noqa: F401, F811 -- fixtures come by name

import contextlib
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from salt.exceptions import SaltInvocationError
from tester import COMMIT, bundle, given, loaded, run, web
from waiting import until

from holodeck_tester import standby

_NAME = "guestbook.demo.12"
_PASSWORD = "correct horse"


@pytest.fixture
def suite(tmp_path):
    """A suite that tells which user it ran as."""
    return f"""
    import os, pathlib
    def test_who(app):
        app.get("/")
        pathlib.Path({str(tmp_path)!r}, f"user-{{os.getuid()}}").touch()
    """


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where this machine's jobs say that they stand by."""
    monkeypatch.setattr(standby, "FOLDER", tmp_path / "run" / "standby")


@contextlib.contextmanager
def _standing_by(loaded, bundle):
    """Have a job with a pytest that stands by; yield its process and what it says."""
    place = standby.FOLDER / _NAME
    job = os.fork()
    if not job:
        loaded["webtest.stand_by"]("guestbook", COMMIT, _NAME, bundle=str(bundle))
        os._exit(0)
    until(place.exists, "it stands by")
    try:
        yield job, json.loads(place.read_text())
    finally:
        loaded["webtest.dismiss"](_NAME)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(job, 0)


def _users(tmp_path):
    """Return who ran the suite since this was called last."""
    found = {int(path.name.partition("-")[2]) for path in tmp_path.glob("user-*")}
    for path in tmp_path.glob("user-*"):
        path.unlink()
    return found


def test_run_takes_what_stands_by(loaded, run, web, bundle, tmp_path, suite):
    """As long as nobody dismisses it; afterwards each run has its own again."""
    with _standing_by(loaded, bundle) as (job, facts):
        for _ in range(2):
            assert run([web], suite, standby=_NAME)["ok"] is True
        assert _users(tmp_path) == {facts["user"]}
        loaded["webtest.dismiss"](_NAME)
        assert os.waitpid(job, 0)[1] == 0
        assert run([web], suite, standby=_NAME)["ok"] is True
        assert facts["user"] not in _users(tmp_path)
    assert not Path(facts["path"]).exists()


def test_run_without_a_name_takes_nothing(loaded, run, web, bundle, tmp_path, suite):
    """Whoever runs the suite by hand has nothing to do with a release."""
    with _standing_by(loaded, bundle) as (_, facts):
        assert run([web], suite)["ok"] is True
        assert facts["user"] not in _users(tmp_path)


def test_run_with_other_settings_has_its_own(
    loaded, run, web, bundle, given, tmp_path, suite
):
    """What one was given no other reads."""
    with _standing_by(loaded, bundle) as (_, facts):
        given["PASSWORD"] = _PASSWORD
        assert run([web], suite, standby=_NAME)["ok"] is True
        assert facts["user"] not in _users(tmp_path)


def test_run_of_a_bundle_put_in_place_anew_has_its_own(
    loaded, run, web, bundle, tmp_path, suite
):
    """Under the same name there may be other bytes, which are imported anew."""
    with _standing_by(loaded, bundle) as (_, facts):
        made = bundle.with_name("anew")
        shutil.copytree(bundle, made)
        shutil.rmtree(bundle)
        made.rename(bundle)
        assert run([web], suite, standby=_NAME)["ok"] is True
        assert facts["user"] not in _users(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_run_has_its_own_where_the_job_is_gone_or_stopped(
    loaded, run, web, bundle, tmp_path, suite, number, monkeypatch
):
    """A run is never the worse for it; what was left is never asked again."""
    monkeypatch.setattr("holodeck_tester.warm._HELLO_S", 1)
    with _standing_by(loaded, bundle) as (job, facts):
        [server] = _servers(facts["user"])
        os.kill(server if number == signal.SIGSTOP else job, number)
        assert run([web], suite, standby=_NAME)["ok"] is True
        assert facts["user"] not in _users(tmp_path)
        assert not (standby.FOLDER / _NAME).exists()


_HARM = {
    "would kill what stands by": "os.kill(1, signal.SIGKILL); os.abort()",
    "kills who looks after it": "os.kill(os.getppid(), signal.SIGKILL)",
    "stops who looks after it": "os.kill(os.getppid(), signal.SIGSTOP)",
}


@pytest.mark.parametrize("harm", _HARM)
def test_suite_harms_no_run_but_its_own(loaded, run, web, bundle, suite, harm):
    """It is no pass, nothing of it is left when the run ends, and the next goes on."""
    harmful = f"""
    import os, signal, time
    def test_no():
        {_HARM[harm]}
        time.sleep(60)
    """
    with _standing_by(loaded, bundle) as (_, facts):
        server = _servers(facts["user"])
        found = run([web], harmful, standby=_NAME, deadline_s=3)
        assert found["ok"] is False
        assert _servers(facts["user"]) in ([], server)
        assert run([web], suite, standby=_NAME)["ok"] is True


def test_process_that_a_run_left_does_not_meet_the_next(
    loaded, run, web, bundle, suite
):
    """Wherever a test's process flees to, it ends with its run."""
    flees = """
    import subprocess
    def test_flees(app):
        app.get("/")
        subprocess.Popen(["setsid", "sh", "-c", "sleep 300 & sleep 300"])
    """
    with _standing_by(loaded, bundle) as (_, facts):
        before = _servers(facts["user"])
        assert run([web], flees, standby=_NAME)["ok"] is True
        until(lambda: _servers(facts["user"]) == before, "only the server is left")
        assert run([web], suite, standby=_NAME)["ok"] is True


def test_it_ends_when_nobody_wants_it(loaded, bundle, monkeypatch):
    """A release that died leaves nothing behind for long."""
    monkeypatch.setattr(standby, "IDLE_S", 1)
    with _standing_by(loaded, bundle) as (job, _):
        assert os.waitpid(job, 0)[1] == 0
        assert list(standby.FOLDER.iterdir()) == []


def test_run_longer_than_the_patience_comes_to_its_end(
    loaded, run, web, bundle, monkeypatch
):
    """What is wanted just then does not end for being idle."""
    monkeypatch.setattr(standby, "IDLE_S", 1)
    slow = "import time\ndef test_slow(app): time.sleep(2.5); app.get('/')"
    with _standing_by(loaded, bundle) as (job, _):
        assert run([web], slow, standby=_NAME)["ok"] is True
        assert os.waitpid(job, 0)[1] == 0


@pytest.mark.parametrize("name", ["../etc", "", "a b", ".hidden", 5, "a" * 201])
def test_name_that_is_a_path_is_refused(loaded, run, web, name):
    """One error names it, and the rule."""
    for call in (
        lambda: loaded["webtest.stand_by"]("guestbook", COMMIT, name),
        lambda: loaded["webtest.dismiss"](name),
        lambda: run([web], standby=name),
    ):
        with pytest.raises(SaltInvocationError, match=r"standby: .* should be letters"):
            call()


def _servers(user):
    """Return the processes of a user, but those that wait for their parent."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            lines = dict(
                line.split(":\t", 1) for line in status.read_text().splitlines()
            )
            if lines["Uid"].split()[0] == str(user) and lines["State"][0] != "Z":
                found.append(int(status.parent.name))
    return found
