"""How many suites run at once."""

import threading
import time

import pytest

from holodeck_tester import turnstile


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    """Waiting takes no time worth a test's."""
    monkeypatch.setattr(turnstile, "_POLL_S", 0.01)


def _most(gate, count):
    """Return how many of ``count`` were inside at once."""
    inside, most, lock = 0, 0, threading.Lock()
    end = time.monotonic() + 30

    def work():
        nonlocal inside, most
        with gate.turn(end):
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.2)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return most


def test_busy_cores_let_in_one_each():
    """Suites that keep a core busy do not slow one another down."""
    assert _most(turnstile.Turnstile(cores=2, idle=lambda: 0.0), 6) == 2


def test_idle_cores_let_in_more():
    """Suites that wait for answers leave cores idle, and more are let in."""
    assert _most(turnstile.Turnstile(cores=1, idle=lambda: 1.0), 6) > 3


def test_turn_ends_with_the_deadline():
    """Whoever waits beyond the deadline is let through, to say so."""
    gate = turnstile.Turnstile(cores=1, idle=lambda: 0.0)
    with gate.turn(time.monotonic() + 30), gate.turn(time.monotonic() + 0.05):
        pass
    with gate.turn(time.monotonic()):
        assert gate._inside == 1


def test_idle_is_read_from_the_kernel():
    """A machine that does nothing has idle cores; at most all of them."""
    idle = turnstile._Idle()
    time.sleep(0.05)
    assert 0 <= idle() <= 4096
