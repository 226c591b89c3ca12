"""Progress on a real terminal, as somebody sees it there."""

import contextlib
import io
import os
import time

import pyte
import pytest

from holodeck_master import terminal

_WIDTH, _HEIGHT = 60, 16


class _Pty:
    """A pseudo terminal, and what is to be seen on it."""

    def __init__(self):
        self._master, slave = os.openpty()
        os.set_blocking(self._master, False)
        self.stream = os.fdopen(slave, "w", encoding="utf-8")
        self._screen = pyte.Screen(_WIDTH, _HEIGHT)
        self._emulator = pyte.ByteStream(self._screen)

    @property
    def lines(self):
        """The lines by now, without empty ones at the end."""
        self.stream.flush()
        with contextlib.suppress(BlockingIOError):
            while True:
                self._emulator.feed(os.read(self._master, 65536))
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    def close(self):
        """Give both ends back."""
        self.stream.close()
        os.close(self._master)


@pytest.fixture
def pty(monkeypatch):
    """A terminal of 60 columns."""
    monkeypatch.setenv("COLUMNS", str(_WIDTH))
    monkeypatch.setenv("LINES", str(_HEIGHT))
    found = _Pty()
    yield found
    found.close()


def test_rows_change_in_place_and_stay_when_their_phase_is_over(pty):
    """Messages and rows stand in the order in which they came, each once."""
    with terminal.Terminal(pty.stream) as screen:
        screen.say("stage", "2 hosts hold the same bytes")
        screen.expect("rollout", ["web1", "web2"])
        screen.note("rollout", ["web1"], "out of rotation")
        assert pty.lines == (
            "    stage  2 hosts hold the same bytes\n"
            "  rollout  web1  out of rotation  0 s\n"
            "           web2  waits\n"
            "           rollout: 0 s"
        )
        screen.note("rollout", ["web1"], "back in rotation")
        screen.say("rollout", "somebody looks closer")
        screen.note("rollout", ["web2"], "failed: it was ill")
        screen.say("balancer", "the suite passed")
    assert pty.lines == (
        "    stage  2 hosts hold the same bytes\n"
        "  rollout  somebody looks closer\n"
        "  rollout  web1  back in rotation\n"
        "           web2  failed: it was ill\n"
        " balancer  the suite passed"
    )


def test_clock_goes_on_while_nothing_is_said(pty, monkeypatch):
    """Who looks on sees that it lives, and for how long a step takes."""
    monkeypatch.setattr(terminal, "_TICK_S", 0.01)
    with terminal.Terminal(pty.stream) as screen:
        screen.note("hosts", ["web1"], "being made")
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 42)
        end = time.time() + 10
        while "42 s" not in pty.lines and time.time() < end:
            time.sleep(0.01)
        assert "web1  being made  42 s" in pty.lines


def test_long_words_and_many_hosts_break_nothing(pty):
    """What does not fit is cut: a line that wraps would be left behind."""
    with terminal.Terminal(pty.stream) as screen:
        screen.expect("rollout", [f"web{n}" for n in range(40)])
        for words in ("out " * 40, "healthy " * 40, "back"):
            screen.note("rollout", ["web30"], words)
        assert pty.lines.count("web30") == 1
        assert "more" in pty.lines
    assert pty.lines.count("web30") == 1


def test_messages_are_broken_between_words(pty):
    """What stays is not cut: the end of a reason says what helps."""
    with terminal.Terminal(pty.stream) as screen:
        screen.say("failed", "Lock: the commit has none of uv.lock and pylock.toml; "
                   "name another one as `lock`\n  in one more line")  # fmt: skip
    assert pty.lines == (
        "   failed  Lock: the commit has none of uv.lock and\n"
        "             pylock.toml; name another one as `lock`\n"
        "             in one more line"
    )


def test_rows_are_left_whole_when_the_work_raises(pty):
    """The error comes below what was reached by then."""

    def work():
        with terminal.Terminal(pty.stream) as screen:
            screen.note("rollout", ["web1"], "out of rotation")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert pty.lines == "  rollout  web1  out of rotation"


def test_only_a_terminal_is_drawn_on(pty, monkeypatch):
    """Files and pipes get lines, and so does a terminal that cannot move its cursor."""
    monkeypatch.setenv("TERM", "xterm")
    assert terminal.is_live(pty.stream)
    assert not terminal.is_live(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert not terminal.is_live(pty.stream)
    monkeypatch.delenv("TERM")
    assert not terminal.is_live(pty.stream)
