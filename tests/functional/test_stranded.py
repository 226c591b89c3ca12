"""Hosts whose system took away the Python that a bundle was built for."""

# ruff: noqa: ARG005 -- stand-ins take what the real ones take

import contextlib
import dataclasses
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import builder
import pytest
from fake_fleet import LABELS, NEW, OLD, WEB, Fleet, Host, Killed
from fake_world import ORDER, newest, started, steps

from holodeck import names
from holodeck_io import systemd
from holodeck_master import release, views
from holodeck_webapp import deployments, health

_GONE = (
    "its Python /usr/bin/python3.11 is gone from this host; release the commit again"
)
_SUMMARY = {
    "service": "guestbook", "commit": OLD, "config": "c" * 12, "port": 8000,
    "health": "/", "units": ["holodeck-guestbook.web.service"],
}  # fmt: skip


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """The folder of an installed bundle, with a Python that is there."""
    for name in ("PREFIX", "CONFIG", "STATE"):
        monkeypatch.setattr(names, name, str(tmp_path / name.lower()))
    home = Path(names.bundle_root("guestbook", OLD))
    (home / "bin").mkdir(parents=True)
    (tmp_path / "python3.11").touch()
    (home / "bin" / "python").symlink_to(tmp_path / "python3.11")
    return home


def test_stranded_is_where_the_python_is_gone(bundle, tmp_path):
    """A link to nothing is told with what it pointed at; one to a Python is fine."""
    assert health.stranded(_SUMMARY) is None
    (tmp_path / "python3.11").unlink()
    assert health.stranded(_SUMMARY) == (
        f"its Python {tmp_path / 'python3.11'} is gone from this host; release the "
        "commit again, which builds it for the Python that is there"
    )


def test_stranded_is_no_bundle_that_is_damaged(bundle):
    """What a release of the same bytes mends is damage, not a missing Python."""
    shutil.rmtree(bundle)
    assert health.stranded(_SUMMARY) is None


@pytest.fixture
def process(tmp_path):
    """A process whose program is a file of its own."""
    program = tmp_path / "sleep"
    shutil.copy("/usr/bin/sleep", program)
    with subprocess.Popen([str(program), "600"]) as running:
        yield running, program
        running.kill()


@pytest.fixture
def minion(bundle, process, tmp_path, monkeypatch):
    """The minion's functions on a host where the bundle runs and is healthy."""
    deployment = names.deployment(OLD, _SUMMARY["config"])
    home = Path(names.CONFIG, "guestbook", deployment)
    home.mkdir(parents=True)
    text = json.dumps(_SUMMARY)
    (home / "deployment.json").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    (home / "digests.json").write_text(json.dumps({"deployment.json": digest}))
    (home.parent / "current").symlink_to(deployment)
    state = {"ActiveState": "active", "MainPID": process[0].pid, "NRestarts": 0}
    monkeypatch.setattr(systemd, "show", lambda units: dict.fromkeys(units, state))
    monkeypatch.setattr(systemd, "environment", lambda pid: {
        "HOLODECK_COMMIT": OLD, "HOLODECK_DEPLOYMENT": deployment})  # fmt: skip
    monkeypatch.setattr(health, "_http_fault", lambda port, path: None)
    told = []
    monkeypatch.setattr(deployments, "activate", lambda *words: told.append(words[1]))
    loaded = builder.functions(tmp_path)
    loaded.pack["__grains__"] = dict.fromkeys(("os", "osrelease", "cpuarch"), "x")
    return loaded, told


def test_status_tells_of_a_stranded_service(minion, tmp_path):
    """The status says so while the old process still runs and is healthy."""
    functions, _ = minion
    assert functions["webapp.status"]()["services"]["guestbook"]["stranded"] is None
    (tmp_path / "python3.11").unlink()
    found = functions["webapp.status"]()["services"]["guestbook"]
    assert found["stranded"].startswith(f"its Python {tmp_path / 'python3.11'} is gone")
    assert found["fault"] is None
    assert found["running"] == OLD


def test_switch_restarts_what_runs_a_program_that_is_gone(minion, process):
    """The same deployment, built anew, is started anew: else nobody tries it."""
    functions, told = minion
    deployment = names.deployment(OLD, _SUMMARY["config"])
    done = functions["webapp.switch"]("guestbook", OLD, deployment)
    assert (done["changes"], told) == ({}, [])
    process[1].unlink()
    done = functions["webapp.switch"]("guestbook", OLD, deployment)
    assert done["changes"] == {"guestbook": {"old": deployment, "new": deployment}}
    assert told == [deployment]


def test_what_is_told_begins_when_the_old_process_has_ended(
    minion, process, monkeypatch
):
    """What the old one said at its end is no reason for the new one's failure."""
    functions, _ = minion
    asked = []
    monkeypatch.setattr(deployments, "activate", lambda *_: 12.5)
    monkeypatch.setattr(
        systemd, "journal", lambda unit, since: asked.append(since) or ""
    )
    process[1].unlink()
    functions["webapp.switch"]("guestbook", OLD, names.deployment(OLD, "c" * 12))
    assert functions["webapp.raised"]("guestbook") == ""
    assert asked == [12.5]


class Upgraded(Fleet):
    """Minions whose system was upgraded: what was built before cannot start there."""

    stranded = frozenset(WEB)
    platform = "Debian 13 x86_64 python3.13"

    def _webapp_status(self, host):
        found = {**super()._webapp_status(host), "platform": self.platform}
        for service in found["services"].values():
            service["stranded"] = _GONE if host in self.stranded else None
        return found

    def _balancer_status(self, host, backend="guestbook"):
        return super()._balancer_status(host, backend)

    def _manifest(self, host, name, commit):
        found = super()._manifest(host, name, commit)
        for layer in found["layers"]:
            text = f"{layer['tree']} {self.platform}"
            layer["tree"] = hashlib.sha256(text.encode()).hexdigest()
        return found

    def _webapp_switch(self, host, **arguments):
        self.stranded -= {host}
        return super()._webapp_switch(host, **arguments)


@pytest.fixture
def upgraded(world):
    """The world after the upgrade, and what a release says there."""
    said = []
    fleet = Upgraded(**vars(world.fleet))
    fleet.words = said
    return dataclasses.replace(
        world, fleet=fleet, say=lambda phase, message: said.append(message)
    )


def _trees(record):
    return [layer["tree"] for layer in record["bundle"]["layers"]]


def _rotation(world):
    return [host for host in WEB if world.fleet.hosts[host].rotation]


_SHORT = [host.removeprefix("demo-") for host in WEB]
_STAGE = "stage web1 {0}; stage web2 {0}; stage web3 {0}; stage tester1 {0}"
_ON = "drain {0}; switch {0} {1}; suite {0}; ready {0}"


def test_status_shows_stranded_hosts_as_drift(upgraded):
    """Hosts that would not start again are drift, whatever they serve now."""
    [place] = views.status(upgraded, "guestbook", "demo")
    assert [row["drift"] for row in place["hosts"]] == [[_GONE]] * 3
    assert place["agree"] is False


def test_plan_of_the_same_commit_is_not_unchanged(upgraded):
    """What would be built anew is not shown as nothing to do."""
    shown = views.preview(upgraded, "guestbook", "demo", OLD)
    assert (shown["unchanged"], shown["built"]) == (False, False)


def test_release_of_the_same_commit_builds_anew(upgraded):
    """It is built for the Python that is there, staged alone, and ends good."""
    before = newest(upgraded)
    record = started(upgraded, OLD)
    assert "unchanged" not in record
    assert record["status"] == "good", record["reason"]
    assert upgraded.fleet.steps[0] == "build old"
    assert steps(upgraded) == "; ".join(
        [_STAGE.format("old"), *(_ON.format(host, "old") for host in _SHORT),
         "suite balancer1"]
    )  # fmt: skip
    assert _trees(record) != _trees(before)
    assert record["deployment"] == before["deployment"]
    assert (
        "there is no way back to guestbook.demo.1: its Python is gone from demo-web1, "
        "demo-web2, demo-web3"
    ) in upgraded.fleet.words
    assert upgraded.fleet.dangers == []
    assert started(upgraded, OLD)["unchanged"]


def test_release_after_it_has_a_way_back_again(upgraded):
    """The release that was built anew is the one that the next goes back to."""
    started(upgraded, OLD)
    upgraded.fleet.steps.clear()
    upgraded.fleet.faults["suite web1"] = "it broke"
    record = started(upgraded, NEW)
    assert steps(upgraded).startswith("stage web1 new old")
    assert record["back"] == {"demo-web1": f"in rotation at {OLD[:12]}"}


def test_release_one_stranded_host_is_enough(upgraded):
    """Another commit too goes on without a way back that one host does not have."""
    upgraded.fleet.stranded = {WEB[1]}
    record = started(upgraded, NEW)
    assert record["status"] == "good"
    assert steps(upgraded).startswith(_STAGE.format("new"))
    assert any("gone from demo-web2" in said for said in upgraded.fleet.words)


def test_release_failed_leaves_the_switched_out_of_rotation(upgraded):
    """What was switched has no way back, and says so; the others serve on."""
    upgraded.fleet.faults["suite web2"] = "it broke"
    record = started(upgraded, OLD)
    assert record["status"] == newest(upgraded)["status"] == "bad"
    assert set(record["back"]) == {"demo-web1", "demo-web2"}
    for said in record["back"].values():
        assert said.startswith(
            "out of rotation: there is no way back to guestbook.demo.1: its Python is "
            "gone from demo-web1, "
        )
    assert _rotation(upgraded) == [WEB[2]]


def test_release_failed_drain_puts_the_host_back(upgraded):
    """A host that was drained and not switched still runs, and serves again."""
    upgraded.fleet.faults["drain web2"] = "it broke"
    record = started(upgraded, OLD)
    assert record["back"]["demo-web2"] == f"in rotation at {OLD[:12]}"
    assert record["back"]["demo-web1"].startswith("out of rotation: ")
    assert _rotation(upgraded) == WEB[1:]


@pytest.mark.parametrize("commit", [OLD, NEW], ids=["same", "other"])
@pytest.mark.parametrize("end", ["it broke", Killed()], ids=["failed", "killed"])
def test_release_after_one_that_did_not_end_good(upgraded, commit, end):
    """No host is stranded any more, and still there is no way back to what was."""
    upgraded.fleet.faults["suite balancer1"] = end
    with contextlib.suppress(Killed):
        started(upgraded, OLD)
    upgraded.fleet.dead = False
    upgraded.fleet.steps.clear()
    assert not upgraded.fleet.stranded
    record = started(upgraded, commit)
    assert "unchanged" not in record
    assert record["status"] == "good", record["reason"]
    assert steps(upgraded).startswith(_STAGE.format(LABELS[commit]))
    assert _rotation(upgraded) == WEB


def test_hosts_of_another_system_get_the_same_commit_built_anew(world):
    """New hosts that cannot have the last good release are no dead end."""
    moved = dataclasses.replace(world, fleet=Upgraded(**vars(world.fleet)))
    moved.fleet.stranded = frozenset()
    for host in moved.fleet.hosts.values():
        host.commit = None
    [place] = views.status(moved, "guestbook", "demo")
    why = "nothing is deployed: the release was built for Debian 12 x86_64"
    assert [row["drift"][0] for row in place["hosts"]] == [why] * 3
    record = started(moved, OLD)
    assert record["status"] == "good", record["reason"]
    assert moved.fleet.steps[0] == "build old"
    assert steps(moved).startswith(_STAGE.format("old"))
    assert record["bundle"]["platform"] == Upgraded.platform


def test_rollback_to_what_was_built_for_another_system_is_refused(world):
    """It says what to do instead, and no host was touched."""
    started(world, NEW)
    moved = dataclasses.replace(world, fleet=Upgraded(**vars(world.fleet)))
    moved.fleet.stranded = frozenset()
    for host in moved.fleet.hosts.values():
        host.commit, host.kept = None, set()
    assert started(moved, NEW)["status"] == "good"
    record = release.rollback(moved, "guestbook", "demo", "", ORDER)
    assert record["status"] == "bad"
    assert record["reason"].startswith("demo-web1: is Debian 13 x86_64 python3.13, and")
    assert "a release by the commit's id builds it" in record["reason"]
    assert {host.commit for host in moved.fleet.hosts.values()} == {NEW}


def test_rollback_beside_a_host_of_another_system_gives_nothing_up(world, monkeypatch):
    """It fails for that host alone; the last good release stays one to go back to."""
    started(world, NEW)
    world.fleet.hosts[WEB[2]] = Host()
    real = Fleet._webapp_status

    def status(self, host):
        other = {"platform": Upgraded.platform} if host == WEB[2] else {}
        return real(self, host) | other

    monkeypatch.setattr(Fleet, "_webapp_status", status)
    record = release.rollback(world, "guestbook", "demo", "", ORDER)
    assert record["status"] == "bad"
    assert record["reason"].startswith("demo-web3: is Debian 13 x86_64 python3.13, and")
    assert not world.records.was_given_up(world.records.last_good("guestbook", "demo"))


def test_release_half_upgraded_touches_no_host(upgraded, monkeypatch):
    """Hosts of two systems are named, and all of them serve on."""
    real = Upgraded._webapp_status

    def status(self, host):
        found = real(self, host)
        return {**found, "platform": "Debian 12"} if host == WEB[0] else found

    monkeypatch.setattr(Upgraded, "_webapp_status", status)
    record = started(upgraded, OLD)
    assert record["status"] == "bad"
    assert "Platforms differ: demo-tester1 is Debian 13" in record["reason"]
    assert "drain" not in steps(upgraded)
    assert _rotation(upgraded) == WEB


def test_release_again_never_serves_what_failed(upgraded):
    """A host that has the new bytes and failed its suite stays out, whatever fails."""
    upgraded.fleet.faults["suite web1"] = "it broke"
    started(upgraded, OLD)
    upgraded.fleet.faults["drain web1"] = "it broke again"
    record = started(upgraded, OLD)
    assert record["back"]["demo-web1"].startswith("out of rotation: ")
    assert _rotation(upgraded) == WEB[1:]
