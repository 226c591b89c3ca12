"""Signals around a release: they interrupt it, and nothing stops the way back."""

import contextlib
import signal
import threading

from holodeck_io.errors import HolodeckError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class InterruptedReleaseError(HolodeckError):
    """Somebody, or a closed terminal, ended the release."""


@contextlib.contextmanager
def interruptible():
    """
    Turn signals into an error that is handled as any other.

    By default a hang-up kills at once, and Salt's handler ends in a traceback.
    """

    def interrupt(number, _):
        raise InterruptedReleaseError(
            f"It was interrupted by {signal.Signals(number).name}."
        )

    with _handled(interrupt):
        yield


@contextlib.contextmanager
def shielded():
    """Let no signal but SIGKILL stop the work."""
    with _handled(signal.SIG_IGN):
        yield


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
