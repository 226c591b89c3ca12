"""What a place's releases come to, record by record."""

import functools

import pytest

from holodeck import tally


def record(number, status, **facts):
    """Return a record as the master keeps it."""
    return {
        "id": f"guestbook.demo.{number}", "number": number, "status": status,
        "kind": "release", "commit": "1" * 40, "user": "ann",
        "started": "2026-01-01T10:00:00Z", "ended": "2026-01-01T10:01:00Z",
        "phases": [], **facts,
    }  # fmt: skip


def _of(*records):
    return functools.reduce(tally.grown, records, tally.NONE)


def test_grown_counts_each_end_by_its_outcome():
    """Releases and rollbacks are counted apart, each by how it ended."""
    found = _of(
        record(1, "good"), record(2, "bad"), record(3, "aborted"), record(4, "good"),
        record(5, "good", kind="rollback"),
    )  # fmt: skip
    assert found["ended"] == {
        "release": {"good": 2, "bad": 1, "aborted": 1}, "rollback": {"good": 1},
    }  # fmt: skip


def test_grown_counts_a_record_once():
    """What is taken up again after its end is one release, and no count gets lower."""
    ended = _of(record(1, "bad"))
    again = tally.grown(ended, record(1, "running"))
    assert again["ended"] == {"release": {"bad": 1}}
    assert tally.grown(again, record(1, "bad"))["ended"] == {"release": {"bad": 1}}


def test_grown_counts_no_release_before_its_end():
    """One that runs is the newest, and nothing else yet."""
    found = _of(record(1, "good"), record(2, "running", ended=None))
    assert found["ended"] == {"release": {"good": 1}}
    assert found["newest"]["id"] == "guestbook.demo.2"
    assert found["last"]["id"] == found["current"]["id"] == "guestbook.demo.1"
    assert not tally.is_settled(found)


def test_grown_keeps_the_count_of_what_was_taken_back():
    """A release that a rollback undid had ended well: made anew, the count is equal."""
    along = _of(record(1, "good"), record(2, "good"), record(3, "good", to="…1"))
    anew = _of(record(1, "good"), record(2, "rolled-back"), record(3, "good", to="…1"))
    assert along["ended"] == anew["ended"] == {"release": {"good": 3}}
    assert anew["current"]["id"] == "guestbook.demo.3"


def test_current_is_the_last_good_one():
    """Neither a bad release nor one that was taken back is what is current."""
    found = _of(record(1, "good"), record(2, "rolled-back"), record(3, "bad"))
    assert found["current"]["id"] == "guestbook.demo.1"
    assert found["last"]["id"] == "guestbook.demo.3"


def test_facts_adds_phases_of_one_name():
    """A release that was resumed went through a phase twice."""
    phases = [{"name": "hosts", "seconds": 1.1}, {"name": "build", "seconds": 2},
              {"name": "hosts", "seconds": 0.2}]  # fmt: skip
    found = tally.facts(record(1, "good", phases=phases))
    assert found["phases"] == {"hosts": 1.3, "build": 2}
    assert found["seconds"] == 3.3


@pytest.mark.parametrize(
    ("status", "away"),
    [("good", 1), ("bad", 2), ("aborted", 2), ("running", 5)],
)
def test_facts_counts_hosts_that_are_away(status, away):
    """
    Hosts that stayed out, that could not go home, or that a release holds just now.

    What a bad release had touched is home again but for those.
    """
    hosts = {"failed": {"a": "x"}, "away": ["b", "c"], "touched": ["c", "d", "e"]}
    assert tally.facts(record(1, status, **hosts))["away"] == away


def test_facts_has_no_more_than_is_told():
    """No reason, no bundle, no digest of a setting gets into metrics and events."""
    secret = "hunter2"
    given = record(1, "bad", reason=secret, settings={"A": secret}, message=secret,
                   bundle={"sbom": secret}, back={"web1": secret})  # fmt: skip
    assert secret not in str(tally.facts(given))
