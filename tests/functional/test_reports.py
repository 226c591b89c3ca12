"""Reports of releases on a fleet that is data: always there, never in the way."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from fake_fleet import NEW, OLD, THIRD, RefusedError
from fake_world import newest, opened, served, started

from holodeck_io.errors import HolodeckError
from holodeck_master import fleet, reports


def _kept(world, kind="html"):
    name = f"{newest(world)['id']}.{kind}"
    return Path(world.opts["cachedir"], "holodeck", "reports", name)


@pytest.mark.parametrize("fault", [None, "suite web2", "drain web1", "suite balancer1"])
def test_release_leaves_a_report_however_it_ends(tmp_path, fault):
    """Good or bad, each release has its page and its tests as JUnit XML."""
    world = served(tmp_path)
    if fault:
        world.fleet.faults[fault] = "it broke"
    record = started(world)
    assert record["status"] == ("bad" if fault else "good")
    page = _kept(world).read_text()
    assert record["id"] in page
    assert ("it broke" in page) == bool(fault)
    assert page.count('<svg class="bar"') >= 2
    ET.parse(_kept(world, "xml"))
    assert _kept(world).parent.stat().st_mode & 0o077 == 0


def test_report_tells_each_step_of_each_host(tmp_path):
    """The story has what every host went through, the suite's proof included."""
    world = served(tmp_path)
    record = started(world)
    story = world.records.story(record["id"])
    steps = [words for _, _, hosts, words in story["steps"] if "demo-web2" in hosts]
    assert [words.split(" at ")[0] for words in steps] == [
        "begins", "out of rotation", "healthy", "the suite passed", "back in rotation",
    ]  # fmt: skip
    assert set(story["rows"]) == {
        "demo-web1", "demo-web2", "demo-web3", "demo-balancer1",
    }  # fmt: skip


@pytest.mark.parametrize("silent", [0, 1, 2])
def test_commits_are_asked_for_while_bundles_are_staged(tmp_path, monkeypatch, silent):
    """A builder is asked once; one that says nothing then is asked at the end again."""
    world, asked = served(tmp_path), []

    def history(_host, repository, old, new):
        asked.append(list(world.fleet.steps))
        if len(asked) <= silent:
            raise RefusedError("not now")
        return [{"commit": new, "subject": f"{repository} from {old[:3]}"}]

    monkeypatch.setattr(world.fleet, "_bundle_history", history)
    assert started(world)["status"] == "good"
    assert len(asked) == 1 + bool(silent)
    assert not [step for step in asked[0] if step.startswith(("drain", "switch"))]
    assert ("from " + OLD[:3] in _kept(world).read_text()) == (silent < len(asked))


def test_release_without_a_builder_has_its_report(tmp_path, monkeypatch):
    """What only a page would tell is not missed: nobody is asked, nothing fails."""
    world = served(tmp_path)

    def unheard(*_, **__):
        raise fleet.UnheardError("The master does not take jobs.")

    monkeypatch.setattr(reports.building, "history_asked", unheard)
    assert started(world)["status"] == "good"
    assert _kept(world).exists()


def test_report_that_cannot_be_written_fails_no_release(tmp_path):
    """A full disk at the very end does not make a good release bad."""
    world = served(tmp_path)
    place = Path(world.opts["cachedir"], "holodeck", "reports")
    place.parent.mkdir(parents=True, exist_ok=True)
    for file in place.glob("*"):
        file.unlink()
    place.rmdir()
    place.write_text("no folder")
    assert started(world)["status"] == "good"


def test_old_reports_are_pruned(tmp_path, monkeypatch):
    """The disk does not fill up: the newest reports stay, and every record."""
    monkeypatch.setattr(reports, "_KEEP", 2)
    world = served(tmp_path)
    for commit in (NEW, THIRD, NEW):
        started(world, commit)
    history = world.records.history("guestbook", "demo")
    place = Path(world.opts["cachedir"], "holodeck", "reports")
    left = {record["id"] for record in history[:2]}
    assert {file.stem for file in place.iterdir()} == left
    told = {record["id"] for record in history if world.records.story(record["id"])}
    assert (len(history), told) == (4, left)


def test_report_of_an_unknown_release_is_refused(tmp_path):
    """An id that is none says where they are shown."""
    with pytest.raises(HolodeckError, match=r"holodeck\.history"):
        reports.write(opened(tmp_path), "guestbook.demo.99")
