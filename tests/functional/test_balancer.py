"""Servers moved at a balancer whose HAProxy is a table: whoever comes too late."""

import importlib.util
import threading
from pathlib import Path

import pytest
from waiting import until

from holodeck_io.errors import HolodeckError

_MODULE = Path(__file__).parents[2] / "_modules" / "balancer.py"
_UP = {"status": "UP", "sessions": 0, "address": "", "check": "L7OK"}


class Table:
    """What HAProxy knows of servers; one that ``sleeps`` stays down."""

    def __init__(self):
        self.states = {"web1": "DRAIN", "web2": "UP", "web3": "UP"}
        self.sleeps = set()

    def ask(self, command):
        """Do what ``set server`` says; all else has no answer that counts."""
        words = command.split()
        if words[:2] == ["set", "server"]:
            name = words[2].partition("/")[2]
            up = "DOWN" if name in self.sleeps else "UP"
            self.states[name] = {"ready": up, "drain": "DRAIN"}[words[-1]]
        return ""

    def wake(self, name):
        """Let a server's check pass."""
        self.sleeps.discard(name)
        self.states[name] = "UP"

    def status(self, backend):
        """Return what ``balancer.status`` does."""
        shown = {name: {**_UP, "status": s} for name, s in self.states.items()}
        return {backend: shown}


@pytest.fixture
def table():
    """What HAProxy knows."""
    return Table()


@pytest.fixture
def balancer(table, tmp_path, monkeypatch):
    """The module, with that HAProxy."""
    spec = importlib.util.spec_from_file_location("balancer_of_a_table", _MODULE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "_ask", table.ask)
    monkeypatch.setattr(module, "status", table.status)
    monkeypatch.setattr(module, "STATE_FILE", str(tmp_path / "holodeck.state"))
    return module


def test_swap_takes_others_out_once_its_own_are_in(balancer, table):
    """Both are done with one call, in this order."""
    balancer.swap("guestbook", ["web1"], ["web2"], floor=2)
    assert table.states == {"web1": "UP", "web2": "DRAIN", "web3": "UP"}


def test_swap_keeps_the_floor(balancer, table):
    """What comes in counts; where too few would be left nothing goes out."""
    with pytest.raises(HolodeckError, match="only 2 would serve, and 3 have to"):
        balancer.swap("guestbook", ["web1"], ["web2"], floor=3)
    assert table.states == dict.fromkeys(table.states, "UP")


def test_swap_takes_nobody_out_after_somebody_else_came(balancer, table):
    """What an aborted release has called last does not undo its way back."""
    table.sleeps.add("web1")
    failed = []

    def swap():
        try:
            balancer.swap("guestbook", ["web1"], ["web2"], timeout_s=30)
        except HolodeckError as error:
            failed.append(str(error))

    late = threading.Thread(target=swap)
    late.start()
    until(lambda: table.states["web1"] == "DOWN", "it waits for web1")
    balancer.ready("guestbook", ["web2"])
    table.wake("web1")
    late.join()
    assert table.states == dict.fromkeys(table.states, "UP")
    assert "web2 stays as it is: somebody has moved a server meanwhile" in failed[0]


def test_swap_of_another_service_does_not_count(balancer, table):
    """Each service has a backend of its own."""
    table.sleeps.add("web1")
    late = threading.Thread(target=balancer.swap, args=["one", ["web1"], ["web2"]])
    late.start()
    until(lambda: table.states["web1"] == "DOWN", "it waits for web1")
    balancer.ready("other", ["web3"])
    table.wake("web1")
    late.join()
    assert table.states["web2"] == "DRAIN"
