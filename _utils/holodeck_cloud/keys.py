"""
The master's accepted keys of hosts.

salt-cloud accepts a minion's key before the driver makes the host. What removes or
puts back a key here compares its content first, so that one host's end never takes
another host's key of the same name.
"""

from pathlib import Path

from holodeck_io.files import write_atomic


def forget(record):
    """Remove the accepted key of a host, unless another host's is in its place."""
    path = _path(record)
    if path and path.is_file() and path.read_text() == record["public_key"]:
        path.unlink()


def restore(record):
    """Put a host's accepted key back, which a second create of its name replaced."""
    path = _path(record)
    if path and path.is_file() and path.read_text() != record["public_key"]:
        write_atomic(path, record["public_key"])


def _path(record):
    if not (record.get("public_key") and record.get("accepted_in")):
        return None
    return Path(record["accepted_in"]) / "minions" / record["minion_id"]
