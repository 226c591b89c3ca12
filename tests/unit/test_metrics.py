"""Metrics as text: what Prometheus' own parser makes of it."""

import pytest
from prometheus_client import parser

from holodeck import metrics, tally

_FACTS = {
    "id": "guestbook.demo.7", "kind": "release", "commit": "1" * 40, "status": "good",
    "user": "ann", "started": "2026-01-01T10:00:00Z", "ended": "2026-01-01T10:01:00Z",
    "phases": {"build": 1.5, "rollout": 20}, "seconds": 21.5, "away": 0,
}  # fmt: skip


def _place(**changes):
    known = {"number": 7, "ended": {"release": {"good": 6, "bad": 1}},
             "newest": _FACTS, "last": _FACTS, "current": _FACTS}  # fmt: skip
    return {"service": "guestbook", "environment": "demo", "tally": known,
            "frozen": False, "held": False, **changes}  # fmt: skip


def _newest(**facts):
    return {**_place()["tally"], "newest": {**_FACTS, **facts}}


def _families(*places):
    text = metrics.exposition(places)
    return {f.name: f for f in parser.text_string_to_metric_families(text)}


def _values(family, *labels):
    return {tuple(s.labels[name] for name in labels): s.value for s in family.samples}


def test_exposition_is_what_prometheus_reads():
    """Each family has a help and a type, and each sample names its place."""
    found = _families(_place())
    assert len(found) == 11
    for family in found.values():
        assert family.documentation
        assert family.type in {"counter", "gauge"}
        assert family.samples
        for sample in family.samples:
            assert sample.labels["service"] == "guestbook"
            assert sample.labels["environment"] == "demo"


def test_exposition_tells_of_a_good_release():
    """Times are Unix times in seconds, durations seconds, and the commit is a label."""
    found = _families(_place())
    [current] = found["holodeck_release_info"].samples
    assert (current.labels["commit"], current.value) == ("1" * 40, 1)
    assert current.labels["id"] == "guestbook.demo.7"
    for name, value in (
        ("start_timestamp", 1767261600), ("end_timestamp", 1767261660),
        ("good_timestamp", 1767261660), ("duration", 21.5),
    ):  # fmt: skip
        [sample] = found[f"holodeck_release_{name}_seconds"].samples
        assert sample.value == value
    phases = found["holodeck_release_phase_duration_seconds"]
    assert _values(phases, "phase") == {("build",): 1.5, ("rollout",): 20}


def test_exposition_counts_what_never_happened_too():
    """An outcome that was never seen is 0: a rate needs the first one's beginning."""
    counts = _values(_families(_place())["holodeck_releases"], "kind", "outcome")
    assert counts == {
        ("release", "good"): 6, ("release", "bad"): 1, ("release", "aborted"): 0,
        ("rollback", "good"): 0, ("rollback", "bad"): 0, ("rollback", "aborted"): 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "held", "state"),
    [
        ("good", False, "good"),
        ("bad", False, "bad"),
        ("aborted", True, "aborted"),
        ("running", True, "running"),
        ("running", False, "unfinished"),
    ],
)
def test_exposition_says_one_state(status, held, state):
    """Exactly one state is 1; a release that nobody runs any more is unfinished."""
    place = _place(tally=_newest(status=status), held=held)
    states = _values(_families(place)["holodeck_release_state"], "state")
    assert states.pop((state,)) == 1
    assert list(states.values()) == [0, 0, 0, 0]


def test_exposition_of_a_release_that_runs_keeps_what_has_ended():
    """Duration and end are of the last one that has ended, the start of the newest."""
    newest = _newest(status="running", started="2026-01-02T10:00:00Z", ended=None)
    found = _families(_place(tally=newest, held=True))
    [start] = found["holodeck_release_start_timestamp_seconds"].samples
    [end] = found["holodeck_release_end_timestamp_seconds"].samples
    assert start.value > end.value
    assert found["holodeck_release_duration_seconds"].samples[0].value == 21.5


def test_exposition_of_what_was_never_released():
    """Nothing is invented: counts of 0, not frozen, and no time at all."""
    found = _families(_place(tally=tally.NONE))
    there = {name for name, family in found.items() if family.samples}
    assert there == {
        "holodeck_records_readable", "holodeck_releases", "holodeck_frozen",
    }  # fmt: skip
    assert {s.value for s in found["holodeck_releases"].samples} == {0}


def test_exposition_of_unreadable_records_says_so_alone():
    """One place without records is told to be so, and hides no other one."""
    broken = {"service": "broken", "environment": "demo", "error": True}
    found = _families(broken, _place())
    assert _values(found.pop("holodeck_records_readable"), "service") == {
        ("broken",): 0, ("guestbook",): 1,
    }  # fmt: skip
    told = {s.labels["service"] for f in found.values() for s in f.samples}
    assert told == {"guestbook"}


@pytest.mark.parametrize("odd", ['a"b', "a\\b", "a\nb", '\\n"', "a\\", "é {x=1} #"])
def test_exposition_escapes_label_values(odd):
    """Whatever stands in a label, it comes out as it was, and breaks no line."""
    found = _families(_place(service=odd, environment=odd))
    for family in found.values():
        for sample in family.samples:
            assert sample.labels["service"] == sample.labels["environment"] == odd


def test_exposition_of_nothing_parses():
    """A master that defines nothing has metrics without a sample."""
    assert not any(family.samples for family in _families().values())
