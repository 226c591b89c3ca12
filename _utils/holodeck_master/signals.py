"""
What interrupts a release: signals, and whoever aborts it.

Nothing stops the way back.
"""

import contextlib
import signal
import threading

from holodeck_io.errors import HolodeckError
from holodeck_io.signals import handled
from holodeck_master import wishes

# A reactor's runners are threads of one process: each has its own.
_own = threading.local()


class InterruptedReleaseError(HolodeckError):
    """Somebody, or a closed terminal, ended the release."""


@contextlib.contextmanager
def interruptible(wish):
    """
    Let signals, and a wish to abort, end the work where it calls :func:`check`.

    wish
        The file of what is asked of this release.

    An exception raised by a handler would surface anywhere, also in the parts of
    Salt that swallow every exception. By default a hang-up kills at once, and
    Salt's own handler ends in a traceback.
    """
    caught = _own.caught = []
    _own.wish = wish
    try:
        with handled(lambda number, _: caught.append(number)):
            yield
    finally:
        _own.caught, _own.wish = [], None


@contextlib.contextmanager
def shielded():
    """Let no signal but SIGKILL stop the work."""
    _own.caught, _own.wish = [], None
    with handled(signal.SIG_IGN):
        yield


def check():
    """Raise :class:`InterruptedReleaseError` when a signal came, or a wish to abort."""
    if caught := getattr(_own, "caught", None):
        name = signal.Signals(caught[0]).name
        caught.clear()
        raise InterruptedReleaseError(f"It was interrupted by {name}.")
    if wish := getattr(_own, "wish", None):
        asked = wishes.read(wish)
        if asked.get("word") == wishes.ABORT:
            raise InterruptedReleaseError(f"It was aborted by {asked['user']}.")
