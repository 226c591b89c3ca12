"""Metrics of releases on a fleet that is data: they say what happened."""

import json
from pathlib import Path

import pytest
from fake_fleet import NEW, OLD, THIRD, WEB, Killed
from fake_world import ORDER, hearing, newest, opened, started
from metrics_text import KEY, found_in, found_now, measuring_world, state_of

from holodeck_master import measuring, release


def test_good_release_ismeasuring_world(measured, file):
    """The file has the outcome, the commit, the phases, and how long it all took."""
    record = started(measured)
    found = found_in(file.read_text())
    assert state_of(found) == ["good"]
    assert found["releases_total", "good", "release"] == 2
    assert found["release_info", NEW, record["id"]] == 1
    assert ("release_info", OLD, "guestbook.demo.1") not in found
    for phase in record["phases"]:
        taken = found["release_phase_duration_seconds", phase["name"]]
        assert taken == phase["seconds"]
    total = round(sum(phase["seconds"] for phase in record["phases"]), 1)
    assert found["release_duration_seconds",] == total
    assert found["release_hosts_away",] == found["frozen",] == 0
    assert found == found_now(measured)


def test_bad_release_ismeasuring_world(measured, file):
    """A release that failed is told, and the commit before stays the current one."""
    measured.fleet.faults["suite web2"] = "it broke"
    started(measured)
    found = found_in(file.read_text())
    assert state_of(found) == ["bad"]
    assert found["releases_total", "bad", "release"] == 1
    assert found["release_info", OLD, "guestbook.demo.1"] == 1
    assert ("release_phase_duration_seconds", "back") in found
    assert found["release_hosts_away",] == 0


def test_hosts_that_could_not_go_home_aremeasuring_world(measured, file):
    """A host that is lost on the way back is away, until somebody brings it home."""
    measured.fleet.faults["suite web2"] = lambda: setattr(
        measured.fleet.hosts[WEB[1]], "lost", True
    )
    started(measured)
    assert found_in(file.read_text())["release_hosts_away",] == 1
    measured.fleet.hosts[WEB[1]].lost = False
    release.resume(measured, *KEY)
    found = found_in(file.read_text())
    assert found["release_hosts_away",] == 0
    assert found["releases_total", "bad", "release"] == 1


def test_aborted_release_ismeasuring_world(measured, file):
    """An abort is an outcome of its own."""
    world = hearing(measured, "back in rotation", lambda: release.abort(
        measured, *KEY, "ann"))  # fmt: skip
    assert started(world)["status"] == "aborted"
    found = found_in(file.read_text())
    assert state_of(found) == ["aborted"]
    assert found["releases_total", "aborted", "release"] == 1


def test_rollback_ismeasuring_world(measured, file):
    """It counts as a rollback; the release that it undid has ended well, and counts."""
    started(measured)
    release.rollback(measured, *KEY, "", ORDER)
    found = found_in(file.read_text())
    assert found["releases_total", "good", "rollback"] == 1
    assert found["releases_total", "good", "release"] == 2
    assert found["release_info", OLD, "guestbook.demo.3"] == 1
    assert found == found_now(measured)


def test_release_that_runs_is_measured_from_its_begin(measured, file):
    """The file says that one runs, and since when, as long as it does."""
    seen = []
    world = hearing(measured, "back in rotation", lambda: seen.append(
        found_in(file.read_text())))  # fmt: skip
    started(world)
    [found] = seen
    assert state_of(found) == ["running"]
    assert found["releases_total", "good", "release"] == 1
    assert ("release_start_timestamp_seconds",) in found


@pytest.mark.parametrize("end", ["resume", "abort", "release"])
def test_unfinished_release_is_measured_until_its_end(measured, file, end):
    """A dead runner's file says that it runs, whoever asks that it is unfinished."""
    measured.fleet.faults["drain web2"] = Killed()
    with pytest.raises(Killed):
        started(measured)
    measured.fleet.dead = False
    assert state_of(found_in(file.read_text())) == ["running"]
    assert state_of(found_now(measured)) == ["unfinished"]
    if end == "release":
        assert started(measured, THIRD)["status"] == "good"
        assert found_now(measured)["releases_total", "aborted", "release"] == 1
    else:
        how = {"abort": ["ann"]}.get(end, [])
        getattr(release, end)(measured, *KEY, *how)
        assert newest(measured)["id"] == "guestbook.demo.2"
    assert found_in(file.read_text()) == found_now(measured)
    assert state_of(found_now(measured)) == ["aborted" if end == "abort" else "good"]


def test_release_that_changes_nothing_is_no_release(measured, file):
    """The same release again is in no record, and in no count."""
    started(measured)
    before = file.read_text()
    assert started(measured)["unchanged"]
    assert file.read_text() == before == measuring.text(measured)


def test_place_without_a_release_ismeasuring_world(tmp_path):
    """What was never released has counts of 0, and nothing is made up."""
    found = found_now(opened(tmp_path))
    assert {name for name, *_ in found} == {
        "records_readable", "releases_total", "frozen",
    }  # fmt: skip
    assert found["releases_total", "good", "release"] == 0


def test_freeze_ismeasuring_world(measured):
    """Whether anybody may release is told."""
    measured.records.keep_freeze(*KEY, user="ann", since="today")
    assert found_now(measured)["frozen",] == 1


def test_commit_of_odd_letters_breaks_no_line(measured):
    """Whatever a record has, the text parses, and says just that."""
    odd = 'a"b\\n\n} 7'
    record = newest(measured)
    measured.records.save({**record, "commit": odd})
    assert found_now(measured)["release_info", odd, record["id"]] == 1


def test_metrics_show_no_secret(tmp_path, file):
    """No setting, reason or message of a release gets into the text."""
    file.parent.mkdir()
    world = measuring_world(opened(tmp_path, greeting="hunter2"), file)
    world.fleet.faults["suite web1"] = "hunter2 is wrong"
    order = {**ORDER, "message": "hunter2"}
    release.release(world, *KEY, NEW, order)
    kept = Path(world.opts["cachedir"], "holodeck/metrics.json").read_text()
    assert "hunter2" in json.dumps(newest(world))
    assert "hunter2" not in file.read_text() + kept
