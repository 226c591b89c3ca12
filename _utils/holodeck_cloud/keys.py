"""
The master's accepted keys of hosts, and its own.

salt-cloud accepts a minion's key before the driver makes the host. What removes or
puts back a key here compares its content first, so that one host's end never takes
another host's key of the same name.
"""

from pathlib import Path

import salt.utils.crypt

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


def master_finger(opts, hash_type):
    """Return the fingerprint of the master's key; None before its first start."""
    path = Path(opts["pki_dir"], "master.pub")
    if not path.is_file():
        return None
    return salt.utils.crypt.pem_finger(str(path), sum_type=hash_type)


def _path(record):
    if not (record.get("public_key") and record.get("accepted_in")):
        return None
    return Path(record["accepted_in"]) / "minions" / record["minion_id"]
