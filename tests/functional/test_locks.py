"""One release at a time, by locks that die with their owner."""

import subprocess
import sys
import textwrap
from types import SimpleNamespace

import pytest

from holodeck_master import environments, locks

_OWNER = """
    import sys, time
    from holodeck_master import environments, locks
    with locks.held({"cachedir": sys.argv[1]}, "guestbook", "demo", "release of main"):
        print("held", flush=True)
        time.sleep(600)
"""


@pytest.fixture
def opts(tmp_path):
    """The master's options, as far as locks read them."""
    return {"cachedir": str(tmp_path)}


@pytest.fixture
def owner(opts):
    """Another process that holds the lock of guestbook in demo."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_OWNER), opts["cachedir"]],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_held_second_holder_is_refused_with_the_owner(opts, owner):
    """Who comes second learns who releases what, since when, as which process."""
    with (
        pytest.raises(locks.LockedError) as refused,
        locks.held(opts, "guestbook", "demo", "another"),
    ):
        pass
    assert f"(pid {owner.pid}): release of main. " in str(refused.value)


def test_held_other_places_are_free(opts, owner):
    """The lock is of one service in one environment only."""
    with (
        locks.held(opts, "guestbook", "staging", ""),
        locks.held(opts, "g", "demo", ""),
    ):
        pass


def test_held_killed_owner_frees_the_lock(opts, owner):
    """After kill -9 of its owner the lock is free at once."""
    owner.kill()
    owner.wait()
    with locks.held(opts, "guestbook", "demo", "another"):
        pass


def test_is_held_by_another_process_while_it_lives(opts, owner):
    """Who asks learns of another's release, only of it, and never after its death."""
    assert locks.is_held(opts, "guestbook", "demo") is True
    assert locks.is_held(opts, "guestbook", "staging") is False
    owner.kill()
    owner.wait()
    assert locks.is_held(opts, "guestbook", "demo") is False


def test_is_held_of_what_never_was_makes_nothing(opts, tmp_path):
    """Where nothing was ever released no lock is held, and none is made."""
    assert locks.is_held(opts, "guestbook", "demo") is False
    assert list(tmp_path.iterdir()) == []


def test_is_held_follows_the_lock_and_does_not_take_it(opts):
    """The question never refuses the release that is about to begin."""
    for _ in range(2):
        with locks.held(opts, "guestbook", "demo", ""):
            assert locks.is_held(opts, "guestbook", "demo") is True
        assert locks.is_held(opts, "guestbook", "demo") is False


def test_environment_held_is_not_a_services_lock(opts):
    """While hosts are made, no service counts as being released."""
    with environments._held(SimpleNamespace(opts=opts), "demo"):
        assert locks.is_held(opts, "guestbook", "demo") is False
        with locks.held(opts, "guestbook", "demo", ""):
            pass


def test_held_leaves_the_lock_free_after_an_error(opts):
    """A release that fails does not keep the next one out."""
    with pytest.raises(ZeroDivisionError), locks.held(opts, "guestbook", "demo", ""):
        raise ZeroDivisionError
    with locks.held(opts, "guestbook", "demo", ""):
        pass


def test_held_names_the_present_owner_not_the_last(opts):
    """The refusal shows who holds the lock now."""
    with locks.held(opts, "guestbook", "demo", "a very long message of the first"):
        pass
    with (
        locks.held(opts, "guestbook", "demo", "second"),
        pytest.raises(locks.LockedError, match=r"\): second\. "),
        locks.held(opts, "guestbook", "demo", "third"),
    ):
        pass
