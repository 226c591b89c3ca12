"""
What interrupts a release: signals, and whoever aborts it.

Nothing stops the way back.
"""

import contextlib
import signal
import threading

from holodeck_io.errors import HolodeckError
from holodeck_master import wishes

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_caught = []
_places = []


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
    _caught.clear()
    _places.append(wish)
    try:
        with _handled(lambda number, _: _caught.append(number)):
            yield
    finally:
        _places.clear()


@contextlib.contextmanager
def shielded():
    """Let no signal but SIGKILL stop the work."""
    _caught.clear()
    _places.clear()
    with _handled(signal.SIG_IGN):
        yield


def check():
    """Raise :class:`InterruptedReleaseError` when a signal came, or a wish to abort."""
    if _caught:
        name = signal.Signals(_caught[0]).name
        _caught.clear()
        raise InterruptedReleaseError(f"It was interrupted by {name}.")
    for place in _places:
        asked = wishes.read(place)
        if asked.get("word") == wishes.ABORT:
            raise InterruptedReleaseError(f"It was aborted by {asked['user']}.")


@contextlib.contextmanager
def _handled(handler):
    # Python takes handlers in the main thread alone; a reactor's runner is in none.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, how in before.items():
            signal.signal(number, how)
