"""Metrics of releases on a fleet that is data: true, whole, and never in the way."""

import dataclasses
import json
import logging
import threading
from pathlib import Path

import pytest
from fake_fleet import NEW, OLD, THIRD, WEB, Killed
from fake_world import ORDER, hearing, newest, opened, served, started
from prometheus_client import parser

from holodeck_io import lock
from holodeck_io.errors import HolodeckError
from holodeck_master import measuring, release

_KEY = ("guestbook", "demo")


def _measured(world, file):
    """Return a world whose definition names the file of metrics."""
    definition = dataclasses.replace(world.definition, metrics={"file": str(file)})
    return dataclasses.replace(world, definition=definition)


def _found(text):
    """Return ``{(sample, the values of its own labels…): value}`` of one place."""
    found = {}
    for family in parser.text_string_to_metric_families(text):
        for each in family.samples:
            assert (each.labels.pop("service"), each.labels.pop("environment")) == _KEY
            name = each.name.removeprefix("holodeck_")
            found[(name, *sorted(each.labels.values()))] = each.value
    return found


def _now(world):
    return _found(measuring.text(world))


def _state(found):
    return [key[1] for key in found if key[0] == "release_state" and found[key]]


@pytest.fixture
def file(tmp_path):
    """Where node exporter looks."""
    return tmp_path / "node-exporter.d" / "holodeck.prom"


@pytest.fixture
def measured(tmp_path, file):
    """A world with the old commit in service, which writes its metrics from now on."""
    file.parent.mkdir()
    return _measured(served(tmp_path), file)


def test_good_release_is_measured(measured, file):
    """The file has the outcome, the commit, the phases, and how long it all took."""
    record = started(measured)
    found = _found(file.read_text())
    assert _state(found) == ["good"]
    assert found["releases_total", "good", "release"] == 2
    assert found["release_info", NEW, record["id"]] == 1
    assert ("release_info", OLD, "guestbook.demo.1") not in found
    for phase in record["phases"]:
        taken = found["release_phase_duration_seconds", phase["name"]]
        assert taken == phase["seconds"]
    total = round(sum(phase["seconds"] for phase in record["phases"]), 1)
    assert found["release_duration_seconds",] == total
    assert found["release_hosts_away",] == found["frozen",] == 0
    assert found == _now(measured)


def test_bad_release_is_measured(measured, file):
    """A release that failed is told, and the commit before stays the current one."""
    measured.fleet.faults["suite web2"] = "it broke"
    started(measured)
    found = _found(file.read_text())
    assert _state(found) == ["bad"]
    assert found["releases_total", "bad", "release"] == 1
    assert found["release_info", OLD, "guestbook.demo.1"] == 1
    assert ("release_phase_duration_seconds", "back") in found
    assert found["release_hosts_away",] == 0


def test_hosts_that_could_not_go_home_are_measured(measured, file):
    """A host that is lost on the way back is away, until somebody brings it home."""
    measured.fleet.faults["suite web2"] = lambda: setattr(
        measured.fleet.hosts[WEB[1]], "lost", True
    )
    started(measured)
    assert _found(file.read_text())["release_hosts_away",] == 1
    measured.fleet.hosts[WEB[1]].lost = False
    release.resume(measured, *_KEY)
    found = _found(file.read_text())
    assert found["release_hosts_away",] == 0
    assert found["releases_total", "bad", "release"] == 1


def test_aborted_release_is_measured(measured, file):
    """An abort is an outcome of its own."""
    world = hearing(measured, "back in rotation", lambda: release.abort(
        measured, *_KEY, "ann"))  # fmt: skip
    assert started(world)["status"] == "aborted"
    found = _found(file.read_text())
    assert _state(found) == ["aborted"]
    assert found["releases_total", "aborted", "release"] == 1


def test_rollback_is_measured(measured, file):
    """It counts as a rollback; the release that it undid has ended well, and counts."""
    started(measured)
    release.rollback(measured, *_KEY, "", ORDER)
    found = _found(file.read_text())
    assert found["releases_total", "good", "rollback"] == 1
    assert found["releases_total", "good", "release"] == 2
    assert found["release_info", OLD, "guestbook.demo.3"] == 1
    assert found == _now(measured)


def test_release_that_runs_is_measured_from_its_begin(measured, file):
    """The file says that one runs, and since when, as long as it does."""
    seen = []
    world = hearing(measured, "back in rotation", lambda: seen.append(
        _found(file.read_text())))  # fmt: skip
    started(world)
    [found] = seen
    assert _state(found) == ["running"]
    assert found["releases_total", "good", "release"] == 1
    assert ("release_start_timestamp_seconds",) in found


@pytest.mark.parametrize("end", ["resume", "abort", "release"])
def test_unfinished_release_is_measured_until_its_end(measured, file, end):
    """A dead runner's file says that it runs, whoever asks that it is unfinished."""
    measured.fleet.faults["drain web2"] = Killed()
    with pytest.raises(Killed):
        started(measured)
    measured.fleet.dead = False
    assert _state(_found(file.read_text())) == ["running"]
    assert _state(_now(measured)) == ["unfinished"]
    if end == "release":
        assert started(measured, THIRD)["status"] == "good"
        assert _now(measured)["releases_total", "aborted", "release"] == 1
    else:
        how = {"abort": ["ann"]}.get(end, [])
        getattr(release, end)(measured, *_KEY, *how)
        assert newest(measured)["id"] == "guestbook.demo.2"
    assert _found(file.read_text()) == _now(measured)
    assert _state(_now(measured)) == ["aborted" if end == "abort" else "good"]


def test_release_that_changes_nothing_is_no_release(measured, file):
    """The same release again is in no record, and in no count."""
    started(measured)
    before = file.read_text()
    assert started(measured)["unchanged"]
    assert file.read_text() == before == measuring.text(measured)


def test_place_without_a_release_is_measured(tmp_path):
    """What was never released has counts of 0, and nothing is made up."""
    found = _now(opened(tmp_path))
    assert {name for name, *_ in found} == {
        "records_readable", "releases_total", "frozen",
    }  # fmt: skip
    assert found["releases_total", "good", "release"] == 0


def test_freeze_is_measured(measured):
    """Whether anybody may release is told."""
    measured.records.keep_freeze(*_KEY, user="ann", since="today")
    assert _now(measured)["frozen",] == 1


def test_commit_of_odd_letters_breaks_no_line(measured):
    """Whatever a record has, the text parses, and says just that."""
    odd = 'a"b\\n\n} 7'
    record = newest(measured)
    measured.records.save({**record, "commit": odd})
    assert _now(measured)["release_info", odd, record["id"]] == 1


def test_metrics_without_what_is_kept_are_the_same(measured):
    """What is kept beside the records can be lost, or damaged: it is made anew."""
    started(measured)
    measured.fleet.faults["suite web1"] = "it broke"
    started(measured, THIRD)
    known = measuring.text(measured)
    kept = Path(measured.opts["cachedir"], "holodeck/metrics.json")
    for damage in ("", "{}", "[]", '{"form": 0, "places": {"demo.guestbook": 1}}'):
        kept.write_text(damage)
        assert measuring.text(measured) == known
    kept.unlink()
    assert measuring.text(measured) == known
    assert kept.stat().st_mode & 0o777 == 0o600


def test_release_reads_its_own_records_alone(measured, monkeypatch):
    """However many there are, a release reads the newest ones of its own place."""
    services = {**measured.definition.services}
    services["other"] = dataclasses.replace(services["guestbook"], name="other")
    demo = measured.definition.environments["demo"]
    placed = {**demo.services, "other": demo.services["guestbook"]}
    places = {"demo": dataclasses.replace(demo, services=placed)}
    for _ in range(3):
        record = measured.records.begin("other", "demo", commit=OLD, kind="release")
        facts = {"status": "good", "ended": record["started"]}
        measured.records.save({**record, **facts})
    definition = dataclasses.replace(
        measured.definition, services=services, environments=places
    )
    world = dataclasses.replace(measured, definition=definition)
    measuring.keep(world, *_KEY)
    read, numbered = [], world.records.numbered

    def reading(*place):
        read.append(place)
        return numbered(*place)

    monkeypatch.setattr(world.records, "numbered", reading)
    measuring.keep(world, *_KEY)
    assert read == [(*_KEY, 1)]


def test_damaged_record_hides_no_other_place(measured, caplog):
    """What cannot be read is told as such, in the metrics and in the log."""
    file = "holodeck/releases/demo/guestbook/000001.p"
    record = Path(measured.opts["cachedir"], file)
    record.write_bytes(record.read_bytes()[:-9])
    assert _now(measured) == {("records_readable",): 0}
    assert "no metrics of guestbook in demo" in caplog.text


def test_file_is_for_everybody_to_read(measured, file):
    """Node exporter runs as a user of its own; nothing else is left in its folder."""
    started(measured)
    assert file.stat().st_mode & 0o777 == 0o644
    assert [each.name for each in file.parent.iterdir()] == ["holodeck.prom"]


def test_file_is_whole_at_any_moment(measured, file):
    """Whoever reads while it is written, again and again, sees a whole one."""
    measuring.keep(measured, *_KEY)
    whole, seen, ended = file.read_text(), [], threading.Event()

    def reading():
        while not ended.is_set():
            seen.append(file.read_text())

    reader = threading.Thread(target=reading)
    reader.start()
    for _ in range(200):
        measuring.keep(measured, *_KEY)
    ended.set()
    reader.join()
    assert set(seen) == {whole}


def test_file_that_cannot_be_written_fails_no_release(tmp_path, caplog):
    """The release is good; what went wrong is said to its user, and logged."""
    said, world = [], served(tmp_path)
    world = dataclasses.replace(world, say=lambda *words: said.append(words))
    assert started(_measured(world, "/nowhere/at/all.prom"))["status"] == "good"
    [first, _] = [words for phase, words in said if phase == "metrics"]
    assert "/nowhere/at/all.prom cannot be written: No such file" in first
    logged = [r for r in caplog.records if r.levelno > logging.INFO]
    assert [r.levelno for r in logged] == [logging.WARNING] * 2


def test_metrics_that_raise_fail_no_release(measured, monkeypatch):
    """A mistake of ours in the metrics is none of the release."""
    monkeypatch.setattr(measuring.metrics, "exposition", lambda _: 1 / 0)
    assert started(measured)["status"] == "good"


def test_process_that_hangs_holds_no_release_up(measured, file, monkeypatch):
    """Where another process holds the metrics for long, the release goes on."""
    monkeypatch.setattr(measuring, "_WAIT_S", 0.1)
    home = Path(measured.opts["cachedir"], "holodeck")
    with lock.held(home / "locks" / "metrics"):
        assert started(measured)["status"] == "good"
    assert not file.exists()


def test_write_of_what_cannot_be_written_is_refused(world):
    """Whoever names a file hears why there is none."""
    with pytest.raises(HolodeckError, match=r"nowhere/x\.prom cannot be written"):
        measuring.write(world, "/nowhere/x.prom")


def test_release_without_a_file_keeps_nothing(world):
    """Where the definition names none, a release does nothing for metrics."""
    started(world)
    assert not Path(world.opts["cachedir"], "holodeck/metrics.json").exists()


def test_metrics_show_no_secret(tmp_path, file):
    """No setting, reason or message of a release gets into the text."""
    file.parent.mkdir()
    world = _measured(opened(tmp_path, greeting="hunter2"), file)
    world.fleet.faults["suite web1"] = "hunter2 is wrong"
    order = {**ORDER, "message": "hunter2"}
    release.release(world, *_KEY, NEW, order)
    kept = Path(world.opts["cachedir"], "holodeck/metrics.json").read_text()
    assert "hunter2" in json.dumps(newest(world))
    assert "hunter2" not in file.read_text() + kept
