"""Worlds that several files release in."""

import pytest
from fake_world import OLD, opened, started


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
