"""Switches of one service on one host: in turn, and never a late one."""

import time

import pytest

from holodeck import names
from holodeck_io.errors import HolodeckError
from holodeck_webapp import deployments


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """A host whose state lies in tmp_path."""
    monkeypatch.setattr(names, "STATE", str(tmp_path))
    return tmp_path


def _take(service, order):
    with deployments.turn(service, order):
        return order


def test_turn_late_order_is_refused():
    """A job that was taken for lost must not switch a host that went back."""
    early, late = time.time_ns(), time.time_ns() + 1
    _take("guestbook", late)
    with pytest.raises(HolodeckError, match="a later switch came before this one"):
        _take("guestbook", early)
    assert _take("guestbook", late + 1)


def test_turn_same_order_again_is_taken():
    """Salt may deliver one job twice: it is no later one."""
    _take("guestbook", 7)
    assert _take("guestbook", 7) == 7


def test_turn_without_order_always_comes():
    """A person or a state that names no order is never refused, and changes none."""
    _take("guestbook", 7)
    assert _take("guestbook", 0) == 0
    with pytest.raises(HolodeckError):
        _take("guestbook", 6)


def test_turn_is_of_one_service():
    """Another service on the same host has turns of its own."""
    _take("guestbook", 7)
    assert _take("guestbook-2", 6) == 6


def test_turn_that_failed_still_counts():
    """A switch that broke half-way is not undone by an older one."""
    with pytest.raises(ZeroDivisionError), deployments.turn("guestbook", 7):
        raise ZeroDivisionError
    with pytest.raises(HolodeckError):
        _take("guestbook", 6)
