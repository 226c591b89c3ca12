"""The master's events, on a real bus: whoever listens misses none."""

import asyncio
import gc
import warnings
from pathlib import Path

import pytest
import salt.config
import salt.utils.event
from event_bus import published

from holodeck_master.bus import Bus

_TAG = "salt/job/20261127/ret/"
_OPEN = Path("/proc/self/fd")


@pytest.fixture
def opts(tmp_path):
    """The options of a master whose sockets are in a folder of its own."""
    defaults = salt.config.master_config(None)
    return {**defaults, "sock_dir": str(tmp_path / "run")}


@pytest.fixture
def bus(opts):
    """Hear the events of jobs."""
    with published(opts):
        found = Bus(opts, "salt/job/")
        assert found.opens(20)
        yield found
        found.close()


def test_bus_is_heard_where_a_loop_runs_already(opts):
    """A runner that a minion asked for runs in one of the master's own loops."""

    async def heard():
        bus = Bus(opts, "salt/job/")
        assert bus.opens(20)
        with salt.utils.event.get_event("master", opts=opts, listen=False) as teller:
            teller.fire_event({"n": 1}, f"{_TAG}host1")
        found = bus.next(20)
        bus.close()
        return found

    with published(opts):
        tag, data = asyncio.run(heard())
    assert (tag, data["n"]) == (f"{_TAG}host1", 1)


def test_no_event_is_lost_between_two_looks(opts, bus):
    """Time limits that end again and again lose nothing, nor does a pause."""
    told = [f"{_TAG}host{number}" for number in range(300)]
    heard = []
    with salt.utils.event.get_event("master", opts=opts, listen=False) as teller:
        for tag in told:
            teller.fire_event({"n": tag}, tag)
            heard.append(bus.next(0.001))
    heard += iter(lambda: bus.next(2), None)
    heard = [event for event in heard if event]
    assert [tag for tag, _ in heard] == told
    assert all(data["n"] == tag for tag, data in heard)


def test_other_events_are_left_out(opts, bus):
    """What has another tag is not there, and what comes after it is."""
    with salt.utils.event.get_event("master", opts=opts, listen=False) as teller:
        for tag in ("salt/auth", f"{_TAG}a", "minion/refresh/b", f"{_TAG}b"):
            teller.fire_event({}, tag)
    assert [bus.next(20)[0] for _ in "ab"] == [f"{_TAG}a", f"{_TAG}b"]
    assert bus.next(0.1) is None


def test_event_that_is_none_is_left_out(opts, bus):
    """What nobody can unpack takes nothing from what comes after it."""
    with salt.utils.event.get_event("master", opts=opts, listen=False) as teller:
        teller.connect_pull()
        teller.pusher.publish(f"{_TAG}a\n\n".encode() + b"\xc1")
        teller.fire_event({}, f"{_TAG}b")
    found = bus.next(20) or bus.next(20)
    assert found[0] == f"{_TAG}b"


def test_bus_that_comes_back_is_heard_again(opts):
    """A master that is started anew is listened to without a word."""
    with published(opts):
        bus = Bus(opts, "salt/job/")
        assert bus.opens(20)
    # A second after nobody listens there, Salt says that it is connected.
    assert bus.next(1.5) is None
    assert not bus.opens(0)
    with (
        published(opts),
        salt.utils.event.get_event("master", opts=opts, listen=False) as teller,
    ):
        assert bus.opens(20)
        teller.fire_event({}, f"{_TAG}a")
        assert bus.next(20)
        bus.close()


def test_bus_that_is_not_there_does_not_open(opts):
    """Without a master it says so when the time is up, and can be closed."""
    bus = Bus(opts, "salt/job/")
    assert not bus.opens(1.5)
    bus.close()


def test_closed_bus_leaves_nothing(opts, recwarn, caplog, capfd):
    """Closing, and closing again, is silent, and leaves no file open."""
    warnings.simplefilter("always")
    with published(opts):
        gc.collect()
        before = len(list(_OPEN.iterdir()))
        for _ in range(3):
            bus = Bus(opts, "salt/job/")
            assert bus.opens(20)
            bus.close()
            bus.close()
            del bus
        gc.collect()
        assert len(list(_OPEN.iterdir())) == before
    assert not [str(w.message) for w in recwarn if "asyncio" in str(w.message)]
    assert "pending" not in caplog.text + capfd.readouterr().err
