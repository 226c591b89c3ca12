"""Signals around a release: they interrupt it, and nothing stops the way back."""

import contextlib
import signal
import threading

from holodeck_io.errors import HolodeckError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_caught = []


class InterruptedReleaseError(HolodeckError):
    """Somebody, or a closed terminal, ended the release."""


@contextlib.contextmanager
def interruptible():
    """
    Let signals end the work where it calls :func:`check`.

    An exception raised by a handler would surface anywhere, also in the parts of
    Salt that swallow every exception. By default a hang-up kills at once, and
    Salt's own handler ends in a traceback.
    """
    _caught.clear()
    with _handled(lambda number, _: _caught.append(number)):
        yield


@contextlib.contextmanager
def shielded():
    """Let no signal but SIGKILL stop the work."""
    _caught.clear()
    with _handled(signal.SIG_IGN):
        yield


def check():
    """Raise :class:`InterruptedReleaseError` when a signal came."""
    if _caught:
        name = signal.Signals(_caught[0]).name
        _caught.clear()
        raise InterruptedReleaseError(f"It was interrupted by {name}.")


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
