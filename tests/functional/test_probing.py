"""The steady probe and the latency gate: on a fleet that is data, and for real."""

# ruff: noqa: F401, F811 -- fixtures come by name

import dataclasses
import time

import pytest
from fake_fleet import NEW, OLD, Killed
from fake_world import ORDER, hearing, newest, served, started, steps
from tester import COMMIT, bundle, given, loaded, run, target
from web_server import serving

from holodeck_http import results
from holodeck_io.errors import HolodeckError
from holodeck_master import fleet, release, signals
from holodeck_tester import probes


def _told(world, **rules):
    """Return a world whose definition has these rules for its tests."""
    environment = world.definition.environments["demo"]
    place = environment.services["guestbook"]
    tests = dataclasses.replace(place.tests, **rules)
    environment.services["guestbook"] = dataclasses.replace(place, tests=tests)
    return world


def _times(old, new, failed=0):
    return {
        "old": {"n": 50, "p95": old}, "new": {"n": 50, "p95": new},
        "failed": {"old": 0, "new": failed},
    }  # fmt: skip


def test_probe_lasts_as_long_as_the_rollout(tmp_path):
    """A tester asks for the health path all the time; the report has what it saw."""
    world = served(tmp_path)
    world.fleet.probes.clear()
    record = started(world)
    [asked] = world.fleet.probes
    assert (asked["paths"], asked["per_second"]) == (["/"], 10)
    assert [each["name"] for each in asked["targets"]] == ["demo-balancer1"]
    assert world.records.story(record["id"])["probe"] == [[100, 10, 0, 2.5]]


def test_probe_of_a_release_that_fails_at_last_is_told(tmp_path):
    """What users met stands in the report, also where the last look finds a fault."""
    world = served(tmp_path)

    def meddle():
        world.fleet.hosts["demo-web2"].commit = OLD

    record = started(hearing(world, "the suite passed through", meddle))
    assert record["status"] == "bad"
    assert world.records.story(record["id"])["probe"] == [[100, 10, 0, 2.5]]
    assert "prober" not in newest(world)


def test_probe_that_could_not_be_asked_is_ended_with_the_release(tmp_path):
    """While the master is away nobody hears it; the load does not go on for hours."""
    world = served(tmp_path)
    away, ended = [], []
    real = world.fleet._replies

    def replies(groups):
        asked = {function for _, function, _ in groups}
        if away and asked & {"webtest.probed", "webapp.status"}:
            if "webapp.status" in asked:
                away.clear()
            raise fleet.UnheardError("The master does not take jobs")
        if "webtest.probed" in asked:
            ended.append(asked)
        return real(groups)

    world.fleet._replies = replies
    record = started(hearing(world, "the suite passed through", lambda: away.append(1)))
    assert (record["status"], len(ended)) == ("bad", 1)


def test_probe_can_be_left_out(tmp_path):
    """Whoever wants no probe has none."""
    world = _told(served(tmp_path), probe_per_s=0)
    world.fleet.probes.clear()
    record = started(world)
    assert world.fleet.probes == []
    assert "probe" not in world.records.story(record["id"])


def test_latency_within_the_factor_is_good(tmp_path):
    """The new commit may be a little slower; it is measured once, before traffic."""
    world = _told(served(tmp_path), latency_factor=1.5)
    world.fleet.latency = _times(10.0, 14.0)
    record = started(world)
    assert record["status"] == "good"
    assert steps(world).count("compare web1 web2") == 1
    story = world.records.story(record["id"])
    assert story["latency"]["hosts"] == {"old": "demo-web2", "new": "demo-web1"}


@pytest.mark.parametrize(
    ("latency", "reason"),
    [
        (_times(10.0, 17.0), "demo-web1: answers within 17.0 ms at the 95th"),
        (_times(10.0, 10.0, failed=3), "demo-web1: 3 of 50 requests had no good"),
    ],
)  # fmt: skip
def test_latency_beyond_the_factor_goes_back(tmp_path, latency, reason):
    """A commit that is too slow goes back before anybody met it."""
    world = _told(served(tmp_path), latency_factor=1.5)
    world.fleet.latency = latency
    record = started(world)
    assert record["status"] == "bad"
    assert record["reason"].startswith(reason)
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}
    assert "ready web1 new" not in steps(world)


def test_latency_below_a_millisecond_is_noise(tmp_path):
    """Twice as long as next to nothing is still next to nothing."""
    world = _told(served(tmp_path), latency_factor=1.5)
    world.fleet.latency = _times(0.5, 1.4)
    assert started(world)["status"] == "good"


def test_latency_without_an_old_host_is_not_measured(tmp_path):
    """A first release has nothing to compare with, and says so."""
    world = _told(served(tmp_path, count=1), latency_factor=1.5)
    assert started(world)["status"] == "good"
    assert "compare" not in steps(world)


def test_rollback_has_no_gate(tmp_path):
    """Whoever goes back does so although the old commit may be the slower one."""
    world = _told(served(tmp_path), latency_factor=1.5)
    world.fleet.latency = _times(10.0, 10.0)
    started(world)
    world.fleet.latency = _times(10.0, 90.0)
    record = release.rollback(world, "guestbook", "demo", "", ORDER)
    assert (record["status"], record["commit"]) == ("good", OLD)


def test_probe_that_was_ended_before_it_came_does_not_begin(tmp_path, monkeypatch):
    """Calls that nobody waits for may be heard in another order."""
    monkeypatch.setattr(probes, "RUN", tmp_path / "probes")
    assert probes.end("guestbook", "turn-1") == []
    probes.start("no-python-is-needed", "guestbook", {}, "turn-1")
    assert not (tmp_path / "probes" / "guestbook" / "lines.jsonl").exists()


def _app(delay_s=0.0, status="200 OK"):
    def app(environ, start_response):
        time.sleep(delay_s)
        start_response(status, [("Content-Type", "text/plain")])
        return [b"hello"]

    return app


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A place for probes that this test's own user may pass through."""
    place = tmp_path / "probes"
    monkeypatch.setattr(probes, "RUN", place)
    return place


def test_probe_for_real(loaded, bundle, home):
    """It runs beside everything else, counts failures, and leaves nothing behind."""
    words = {"per_second": 40, "paths": ["/"], "bundle": str(bundle)}
    with serving(_app()) as good, serving(_app(status="500 X")) as bad:
        targets = [target("a", good.server_port), target("b", bad.server_port)]
        loaded["webtest.probe"]("guestbook", COMMIT, targets, **words)
        time.sleep(3)
        seen = loaded["webtest.probed"]("guestbook")
    sent, failed = (sum(each[n] for each in seen) for n in (1, 2))
    assert sent > 20
    assert abs(failed - sent / 2) <= 2
    assert all(p95 > 0 for *_, p95 in seen)
    assert not (home / "guestbook").exists()
    assert loaded["webtest.probed"]("guestbook") == []


def test_probe_of_a_target_that_hangs_stays_steady(loaded, bundle, home):
    """While nobody answers, each second still counts what should have been sent."""
    words = {"per_second": 40, "paths": ["/"], "bundle": str(bundle)}
    with serving(_app(delay_s=3)) as server:
        loaded["webtest.probe"](
            "guestbook", COMMIT, [target("a", server.server_port)], **words
        )
        time.sleep(4)
        seen = loaded["webtest.probed"]("guestbook")
    assert sum(each[2] for each in seen) > 40


def test_probe_of_a_dead_runner_is_ended(tmp_path):
    """Whoever aborts what a dead runner left ends its probe as well."""
    world = served(tmp_path)
    world.fleet.faults["switch web2 new"] = Killed()
    with pytest.raises(Killed):
        started(world)
    world.fleet.dead = False
    release.abort(world, "guestbook", "demo", "ann")
    [record, *_] = world.records.history("guestbook", "demo")
    assert (record["status"], "prober" in record) == ("aborted", False)
    assert world.records.story(record["id"])["probe"] == [[100, 10, 0, 2.5]]


@pytest.mark.parametrize("broken", ["_webtest_probed", "story"])
def test_probe_and_story_fail_no_release(tmp_path, monkeypatch, broken):
    """What only a report would show takes no good release back."""
    world = served(tmp_path)

    def fail(*_, **__):
        raise HolodeckError("The master does not take jobs.")

    if broken == "story":
        monkeypatch.setattr(type(world.records), "keep_story", fail)
    else:
        monkeypatch.setattr(world.fleet, broken, fail)
    assert started(world)["status"] == "good"
    assert {host.commit for host in world.fleet.hosts.values()} == {NEW}


def test_interruption_while_a_probe_ends_is_heeded(tmp_path, monkeypatch):
    """Whoever ends a release then is not taken for a fault of the probe."""
    world = served(tmp_path)

    def interrupted(*_, **__):
        monkeypatch.undo()
        raise signals.InterruptedReleaseError("It was interrupted by SIGINT.")

    monkeypatch.setattr(world.fleet, "_webtest_probed", interrupted)
    assert started(world)["status"] == "aborted"
    assert {host.commit for host in world.fleet.hosts.values()} == {OLD}


def test_probe_takes_the_place_of_one_that_runs(loaded, bundle, home):
    """A dead runner's probe does not go on beside the next one."""
    words = {"per_second": 40, "paths": ["/"], "bundle": str(bundle)}
    with serving(_app()) as first, serving(_app()) as second:
        for server in (first, second):
            targets = [target("a", server.server_port)]
            loaded["webtest.probe"]("guestbook", COMMIT, targets, **words)
    seen = loaded["webtest.probed"]("guestbook")
    # The second one's alone, and its server is gone by now.
    assert sum(each[2] for each in seen) == sum(each[1] for each in seen)


def test_compare_for_real(loaded, bundle, home):
    """The slower of two is told apart, whatever else the machine does."""
    with serving(_app()) as old, serving(_app(delay_s=0.02)) as new:
        found = loaded["webtest.compare"](
            "guestbook", COMMIT, target("a", old.server_port),
            target("b", new.server_port), ["/"], seconds=1, bundle=str(bundle),
        )  # fmt: skip
    assert found["new"]["p50"] > 20 > found["old"]["p50"]
    assert abs(found["new"]["n"] - found["old"]["n"]) <= 1
    assert found["failed"] == {"old": 0, "new": 0}


def test_compare_with_a_dead_host_counts_failures(loaded, bundle, home):
    """What does not answer is failed, not fast."""
    with serving(_app()) as old:
        found = loaded["webtest.compare"](
            "guestbook", COMMIT, target("a", old.server_port), target("b", 1), ["/"],
            seconds=1, bundle=str(bundle),
        )  # fmt: skip
    assert found["failed"]["new"] == found["new"]["n"] > 0


def test_by_second_leaves_out_what_a_kill_cut():
    """Half a line at the end harms nothing."""
    lines = ["[100.2, false, 2.0]", "[100.9, true, 8.0]", "[101.0, false, 3.0]", "[10"]
    assert results.by_second(lines) == [[100, 2, 1, 8.0], [101, 1, 0, 3.0]]
