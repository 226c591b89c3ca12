"""The rows of a release on a terminal."""

import pytest

from holodeck import board

_WEB = ["demo-web1", "demo-web2", "demo-web3"]


@pytest.fixture
def rollout():
    """Three hosts, of which the second is being taken over."""
    found = board.Board()
    found.begin("rollout", 10)
    found.expect(_WEB)
    found.note(["demo-web1"], "back in rotation", 14)
    found.note(["demo-web2"], "out of rotation", 14.4)
    return found


def test_rows_say_where_each_host_is(rollout):
    """Hosts keep their order; the time is of those that were heard of last."""
    assert rollout.lines(17, 80, 24) == [
        "  rollout  demo-web1  back in rotation",
        "           demo-web2  out of rotation   3 s",
        "           demo-web3  waits",
        "           rollout: 7 s",
    ]


def test_rows_that_stay_have_no_time(rollout):
    """What is over does not look as if it went on."""
    assert rollout.settled(80) == [
        "  rollout  demo-web1  back in rotation",
        "           demo-web2  out of rotation",
        "           demo-web3  waits",
    ]


def test_other_phase_has_rows_of_its_own(rollout):
    """The same phase goes on with them, another one begins without."""
    assert not rollout.begin("rollout", 20)
    assert rollout.begin("balancer", 20)
    assert rollout.settled(80) == []
    assert rollout.lines(21.2, 80, 24) == ["           balancer: 1 s"]


def test_host_that_was_heard_of_is_not_expected_anew(rollout):
    """A host that is done does not wait again, when others are expected."""
    rollout.expect(["demo-web1", "demo-web4"])
    assert [line.split()[-1] for line in rollout.settled(80)] == [
        "rotation", "waits", "rotation", "waits"
    ]  # fmt: skip


@pytest.mark.parametrize("width", [20, 40, 80])
def test_lines_fit_the_width(rollout, width):
    """A line that would be wrapped could not be drawn over."""
    rollout.note(["demo-web3"], "failed: " + "a long story " * 20, 15)
    lines = [*rollout.lines(17, width, 24), *rollout.settled(width)]
    assert max(map(len, lines)) < width
    assert any(line.endswith("…") for line in lines)


@pytest.mark.parametrize("height", [4, 6, 12])
def test_lines_fit_the_height(height):
    """Those at work are there; how many are not is said."""
    found = board.Board()
    found.begin("rollout", 0)
    hosts = [f"demo-web{n}" for n in range(1, 65)]
    found.expect(hosts)
    found.note(["demo-web50"], "out of rotation", 1)
    lines = found.lines(2, 80, height)
    assert len(lines) < height
    assert any("demo-web50" in line for line in lines)
    shown = sum("demo-web" in line for line in lines)
    assert f"… and {64 - shown} more" in lines[-2]
    assert len(found.settled(80)) == 64


def test_said_names_the_phase_once():
    """A message of several lines is one block."""
    assert board.said("failed", "No.\nNot now.", 80) == [
        "   failed  No.", "           Not now."
    ]  # fmt: skip
    assert board.said("stage", "", 80) == ["    stage"]
