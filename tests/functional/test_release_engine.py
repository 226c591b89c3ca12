"""
The engine of a release: which steps, in which order, and what goes back.

Records, store, locks and digests are real; the hosts are data.
"""

import pytest
from fake_fleet import NEW, OLD, THIRD, WEB, Killed
from fake_world import ORDER, newest, opened, started, steps

from holodeck_io.errors import HolodeckError
from holodeck_master import locks, release

_STAGE = "stage web1 {0}; stage web2 {0}; stage web3 {0}; stage tester1 new"
_ON = "drain {0}; switch {0} new; suite {0}; ready {0}"


def _on(*hosts):
    return "; ".join(_ON.format(host) for host in hosts)


def _back(*hosts):
    """Return the way back of hosts that go together."""
    switched = [f"switch {host} old" for host in hosts]
    shown = " ".join(hosts)
    return "; ".join([f"drain {shown}", *switched, f"ready {shown}"])


def _expected(*parts):
    return "; ".join([_STAGE.format("new old"), *filter(None, parts)])


def test_release_good_goes_host_by_host(world):
    """A good release stages everywhere, then takes one host at a time through all."""
    record = started(world)
    assert record["status"] == "good"
    assert world.fleet.steps[0] == "build new"
    assert steps(world) == _expected(_on("web1", "web2", "web3"), "suite balancer1")
    assert {host.commit for host in world.fleet.hosts.values()} == {NEW}
    assert world.fleet.dangers == []


def test_release_good_is_recorded(world):
    """The record tells who, what, after what, how long, and with which bytes."""
    started(world)
    record = newest(world)
    assert record["id"] == "guestbook.demo.2"
    assert record["previous"] == "guestbook.demo.1"
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
    "ready web1": [_on("web1"), "ready web2", _back("web1")],
    "drain web2": [_on("web1"), "drain web2; ready web2", _back("web1")],
    "switch web2 new": [
        _on("web1"), "drain web2; switch web2 new", _back("web2"), _back("web1"),
    ],
    "suite web2": [
        _on("web1"), "drain web2; switch web2 new; suite web2", _back("web2"),
        _back("web1"),
    ],
    "ready web2": [
        _on("web1", "web2"), "ready web3", _back("web2"), _back("web1"),
    ],
    "drain web3": [
        _on("web1", "web2"), "drain web3; ready web3", _back("web2"), _back("web1"),
    ],
    "switch web3 new": [
        _on("web1", "web2"), "drain web3; switch web3 new",
        _back("web3"), _back("web1", "web2"),
    ],
    "suite web3": [
        _on("web1", "web2"), "drain web3; switch web3 new; suite web3",
        _back("web3"), _back("web1", "web2"),
    ],
    "ready web3": [_on("web1", "web2", "web3"), _back("web3"),
                   _back("web1", "web2")],
    "suite balancer1": [
        _on("web1", "web2", "web3"), "suite balancer1", _back("web1", "web2"),
        _back("web3"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("fault", _FAILURES)
def test_release_failed_step_brings_all_back(world, fault):
    """
    Whatever step fails, all that was switched goes back, out-of-rotation first.

    The rest goes together, as many as leave the pool its floor.
    """
    world.fleet.faults[fault] = "it broke"
    record = started(world)
    assert steps(world) == _expected(*_FAILURES[fault])
    assert record["status"] == newest(world)["status"] == "bad"
    assert "it broke" in record["reason"]
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}
    assert all(host.rotation for host in world.fleet.hosts.values())
    assert set(record["back"].values()) == {f"in rotation at {OLD[:12]}"}
    assert world.fleet.dangers == []


@pytest.mark.parametrize("fault", ["stage web2 new old", "stage tester1 new"])
def test_release_failed_stage_touches_no_host(world, fault):
    """When a host cannot be staged, none is drained or switched."""
    world.fleet.faults[fault] = "disk full"
    record = started(world)
    assert record["status"] == "bad"
    assert record["back"] == {}
    assert "drain" not in steps(world)


def test_release_other_bytes_touch_no_host(world):
    """A host that reports other digests stops the release before any switch."""
    world.fleet.wrong_bytes = WEB[1]
    record = started(world)
    assert record["status"] == "bad"
    assert record["reason"].startswith("Same bytes: demo-web2 ")
    assert "drain" not in steps(world)


def test_release_failed_build_touches_no_host(world):
    """When the build fails nothing is staged, and the record says why."""
    world.fleet.faults["build new"] = "Lock requirements.txt: has no hashes"
    record = started(world)
    assert "has no hashes" in record["reason"]
    assert record["phases"][-1]["name"] == "back"
    assert steps(world) == ""


def test_release_without_last_good_leaves_hosts_drained(fresh):
    """With nothing to go back to, a failed first release serves nobody, and says so."""
    fresh.fleet.faults["suite web2"] = "it broke"
    record = started(fresh)
    assert record["status"] == "bad"
    assert not any(host.rotation for host in fresh.fleet.hosts.values())
    assert set(record["back"]) == {"demo-web1", "demo-web2"}
    assert all("no good release to go back to" in w for w in record["back"].values())


def test_release_host_that_cannot_go_back_stays_out(world):
    """A host that fails on its way back stays out of rotation; the others go on."""
    world.fleet.faults |= {"suite web2": "it broke", "switch web2 old": "host is gone"}
    record = started(world)
    assert record["back"]["demo-web2"].startswith("stays out of rotation: ")
    assert not world.fleet.hosts["demo-web2"].rotation
    assert record["back"]["demo-web1"] == f"in rotation at {OLD[:12]}"
    assert world.fleet.dangers == []


def test_release_batch_of_two_never_empties_the_pool(tmp_path):
    """Two of three go at once; a failure brings back the batch that is out, first."""
    world = opened(tmp_path, batch=5)
    started(world, OLD)
    world.fleet.steps.clear()
    world.fleet.in_service = True
    world.fleet.faults["suite web3"] = "it broke"
    started(world)
    first = ("drain web1 web2; switch web1 new; switch web2 new; suite web1 web2; "
             "ready web1 web2")  # fmt: skip
    assert steps(world) == _expected(
        first,
        "drain web3; switch web3 new; suite web3",
        _back("web3"),
        _back("web1", "web2"),
    )
    assert world.fleet.dangers == []


def test_release_same_again_changes_nothing(world):
    """The same release again touches no host and leaves no record."""
    record = started(world, OLD)
    assert record["unchanged"]
    assert record["id"] == "guestbook.demo.1"
    assert steps(world) == ""
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
    record = started(world, OLD)
    assert "unchanged" not in record
    assert world.fleet.hosts["demo-web2"].commit == OLD
    assert all(host.rotation for host in world.fleet.hosts.values())


def test_release_built_before_builds_nothing(world):
    """A commit that was built once is never built again."""
    world.fleet.faults["suite web1"] = "it broke"
    started(world)
    world.fleet.steps.clear()
    assert started(world)["status"] == "good"
    assert "build new" not in world.fleet.steps


@pytest.mark.parametrize("ref", ["-x", "a b", "../main", "x" * 300, "HEAD"])
def test_release_bad_ref_is_refused_before_anything(world, ref):
    """What cannot name a commit reaches no host, no git, and no record."""
    with pytest.raises(HolodeckError, match="is no name of a branch"):
        started(world, ref)
    assert world.fleet.steps == []
    assert len(world.records.history("guestbook", "demo")) == 1


def test_release_asks_again_what_a_builder_could_not_say_at_first(world):
    """It is asked while hosts are looked after, and may just be in the making."""
    world.fleet.faults["resolve main"] = "is silent for 20 s."
    record = started(world, "main")
    assert (record["status"], record["commit"]) == ("good", NEW)
    assert world.fleet.steps.count("resolve main") == 2


@pytest.mark.parametrize("raised", ["Traceback:\nValueError: no", ""])
def test_failed_suite_tells_what_the_host_raised(world, raised):
    """The reason ends with the service's own exception, where it had any."""
    world.fleet.failing, world.fleet.raised = frozenset({"demo-web2"}), raised
    lines = started(world)["reason"].splitlines()
    assert lines[0] == "The suite did not pass."
    shown = ["demo-web2 raised: ValueError: no", "  Traceback:"]
    assert lines[2:] == (shown if raised else [])


def test_silent_host_keeps_no_suite_from_failing(world):
    """Where nobody tells what was raised, the reason is the suite's alone."""
    world.fleet.failing = frozenset({"demo-web2"})
    world.fleet.faults["raised web2"] = "host is gone"
    record = started(world)
    assert (record["status"], len(record["reason"].splitlines())) == ("bad", 2)


def test_release_has_the_suite_ready_as_long_as_it_rolls(world):
    """Testers import what it needs once; nothing stands by afterwards."""
    seen = []
    world.fleet.faults["suite web2"] = lambda: seen.append(set(world.fleet.standing))
    record = started(world)
    [(tester, name)] = seen[0]
    assert tester == "demo-tester1"
    assert name.startswith(f"{record['id']}.")
    assert world.fleet.standing == set()


def test_release_unknown_branch_leaves_no_record(world):
    """A branch that the repository does not have is an error, not a bad release."""
    world.fleet.faults["resolve nowhere"] = "Commit nowhere: is no branch"
    with pytest.raises(HolodeckError, match="is no branch"):
        started(world, "nowhere")
    assert len(world.records.history("guestbook", "demo")) == 1


def test_release_while_another_runs_is_refused(world):
    """The second release of the same service and environment does nothing."""
    with (
        locks.held(world.opts, "guestbook", "demo", "release of x"),
        pytest.raises(locks.LockedError, match="release of x"),
    ):
        started(world)
    assert world.fleet.steps == []


def test_release_interrupted_goes_back_and_is_aborted(world):
    """Ctrl-C brings the hosts back before the runner ends; the record says aborted."""
    world.fleet.faults["suite web2"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        started(world)
    assert steps(world).endswith("; ".join([_back("web2"), _back("web1")]))
    assert newest(world)["status"] == "aborted"
    assert newest(world)["reason"]
    assert world.fleet.dangers == []


def test_release_after_killed_runner_buries_it(world):
    """A runner that died leaves ``running``; the next release marks it aborted."""
    world.fleet.faults["suite web2"] = Killed()
    with pytest.raises(Killed):
        started(world)
    world.fleet.dead = False
    assert newest(world)["status"] == "running"
    assert started(world, THIRD)["status"] == "good"
    statuses = [r["status"] for r in world.records.history("guestbook", "demo")]
    assert statuses == ["good", "aborted", "good"]
    assert world.fleet.dangers == []


def test_release_prunes_to_the_retention(world):
    """Old deployments and bundles go, the current and the one before stay."""
    started(world)
    web = [row for row in world.fleet.pruned if row[0] == "web1"][-1]
    history = world.records.history("guestbook", "demo")
    kept = [record["deployment"] for record in history]
    assert world.fleet.deployments_kept["web1"] == kept
    tester = [row for row in world.fleet.pruned if row[0] == "tester1"][-1]
    assert web == ("web1", "guestbook", ["new", "old"])
    assert tester == ("tester1", "guestbook-suite", ["new", "old"])


def test_release_unknown_service_is_refused(fresh):
    """A misspelt service names those that are defined."""
    with pytest.raises(HolodeckError, match="the defined ones are guestbook"):
        release.release(fresh, "guest", "demo", "", ORDER)
