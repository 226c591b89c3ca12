"""
The engine of a release: which steps, in which order, and what goes back.

Records, store, locks and digests are real; the hosts are data.
"""

import re

import pytest
from fake_world import NEW, OLD, THIRD, WEB, Killed, opened

from holodeck_io.errors import HolodeckError
from holodeck_master import locks, release

_STAGE = "stage web1 {0}; stage web2 {0}; stage web3 {0}; stage tester1 new"
_ON = "drain {0}; switch {0} new; suite {0}; ready {0}"
_BACK = "drain {0}; switch {0} old; ready {0}"
_ORDER = {"user": "root"}


def _on(*hosts):
    return "; ".join(_ON.format(host) for host in hosts)


def _back(*hosts):
    return "; ".join(_BACK.format(host) for host in hosts)


@pytest.fixture
def fresh(tmp_path):
    """A world where nothing was ever released."""
    return opened(tmp_path)


@pytest.fixture
def world(fresh):
    """A world where the commit ``old`` is released and serves."""
    record = _release(fresh, OLD)
    assert record["status"] == "good", record["reason"]
    fresh.fleet.steps.clear()
    fresh.fleet.in_service = True
    return fresh


def _release(world, commit=NEW):
    return release.release(world, "guestbook", "demo", commit, _ORDER)


def _rollback(world, to=""):
    return release.rollback(world, "guestbook", "demo", to, _ORDER)


def _newest(world):
    return world.records.history("guestbook", "demo")[0]


def _steps(world):
    """The steps that touch hosts, one line."""
    kept = [s for s in world.fleet.steps if not s.startswith(("build", "resolve"))]
    return "; ".join(kept)


def _expected(*parts):
    return "; ".join([_STAGE.format("new old"), *filter(None, parts)])


def test_release_good_goes_host_by_host(world):
    """A good release stages everywhere, then takes one host at a time through all."""
    record = _release(world)
    assert record["status"] == "good"
    assert world.fleet.steps[0] == "build new"
    assert _steps(world) == _expected(_on("web1", "web2", "web3"), "suite balancer1")
    assert {host.commit for host in world.fleet.hosts.values()} == {NEW}
    assert world.fleet.dangers == []


def test_release_good_is_recorded(world):
    """The record tells who, what, after what, how long, and with which bytes."""
    _release(world)
    record = _newest(world)
    assert record["id"] == "guestbook-demo-2"
    assert record["previous"] == "guestbook-demo-1"
    assert record["user"] == "root"
    assert record["commit"] == NEW
    assert record["deployment"] == world.fleet.hosts[WEB[0]].deployment
    assert [phase["name"] for phase in record["phases"]] == [
        "hosts", "resolve", "build", "stage", "rollout", "balancer",
    ]  # fmt: skip
    assert record["bundle"]["layers"][0]["root"].endswith(NEW)
    assert record["suite"]["layers"][0]["root"].endswith(NEW)


_FAILURES = {
    "drain web1": ["drain web1; ready web1"],
    "switch web1 new": ["drain web1; switch web1 new", _back("web1")],
    "suite web1": ["drain web1; switch web1 new; suite web1", _back("web1")],
    "ready web1": [_on("web1"), _back("web1")],
    "drain web2": [_on("web1"), "drain web2; ready web2", _back("web1")],
    "switch web2 new": [
        _on("web1"), "drain web2; switch web2 new", _back("web2", "web1"),
    ],
    "suite web2": [
        _on("web1"), "drain web2; switch web2 new; suite web2", _back("web2", "web1"),
    ],
    "ready web2": [_on("web1", "web2"), _back("web2", "web1")],
    "drain web3": [
        _on("web1", "web2"), "drain web3; ready web3", _back("web1", "web2"),
    ],
    "switch web3 new": [
        _on("web1", "web2"), "drain web3; switch web3 new",
        _back("web3", "web1", "web2"),
    ],
    "suite web3": [
        _on("web1", "web2"), "drain web3; switch web3 new; suite web3",
        _back("web3", "web1", "web2"),
    ],
    "ready web3": [_on("web1", "web2", "web3"), _back("web3", "web1", "web2")],
    "suite balancer1": [
        _on("web1", "web2", "web3"), "suite balancer1", _back("web1", "web2", "web3"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("fault", _FAILURES)
def test_release_failed_step_brings_all_back(world, fault):
    """Whatever step fails, all that was switched goes back, out-of-rotation first."""
    world.fleet.faults[fault] = "it broke"
    record = _release(world)
    assert _steps(world) == _expected(*_FAILURES[fault])
    assert record["status"] == _newest(world)["status"] == "bad"
    assert "it broke" in record["reason"]
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}
    assert all(host.rotation for host in world.fleet.hosts.values())
    assert set(record["back"].values()) == {f"in rotation at {OLD[:12]}"}
    assert world.fleet.dangers == []


@pytest.mark.parametrize("fault", ["stage web2 new old", "stage tester1 new"])
def test_release_failed_stage_touches_no_host(world, fault):
    """When a host cannot be staged, none is drained or switched."""
    world.fleet.faults[fault] = "disk full"
    record = _release(world)
    assert record["status"] == "bad"
    assert record["back"] == {}
    assert "drain" not in _steps(world)


def test_release_other_bytes_touch_no_host(world):
    """A host that reports other digests stops the release before any switch."""
    world.fleet.wrong_bytes = WEB[1]
    record = _release(world)
    assert record["status"] == "bad"
    assert record["reason"].startswith("Same bytes: demo-web2 ")
    assert "drain" not in _steps(world)


def test_release_failed_build_touches_no_host(world):
    """When the build fails nothing is staged, and the record says why."""
    world.fleet.faults["build new"] = "Lock requirements.txt: has no hashes"
    record = _release(world)
    assert "has no hashes" in record["reason"]
    assert record["phases"][-1]["name"] == "back"
    assert _steps(world) == ""


def test_release_without_last_good_leaves_hosts_drained(fresh):
    """With nothing to go back to, a failed first release serves nobody, and says so."""
    fresh.fleet.faults["suite web2"] = "it broke"
    record = _release(fresh)
    assert record["status"] == "bad"
    assert not any(host.rotation for host in fresh.fleet.hosts.values())
    assert set(record["back"]) == {"demo-web1", "demo-web2"}
    assert all("no good release to go back to" in w for w in record["back"].values())


def test_release_host_that_cannot_go_back_stays_out(world):
    """A host that fails on its way back stays out of rotation; the others go on."""
    world.fleet.faults |= {"suite web2": "it broke", "switch web2 old": "host is gone"}
    record = _release(world)
    assert record["back"]["demo-web2"].startswith("stays out of rotation: ")
    assert not world.fleet.hosts["demo-web2"].rotation
    assert record["back"]["demo-web1"] == f"in rotation at {OLD[:12]}"
    assert world.fleet.dangers == []


def test_release_batch_of_two_never_empties_the_pool(tmp_path):
    """Two of three go at once; a failure brings back the batch that is out, first."""
    world = opened(tmp_path, batch=5)
    _release(world, OLD)
    world.fleet.steps.clear()
    world.fleet.in_service = True
    world.fleet.faults["suite web3"] = "it broke"
    _release(world)
    first = ("drain web1 web2; switch web1 new; switch web2 new; suite web1 web2; "
             "ready web1 web2")  # fmt: skip
    assert _steps(world) == _expected(
        first, "drain web3; switch web3 new; suite web3", _back("web3", "web1", "web2")
    )
    assert world.fleet.dangers == []


def test_release_same_again_changes_nothing(world):
    """The same release again touches no host and leaves no record."""
    record = _release(world, OLD)
    assert record["unchanged"]
    assert record["id"] == "guestbook-demo-1"
    assert _steps(world) == ""
    assert len(world.records.history("guestbook", "demo")) == 1


@pytest.mark.parametrize(
    "harm",
    [
        lambda host: setattr(host, "rotation", False),
        lambda host: setattr(host, "commit", THIRD),
        lambda host: setattr(host, "deployment", "0" * 12 + "-other"),
    ],
    ids=["out of rotation", "other commit", "other configuration"],
)
def test_release_same_again_mends_drift(world, harm):
    """The same release again is a real one when a host is not as it was released."""
    world.fleet.in_service = False
    harm(world.fleet.hosts["demo-web2"])
    record = _release(world, OLD)
    assert "unchanged" not in record
    assert world.fleet.hosts["demo-web2"].commit == OLD
    assert all(host.rotation for host in world.fleet.hosts.values())


def test_release_built_before_builds_nothing(world):
    """A commit that was built once is never built again."""
    world.fleet.faults["suite web1"] = "it broke"
    _release(world)
    world.fleet.steps.clear()
    assert _release(world)["status"] == "good"
    assert "build new" not in world.fleet.steps


@pytest.mark.parametrize("ref", ["-x", "a b", "../main", "x" * 300])
def test_release_bad_ref_is_refused_before_anything(world, ref):
    """What cannot name a commit reaches no host, no git, and no record."""
    with pytest.raises(HolodeckError, match="is no name of a branch"):
        _release(world, ref)
    assert world.fleet.steps == []
    assert len(world.records.history("guestbook", "demo")) == 1


def test_release_unknown_branch_leaves_no_record(world):
    """A branch that the repository does not have is an error, not a bad release."""
    world.fleet.faults["resolve nowhere"] = "Commit nowhere: is no branch"
    with pytest.raises(HolodeckError, match="is no branch"):
        _release(world, "nowhere")
    assert len(world.records.history("guestbook", "demo")) == 1


def test_release_while_another_runs_is_refused(world):
    """The second release of the same service and environment does nothing."""
    with (
        locks.held(world.opts, "guestbook", "demo", "release of x"),
        pytest.raises(locks.LockedError, match="release of x"),
    ):
        _release(world)
    assert world.fleet.steps == []


def test_release_interrupted_goes_back_and_is_aborted(world):
    """Ctrl-C brings the hosts back before the runner ends; the record says aborted."""
    world.fleet.faults["suite web2"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        _release(world)
    assert _steps(world).endswith(_back("web2", "web1"))
    assert _newest(world)["status"] == "aborted"
    assert _newest(world)["reason"] == "interrupted"
    assert world.fleet.dangers == []


def test_release_after_killed_runner_buries_it(world):
    """A runner that died leaves ``running``; the next release marks it aborted."""
    world.fleet.faults["suite web2"] = Killed()
    with pytest.raises(Killed):
        _release(world)
    assert _newest(world)["status"] == "running"
    assert _release(world, THIRD)["status"] == "good"
    statuses = [r["status"] for r in world.records.history("guestbook", "demo")]
    assert statuses == ["good", "aborted", "good"]
    assert world.fleet.dangers == []


def test_release_prunes_to_the_retention(world):
    """Old deployments and bundles go, the current and the one before stay."""
    _release(world)
    web = [row for row in world.fleet.pruned if row[0] == "web1"][-1]
    tester = world.fleet.pruned[-1]
    assert web == ("web1", "guestbook", ["new", "old"])
    assert tester == ("tester1", "guestbook-suite", ["new", "old"])


def test_rollback_takes_the_release_before(world):
    """A rollback brings back exactly the deployment before, staged and tested."""
    old = _newest(world)
    _release(world)
    world.fleet.steps.clear()
    record = _rollback(world)
    assert record["status"] == "good"
    assert (record["kind"], record["to"]) == ("rollback", old["id"])
    assert record["deployment"] == old["deployment"]
    assert re.findall(r"suite \w+|build \w+", _steps(world)) == [
        "suite web1", "suite web2", "suite web3", "suite balancer1",
    ]  # fmt: skip
    statuses = [r["status"] for r in world.records.history("guestbook", "demo")]
    assert statuses == ["good", "rolled-back", "good"]
    assert world.records.last_good("guestbook", "demo")["commit"] == OLD


def test_rollback_that_fails_keeps_the_last_good(world):
    """When the rollback's own suite fails, the hosts stay at the last good release."""
    _release(world)
    world.fleet.faults["suite web1"] = "it broke"
    assert _rollback(world)["status"] == "bad"
    assert world.records.last_good("guestbook", "demo")["commit"] == NEW
    assert {host.commit for host in world.fleet.hosts.values()} == {NEW}


def test_rollback_twice_goes_on_to_older_releases(world):
    """The second rollback goes to the release before, not forth to the bad one."""
    _release(world)
    _release(world, THIRD)
    assert _rollback(world)["commit"] == NEW
    assert _rollback(world)["commit"] == OLD


@pytest.mark.parametrize(
    ("to", "reason"),
    [("", "is no other good release"), ("guestbook-demo-9", "good ones are guestbook-"),
     ("guestbook-demo-1", "is no other good release")],
)  # fmt: skip
def test_rollback_without_target_is_refused(world, to, reason):
    """Without another good release a rollback names those there are."""
    with pytest.raises(HolodeckError, match=reason):
        _rollback(world, to)


def test_rollback_before_any_release_is_refused(fresh):
    """Where nothing was ever good there is nothing to go back to."""
    with pytest.raises(HolodeckError, match="has never had a good release"):
        _rollback(fresh)


def test_rollback_to_an_id_takes_that_release(world):
    """``to=`` picks a good release, however old."""
    _release(world)
    _release(world, THIRD)
    assert _rollback(world, "guestbook-demo-1")["commit"] == OLD


def test_release_unknown_service_is_refused(fresh):
    """A misspelt service names those that are defined."""
    with pytest.raises(HolodeckError, match="the defined ones are guestbook"):
        release.release(fresh, "guest", "demo", "", _ORDER)
