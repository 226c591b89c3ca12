"""The file of metrics, and what is kept for it: whole, quick, and never in the way."""

import dataclasses
import logging
import threading
from pathlib import Path

import pytest
from fake_fleet import OLD, THIRD
from fake_world import served, started
from metrics_text import KEY, found_now, measuring_world

from holodeck_io import lock
from holodeck_io.errors import HolodeckError
from holodeck_master import measuring


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


def test_metrics_of_records_that_are_gone_are_gone(measured):
    """Nothing is told of what nobody can look up any more."""
    started(measured)
    measuring.text(measured)
    for file in Path(measured.opts["cachedir"], "holodeck/releases").rglob("*.p"):
        file.unlink()
    found = found_now(measured)
    assert found["releases_total", "good", "release"] == 0
    assert "release_info" not in {name for name, *_ in found}


def _with_another(measured):
    """Return a world with another service, and its newest record, the third one."""
    services = {**measured.definition.services}
    services["other"] = dataclasses.replace(services["guestbook"], name="other")
    demo = measured.definition.environments["demo"]
    placed = {**demo.services, "other": demo.services["guestbook"]}
    places = {"demo": dataclasses.replace(demo, services=placed)}
    definition = dataclasses.replace(
        measured.definition, services=services, environments=places
    )
    for _ in range(3):
        record = measured.records.begin("other", "demo", commit=OLD, kind="release")
        facts = {"status": "good", "ended": record["started"]}
        measured.records.save({**record, **facts})
    world = dataclasses.replace(measured, definition=definition)
    measuring.keep(world, *KEY)
    return world, {**record, **facts}


@pytest.mark.parametrize("number", [3, 4])
def test_release_of_another_place_is_measured_too(measured, file, number):
    """
    Whoever writes next tells its end, where it could not do so itself.

    Also of the third one, which had ended before and is taken up again.
    """
    world, record = _with_another(measured)
    unfinished = 'service="other",environment="demo",state="unfinished"} 1'
    world.records.save({**record, "number": number, "status": "running"})
    measuring.keep(world, "other", "demo")
    assert unfinished in file.read_text()
    world.records.save({**record, "number": number})
    measuring.keep(world, *KEY)
    assert unfinished not in file.read_text()
    counted = 'service="other",environment="demo",kind="release",outcome="good"}'
    assert f"{counted} {number}\n" in file.read_text()


def test_release_reads_its_own_records_alone(measured, monkeypatch):
    """However many there are, a release reads the newest ones of its own place."""
    world, _ = _with_another(measured)
    read, numbered = [], world.records.numbered

    def reading(*place):
        read.append(place)
        return numbered(*place)

    monkeypatch.setattr(world.records, "numbered", reading)
    measuring.keep(world, *KEY)
    assert read == [(*KEY, 1)]


def test_damaged_record_hides_no_other_place(measured, caplog):
    """What cannot be read is told as such, in the metrics and in the log."""
    file = "holodeck/releases/demo/guestbook/000001.p"
    record = Path(measured.opts["cachedir"], file)
    record.write_bytes(record.read_bytes()[:-9])
    assert found_now(measured) == {("records_readable",): 0}
    assert "no metrics of guestbook in demo" in caplog.text


def test_file_is_for_everybody_to_read(measured, file):
    """Node exporter runs as a user of its own; nothing else is left in its folder."""
    started(measured)
    assert file.stat().st_mode & 0o777 == 0o644
    assert [each.name for each in file.parent.iterdir()] == ["holodeck.prom"]


def test_file_is_whole_at_any_moment(measured, file):
    """Whoever reads while it is written, again and again, sees a whole one."""
    measuring.keep(measured, *KEY)
    whole, seen, ended = file.read_text(), [], threading.Event()

    def reading():
        while not ended.is_set():
            seen.append(file.read_text())

    reader = threading.Thread(target=reading)
    reader.start()
    for _ in range(200):
        measuring.keep(measured, *KEY)
    ended.set()
    reader.join()
    assert set(seen) == {whole}


def test_file_that_cannot_be_written_fails_no_release(tmp_path, caplog):
    """The release is good; what went wrong is said to its user, and logged."""
    said, world = [], served(tmp_path)
    world = dataclasses.replace(world, say=lambda *words: said.append(words))
    assert started(measuring_world(world, "/nowhere/at/all.prom"))["status"] == "good"
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
