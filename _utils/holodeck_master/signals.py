"""Signals around a release: a hang-up interrupts, nothing stops the way back."""

import contextlib
import signal
import threading


@contextlib.contextmanager
def interruptible():
    """Let a hang-up end the work as Ctrl-C does; by default it kills at once."""

    def interrupt(*_):
        raise KeyboardInterrupt

    with _handled({signal.SIGHUP: interrupt}):
        yield


@contextlib.contextmanager
def shielded():
    """Let no signal but SIGKILL stop the work."""
    with _handled(
        dict.fromkeys((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), signal.SIG_IGN)
    ):
        yield


@contextlib.contextmanager
def _handled(handlers):
    # Python takes handlers in the main thread alone; a reactor's runner is in none.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, how) for number, how in handlers.items()}
    try:
        yield
    finally:
        for number, how in before.items():
            signal.signal(number, how)
