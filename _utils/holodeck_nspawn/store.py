"""What is known of each host, on disk: records, locks, and addresses."""

import fcntl
import json
import os
import shutil
from contextlib import contextmanager

from holodeck_io.errors import HolodeckError
from holodeck_io.files import write_atomic

CREATING = "creating"
MADE = "made"
DESTROYING = "destroying"
# Did not boot, and is kept for a look at it.
FAILED = "failed"


@contextmanager
def lock(provider, name, *, wait=True):
    """
    Hold the lock of the host ``name``; yield its file, or None when it is taken.

    A process that starts in between gets the same open file as its standard input,
    so the lock is free only when that process has gone or stands on its own.
    """
    folder = provider.directory / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    file = _locked(folder / name, wait)
    try:
        yield file
    finally:
        if file:
            # Unlinked while it is held: who waits for it sees that it has gone.
            if not provider.folder(name).exists():
                (folder / name).unlink(missing_ok=True)
            file.close()


def _locked(path, wait):
    while True:
        file = open(path, "w")  # noqa: SIM115 - the caller closes it
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return file
        except BlockingIOError:
            file.close()
            return None
        except FileNotFoundError:
            pass
        file.close()


def tidy_locks(provider):
    """Remove the lock files that killed drivers left for hosts that do not exist."""
    folder = provider.directory / "locks"
    left = {path.name for path in folder.glob("*")}
    for name in left - {*names(provider)}:
        with lock(provider, name, wait=False):
            pass


@contextmanager
def network_lock(provider):
    """Hold the lock of the provider's bridge and addresses."""
    provider.directory.mkdir(parents=True, exist_ok=True)
    with open(provider.directory / ".network.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def names(provider):
    """Return the names of all hosts that have a folder."""
    folder = provider.directory / "hosts"
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.name[0] != ".")


def load(provider, name):
    """Return the record of the host ``name``; empty when there is none."""
    try:
        return json.loads((provider.folder(name) / "record.json").read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}


def save(provider, record):
    """Replace the record of a host in one step."""
    path = provider.folder(record["name"]) / "record.json"
    write_atomic(path, _text(record))


def claim(provider, record):
    """
    Give the host a folder and a free address, and return its record.

    The caller holds the host's lock. The folder appears together with its record, so
    no host is without one.
    """
    folder = provider.folder(record["name"])
    draft = folder.with_name(f".{folder.name}.new")
    with network_lock(provider):
        record = {**record, "state": CREATING, "address": None}
        if record["network_mode"] == "private":
            others = [load(provider, name) for name in names(provider)]
            record["address"] = free_address(provider, others)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        (draft / "record.json").write_text(_text(record))
        draft.rename(folder)
    return record


def _text(record):
    # It has the minion's public key, and no secret.
    return json.dumps(record, indent=1, sort_keys=True)


def free_address(provider, records):
    """Return the first address of the network that no host has."""
    taken = {provider.gateway, provider.master, *(x.get("address") for x in records)}
    for address in provider.network.hosts():
        if str(address) not in taken:
            return str(address)
    raise HolodeckError(
        f"nspawn: all addresses of {provider.network} are taken; destroy hosts, or "
        "give the provider a larger network."
    )


def forget(provider, name):
    """Take the host's folder out of sight at once; :func:`discard` removes it."""
    discard(provider, name)
    folder = provider.folder(name)
    if folder.exists():
        folder.rename(folder.with_name(f".{name}.gone"))


def half_forgotten(provider):
    """Return the names whose removal, or whose claim, was interrupted."""
    folder = provider.directory / "hosts"
    found = [*folder.glob(".*.gone"), *folder.glob(".*.new")]
    return sorted({path.name[1:].rpartition(".")[0] for path in found})


def discard(provider, name):
    """Remove what :func:`forget`, or an interrupted claim, left of ``name``."""
    for ending in ("gone", "new"):
        folder = provider.folder(name).with_name(f".{name}.{ending}")
        shutil.rmtree(folder, ignore_errors=True)


def keep_bridge(provider, *, on):
    """Note that the bridge stays, or goes, when there are no hosts."""
    mark = provider.directory / "keep-bridge"
    if on:
        mark.touch()
    else:
        mark.unlink(missing_ok=True)


def keeps_bridge(provider):
    """Return whether the bridge stays when there are no hosts."""
    return (provider.directory / "keep-bridge").exists()
