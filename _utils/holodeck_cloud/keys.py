"""
The master's accepted keys of hosts, and its own.

salt-cloud accepts a minion's key before the driver makes the host. What removes or
puts back a key here compares its content first, so that one host's end never takes
another host's key of the same name.
"""

import json
import urllib.parse
from pathlib import Path

import salt.utils.crypt

from holodeck_io.files import write_atomic


def forget(record, before=None):
    """
    Remove the accepted key of a host, unless another host's is in its place.

    before
        The public key of a host that has the name already, which salt-cloud's new one
        has replaced: it is accepted again.
    """
    path = _path(record)
    if not (path and path.is_file() and path.read_text() == record["public_key"]):
        return
    if before:
        write_atomic(path, before)
    else:
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


class Made:
    """
    The public keys of the hosts that a driver has made, in salt-cloud's cache.

    salt-cloud takes a host that its cloud does not list, because that is away, for one
    to be made, and accepts a new key in the place of the running one's.

    opts
        salt-cloud's options.
    driver
        The driver's name.
    """

    def __init__(self, opts, driver):
        self._folder = Path(opts["cachedir"], f"holodeck_{driver}")

    def key(self, name):
        """Return the public key of the host of a name; None where none is known."""
        return self._record(name).get("public_key")

    def put(self, name, host_id, public_key):
        """Note a host's key; a host without one, which is no minion, has no note."""
        if not public_key:
            self._file(name).unlink(missing_ok=True)
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        record = {"id": host_id, "public_key": public_key}
        write_atomic(self._file(name), json.dumps(record))

    def drop(self, name, host_id):
        """Forget a host that is gone, and none that has its name."""
        if self._record(name).get("id") == host_id:
            self._file(name).unlink(missing_ok=True)

    def _record(self, name):
        try:
            return json.loads(self._file(name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}

    def _file(self, name):
        # A cloud's names are no file names.
        return self._folder / f"{urllib.parse.quote(name, safe='')}.json"


def _path(record):
    if not (record.get("public_key") and record.get("accepted_in")):
        return None
    return Path(record["accepted_in"]) / "minions" / record["minion_id"]
