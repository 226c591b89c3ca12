"""From a profile to a host's record."""

import pytest

from holodeck_io.errors import HolodeckError
from holodeck_nspawn import plan

PLACES = {"cache": "/cache", "ca_bundle": "/etc/ca.crt"}


def test_record_of_a_bare_profile():
    """A profile that says nothing gives a small host on the bridge."""
    record = plan.record({"name": "web1"}, **PLACES)
    assert (record["size"], record["memory_mb"], record["cpus"]) == ("small", 512, 1)
    assert (record["network_mode"], record["binds"]) == ("private", [])


def test_record_overrides_its_size():
    """What a profile says itself wins over the size."""
    record = plan.record({"name": "a", "size": "large", "memory_mb": 256}, **PLACES)
    assert (record["memory_mb"], record["cpus"]) == (256, 4)


def test_record_puts_the_machines_places_into_binds():
    """Profiles are free of the machine's paths."""
    binds = ["{cache}/uv:/var/cache/uv", "{ca_bundle}:/ca.crt:ro"]
    assert plan.record({"name": "a", "binds": binds}, **PLACES)["binds"] == [
        {"source": "/cache/uv", "target": "/var/cache/uv", "read_only": False},
        {"source": "/etc/ca.crt", "target": "/ca.crt", "read_only": True},
    ]


@pytest.mark.parametrize(
    ("key", "value", "path"),
    [
        ("size", "huge", "size"),
        ("network_mode", "bridge", "network_mode"),
        ("memory_mb", 8, "memory_mb"),
        ("memory_mb", "512M", "memory_mb"),
        ("cpus", True, "cpus"),
        ("disk_mb", 1, "disk_mb"),
        ("binds", ["/only-a-source"], "binds/0"),
        ("binds", ["/a:/b", "/a:/b:rw"], "binds/1"),
        ("binds", ["relative:/b"], "binds/0"),
        ("binds", ["{home}/a:/b"], "binds/0"),
    ],
)
def test_record_refuses(key, value, path):
    """A value that cannot work is refused by its path."""
    with pytest.raises(HolodeckError, match=f"web1: {path}: "):
        plan.record({"name": "web1", key: value}, **PLACES)
