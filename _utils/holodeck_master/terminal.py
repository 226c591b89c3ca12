"""Progress on a terminal: hosts as rows that change, while the clock goes on."""

import os
import shutil
import threading
import time

from holodeck import board

_TICK_S = 1
# Up by so many lines, to the first column; from here to the screen's end.
_UP, _CLEAR = "\x1b[{}F", "\x1b[J"


def is_live(stream):
    """Tell whether a stream is a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class Terminal:
    """
    The screen of one command; a context that ends with the last rows on it.

    Messages stay, one after the other; rows are drawn anew below them, and stay when
    their phase is over.
    """

    def __init__(self, stream):
        self._stream, self._board, self._drawn = stream, board.Board(), 0
        self._lock, self._over = threading.Lock(), threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self):
        self._clock.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._clock.join()
        with self._lock:
            self._put(self._board.settled(self._size().columns))

    def say(self, phase, message):
        """Print a message, which stays."""
        with self._lock:
            self._begin(phase)
            self._put(board.said(phase, message, self._size().columns))
            self._draw()

    def note(self, phase, hosts, words):
        """Show how far hosts have come."""
        with self._lock:
            self._begin(phase)
            self._board.note(hosts, words, time.monotonic())
            self._draw()

    def expect(self, phase, hosts):
        """Show hosts whose turn is to come."""
        with self._lock:
            self._begin(phase)
            self._board.expect(hosts)
            self._draw()

    def _begin(self, phase):
        left = self._board.settled(self._size().columns)
        if self._board.begin(phase, time.monotonic()):
            self._put(left)

    def _tick(self):
        while not self._over.wait(_TICK_S):
            with self._lock:
                self._draw()

    def _draw(self):
        size = self._size()
        lines = self._board.lines(time.monotonic(), size.columns, size.lines)
        self._put(lines)
        self._drawn = len(lines)

    def _put(self, lines):
        """Print lines in place of what was drawn last."""
        back = _UP.format(self._drawn) + _CLEAR if self._drawn else ""
        self._stream.write(back + "".join(f"{line}\n" for line in lines))
        self._stream.flush()
        self._drawn = 0

    def _size(self):
        return shutil.get_terminal_size()
