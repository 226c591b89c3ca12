"""Worlds, builders and hosts that several files work with."""

import pytest
import salt._logging
from bundle_builder import Place
from bundle_host import Host
from fake_fleet import OLD
from fake_world import opened, served, started
from metrics_text import measuring_world

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


@pytest.fixture
def file(tmp_path):
    """Where node exporter looks."""
    return tmp_path / "node-exporter.d" / "holodeck.prom"


@pytest.fixture
def measured(tmp_path, file):
    """A world with the old commit in service, which writes its metrics from now on."""
    file.parent.mkdir()
    return measuring_world(served(tmp_path), file)


@pytest.fixture
def here(tmp_path, index):
    """A builder, which asks the file's own index."""
    return Place(tmp_path / "here")


@pytest.fixture
def elsewhere(tmp_path, index):
    """Another builder, which has built nothing yet."""
    return Place(tmp_path / "elsewhere")


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host of packages with nothing on it."""
    return Host(tmp_path, monkeypatch)
