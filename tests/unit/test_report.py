"""A release told on a page: all that happened, and nothing that is said breaks it."""

import html.parser
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from holodeck_report import junit, page, plot, tests, timeline

_TEMPLATE = (
    Path(__file__).parents[2] / "salt/holodeck/files/report.html.jinja"
).read_text("utf-8")
_EVIL = "</title><script>alert(1)</script> \x00 ]]> \"'&"
_RECORD = {
    "id": "guestbook.demo.7", "service": "guestbook", "environment": "demo",
    "kind": "release", "status": "bad", "commit": "4" * 40, "user": "ann",
    "started": "2026-01-01T10:00:00Z", "reason": _EVIL, "message": _EVIL,
    "back": {"demo-web1": "in rotation at 000000000000"}, "deployment": "4444-c",
    "phases": [{"name": "stage", "at": 100.0, "seconds": 2.0},
               {"name": "rollout", "at": 102.0, "seconds": 10.0}],
    "bundle": {"layers": [{"filename": "a.deb", "sha256": "s" * 64}]},
}  # fmt: skip
_STEPS = [
    [102.0, "rollout", ["demo-web1"], "begins"],
    [103.0, "rollout", ["demo-web1"], "out of rotation"],
    [105.0, "rollout", ["demo-web1"], "healthy at 444444444444"],
    [108.0, "back", ["demo-web1"], "begins"],
    [110.0, "back", ["demo-web1"], "in rotation at 000000000000"],
]
_FAILURE = {"id": "test_x.py::test_home", "why": _EVIL, "curl": f"curl '{_EVIL}'"}
_HTTP = {"n": 9, "p50": 1.5, "p95": 2.5, "p99": 3.5, "max": 4.5}
_ROWS = {
    "demo-web1": {"state": "failed", "failures": [_FAILURE], "http": _HTTP},
    "demo-web2": {"state": "not-run", "failures": [{"id": "suite", "why": "silent"}]},
}
_TESTS = {
    "demo-web1": {
        "test_x.py::test_a": ["P", 12], "test_x.py::test_home": ["F", 3],
        f"test_x.py::test_{_EVIL}": ["S", 0],
    },
    "demo-web2": {"test_x.py::test_a": ["P", 8]},
}  # fmt: skip
_CHANGES = {
    "before": "0000 (guestbook.demo.6)", "settings": {"GREETING": "changed"},
    "packages": {"flask": ["3.0", "3.1"], "gone": ["1", None]},
    "commits": [{"commit": "4" * 40, "subject": _EVIL}],
}  # fmt: skip
_PROBE = [[100, 10, 0, 3.0], [101, 10, 2, 900.0], [103, 8, 0, 4.0]]
_STORY = {
    "steps": _STEPS, "rows": _ROWS, "tests": _TESTS, "probe": _PROBE,
    "cut": {"demo-tester1": ["/var/lib/holodeck/all.jsonl"]},
}  # fmt: skip


class _Reader(html.parser.HTMLParser):
    """Which elements there are, what they point to, and all of the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.said = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in {"src", "href", "style", "onload"}]

    def handle_data(self, data):
        self.said.append(data)


def _page(record=_RECORD, story=_STORY, changes=_CHANGES):
    return page.html(_TEMPLATE, record, story, changes)


def test_page_shows_what_happened():
    """Reason, way back, changes, tests, requests to repeat and digests are there."""
    said = " ".join("".join(_Reader(_page()).said).split())
    for words in (
        "guestbook in demo", "bad", "by ann", "demo-web1: in rotation at 000000000000",
        "GREETING changed", "flask 3.0 → 3.1", "gone 1 → gone", "2 failures",
        "test_x.py::test_home on demo-web1", "3 tests on 2 targets", "28 requests",
        "2 failed", "s" * 64, "demo-tester1 had to say was too long to come back whole",
        "/var/lib/holodeck/all.jsonl",
    ):  # fmt: skip
        assert words in said


def test_page_needs_nothing_else_and_runs_nothing():
    """No script, no link: it can be mailed, and what a service says stays text."""
    read = _Reader(_page())
    assert "script" not in read.tags
    assert "link" not in read.tags
    assert all(link.startswith("left:") for link in read.links)
    assert "<script>alert(1)" in "".join(read.said)


def test_page_of_what_ended_early():
    """A release that was refused by a missing host has a page too."""
    record = {**_RECORD, "commit": None, "bundle": None, "phases": [], "back": {}}
    story = {"steps": [], "rows": {}, "tests": {}, "cut": {}}
    changes = {"before": None, "settings": {}, "packages": None, "commits": []}
    read = _Reader(_page(record, story, changes))
    assert "svg" not in read.tags
    assert "none" in "".join(read.said)


def test_timeline_bars_lie_between_steps():
    """A step ends its bar; waiting between two journeys is no bar."""
    chart = timeline.chart(_STEPS, _RECORD["phases"])
    release, host = chart["rows"]
    assert [bar["x"] for bar in release["bars"]] == [0, 166.7]
    assert [(bar["kind"], bar["x"], bar["width"]) for bar in host["bars"]] == [
        ("drain", 166.7, 83.3), ("switch", 250, 166.7), ("back", 666.7, 166.6),
    ]  # fmt: skip
    assert chart["seconds"] == 12
    assert [tick["label"] for tick in chart["ticks"]][:2] == ["0 s", "2 s"]


@pytest.mark.parametrize("seconds", [0.1, 1, 9, 61, 3599, 7200, 50_000])
def test_timeline_ticks_can_be_read(seconds):
    """However long it took, there are a few marks at round times."""
    phases = [{"name": "x", "at": 5.0, "seconds": seconds}]
    ticks = timeline.chart([], phases)["ticks"]
    assert 1 <= len(ticks) <= 10
    assert all(0 <= tick["x"] <= 100 for tick in ticks)


def test_tests_failures_come_first():
    """Whoever opens the page at night sees what failed."""
    table = tests.table(_TESTS)
    assert table["rows"][0]["id"] == "test_x.py::test_home"
    first = table["rows"][0]["cells"]
    assert [cell["outcome"] for cell in first] == ["F", "-"]
    assert first[1]["title"] == "did not run"
    assert table["counts"]["passed"] == 2


def test_plot_marks_failures_in_their_second():
    """A second without requests is a gap, not a shift."""
    chart = plot.chart(_PROBE)
    assert (chart["sent"], chart["failed"], chart["p95_most"]) == (28, 2, 900)
    assert [bar["x"] for bar in chart["bars"]] == [0, 250, 750]
    assert [bar["failed"] for bar in chart["bars"]] == [0, 20, 0]
    assert plot.chart([]) is None
    assert plot.chart(None) is None


def test_junit_is_well_formed_and_complete():
    """Each test is a case of its target; a dead tester is an error, not a gap."""
    root = ET.fromstring(junit.xml(_RECORD, _ROWS, _TESTS))
    whole, one, two = root.findall("testsuite")
    # The release itself is a case, when it is not good: also without any test.
    assert (whole.get("name"), whole.get("errors")) == ("release", "1")
    assert (one.get("tests"), one.get("failures"), one.get("skipped")) == (
        "3",
        "1",
        "1",
    )
    [failure] = one.iter("failure")
    assert "<script>alert(1)" in failure.text
    assert (two.get("tests"), two.get("errors")) == ("2", "1")
    [error] = two.iter("error")
    assert error.text == "silent"
    case = one.find("testcase")
    assert (case.get("classname"), case.get("name")) == (
        "demo-web1.test_x.py",
        "test_a",
    )
