"""Signals around a release: handled for a while, and then as before."""

import contextlib
import signal
import threading
from pathlib import Path

import pytest

from holodeck_master import signals

_NO_WISH = Path("/nonexistent/wish")
_ALL = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
_each = pytest.mark.parametrize("number", _ALL, ids=lambda number: number.name)


@_each
def test_interruptible_work_ends_where_it_looks(number):
    """A signal ends the work by its name, where the work can be ended, and once."""
    with signals.interruptible(_NO_WISH):
        signals.check()
        signal.raise_signal(number)
        with pytest.raises(signals.InterruptedReleaseError, match=number.name):
            signals.check()
        signals.check()


def test_interruptible_forgets_the_signals_of_before():
    """A signal that came when nobody looked any more does not end the next work."""
    with signals.interruptible(_NO_WISH):
        signal.raise_signal(signal.SIGHUP)
    with signals.interruptible(_NO_WISH):
        signals.check()


def test_shielded_forgets_the_signal_that_led_to_it():
    """Several signals at once lead back once: the way back is not ended by them."""
    with signals.interruptible(_NO_WISH):
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
        with signals.shielded():
            signals.check()


@_each
def test_shielded_work_goes_on(number):
    """No signal stops what is shielded, also within what is interruptible."""
    done = []
    with signals.interruptible(_NO_WISH), signals.shielded():
        signal.raise_signal(number)
        signals.check()
        done.append(number)
    assert done


@_each
@pytest.mark.parametrize(
    "way", [lambda: signals.interruptible(_NO_WISH), signals.shielded]
)
def test_handlers_are_as_before_afterwards(number, way):
    """Whatever happens within, Salt's own handlers are back."""
    # What nohup has left to the tests does not count.
    found, before = signal.signal(number, signal.SIG_DFL), signal.SIG_DFL
    within = []
    with contextlib.suppress(ZeroDivisionError), way():
        within.append(signal.getsignal(number))
        raise ZeroDivisionError
    assert within != [before]
    assert signal.signal(number, found) == before


def test_other_threads_do_their_work_without():
    """In a reactor's thread, where Python takes no handlers, the work is done."""
    done = []

    def work():
        with signals.interruptible(_NO_WISH), signals.shielded():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
