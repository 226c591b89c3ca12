"""What an interruption does for a while: the keyboard's, a kill, a closed terminal."""

import contextlib
import signal
import threading

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def handled(handler):
    """Have ``handler`` for the signals that interrupt; afterwards what was before."""
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
