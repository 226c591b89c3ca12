"""Waiting for a cloud: a deadline, and intervals that grow."""

import time

from holodeck_io.errors import HolodeckError

_FIRST_S = 0.5
_GROWTH = 1.25
_LAST_S = 5


class Deadline:
    """A moment until which is waited, and what is said when it has passed."""

    def __init__(self, seconds):
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left_s(self):
        """Return the seconds that are left; 0 when it has passed."""
        return max(0, self._end - time.monotonic())

    def until(self, look, what, advice, bear=None):
        """
        Ask ``look`` again and again, and return its first answer that is true.

        bear
            Tells of an error whether the next look may go well.

        Raises :class:`HolodeckError` that begins with ``what``, which may be called
        for the last words on it, and ends with ``advice``.
        """
        pause_s = _FIRST_S
        while not (found := self._looked(look, bear)):
            if not self.left_s():
                said = what() if callable(what) else what
                raise HolodeckError(f"{said} after {self.seconds:g} s; {advice}.")
            time.sleep(min(pause_s, self.left_s()))
            pause_s = min(pause_s * _GROWTH, _LAST_S)
        return found

    def _looked(self, look, bear):
        try:
            return look()
        except Exception as error:
            if bear and bear(error) and self.left_s():
                return None
            raise
