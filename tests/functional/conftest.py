"""Worlds that several files release in."""

import pytest
import salt._logging
from fake_fleet import OLD
from fake_world import opened, started

# Salt keeps what is logged for a handler of its own, and prints it at the exit.
salt._logging.shutdown_temp_handler()


@pytest.fixture
def fresh(tmp_path):
    """A world where nothing was ever released."""
    return opened(tmp_path)


@pytest.fixture
def world(fresh):
    """A world where the commit ``old`` is released and serves."""
    record = started(fresh, OLD)
    assert record["status"] == "good", record["reason"]
    fresh.fleet.steps.clear()
    fresh.fleet.in_service = True
    return fresh
