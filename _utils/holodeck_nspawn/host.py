"""The life of a local host: create, start, stop, faults, destroy."""

import contextlib
import os
import signal
import time
from pathlib import Path

from holodeck_cloud import keys
from holodeck_io.errors import HolodeckError
from holodeck_io.process import run
from holodeck_nspawn import (
    boot,
    cgroup,
    disk,
    image,
    leftovers,
    limits,
    network,
    programs,
    store,
)
from holodeck_nspawn.provider import check_name

# systemd's own signals to its process 1.
_POWEROFF = signal.SIGRTMIN + 4


def create(provider, record, prepare, *, keep_failed=False, timeout_s=60):
    """
    Make a host, boot it, and return its record.

    record
        name, image, network_mode (``private`` or ``host``), memory_mb, cpus, disk_mb,
        binds, public_key, accepted_in, minion_id, and what a caller wants to keep.
    prepare
        Called without arguments as soon as the host has its record; returns path in
        the host to ``(content, mode)``. Nothing that takes time may come before the
        record: the key is accepted already, and a driver killed until then leaves it.
    keep_failed
        Leave a host that does not boot for a look at it.

    Raises :class:`HolodeckError`; then nothing of the host is left, its accepted key
    included.
    """
    name = record["name"]
    try:
        check_name(name)
        with store.lock(provider, name) as lock:
            _clear_way(provider, name)
            try:
                record = store.claim(provider, record)
                return _make(provider, record, prepare(), lock, timeout_s)
            except BaseException:
                _give_up(provider, record, keep_failed)
                raise
    except BaseException:
        if not store.load(provider, name):
            keys.forget(record)
        raise


def _clear_way(provider, name):
    existing = store.load(provider, name)
    if existing.get("state") == store.MADE:
        keys.restore(existing)
        raise HolodeckError(
            f"{name}: exists already on {provider.bridge}; destroy it first, or "
            "choose another name."
        )
    if existing:
        leftovers.remove(provider, name)


def _make(provider, record, files, lock, timeout_s):
    programs.require(programs.RUN)
    leftovers.collect(provider)
    root = image.ensure(provider.images, record["image"], provider.cache)
    record = {**record, "image_root": root}
    disk.make(provider, record, files)
    _power_on(provider, record, lock, timeout_s)
    record["state"] = store.MADE
    store.save(provider, record)
    return record


def _give_up(provider, record, keep_failed):
    if keep_failed:
        store.save(provider, {**record, "state": store.FAILED})
    else:
        leftovers.remove(provider, record["name"])


def _power_on(provider, record, lock, timeout_s):
    name = record["name"]
    limits.check_watches(len(store.names(provider)))
    with store.network_lock(provider):
        # The machine itself may have been off since the host was.
        _bridge_up(provider)
    if record["network_mode"] == "private":
        network.plug(provider, name, record["address"])
    cgroup.make(
        provider, name, memory_mb=record.get("memory_mb"), cpus=record.get("cpus")
    )
    for bind in record.get("binds", []):
        if not Path(bind["source"]).exists():
            Path(bind["source"]).mkdir(parents=True)
    boot.start(provider, record, lock, timeout_s=timeout_s)


def _bridge_up(provider):
    leftovers.evict(provider)
    network.bridge_up(provider)


def start(provider, name, *, timeout_s=60):
    """Boot a host that is off, from the disk it had; do nothing when it is on."""
    with _made(provider, name) as (record, lock):
        if boot_state(provider, name) == "stopped":
            _power_on(provider, record, lock, timeout_s)


def stop(provider, name, *, timeout_s=30):
    """Shut a host down in order, or by force after ``timeout_s``."""
    with _made(provider, name):
        _power_off(provider, name, timeout_s)


def reboot(provider, name, *, timeout_s=60):
    """Shut a host down in order and boot it from the disk it had."""
    with _made(provider, name) as (record, lock):
        _power_off(provider, name, timeout_s)
        _power_on(provider, record, lock, timeout_s)


def kill(provider, name):
    """End a host as a power loss would: at once, with the disk as it is."""
    with _made(provider, name):
        leftovers.cut_power(provider, name)


def freeze(provider, name):
    """
    Stop all processes of a host where they are, until :func:`thaw`.

    Its kernel part goes on: it still completes TCP handshakes and answers ARP.
    """
    with _made(provider, name):
        cgroup.freeze(provider, name, on=True)


def thaw(provider, name):
    """Let a frozen host go on."""
    with _made(provider, name):
        cgroup.freeze(provider, name, on=False)


def cut(provider, name):
    """Separate a host from the network, in silence, until :func:`mend`."""
    with _made(provider, name) as (record, _):
        _need_cable(record)
        network.cut(provider, name)


def mend(provider, name):
    """Connect a host again that was :func:`cut` off."""
    with _made(provider, name) as (record, _):
        _need_cable(record)
        network.mend(provider, name)


def execute(provider, name, argv, *, check=True, timeout_s=60):
    """Run ``argv`` inside a host that is on and return the finished process."""
    leader = cgroup.leader(provider, name)
    if not leader:
        raise HolodeckError(f"{name}: is not running; start it first.")
    argv = boot.enter_argv(provider, name, leader, argv)
    return run(argv, check=check, timeout_s=timeout_s)


def destroy(provider, name):
    """Remove a host: processes, network, disk, and its accepted key."""
    check_name(name)
    leftovers.collect(provider)
    with store.lock(provider, name):
        record = store.load(provider, name)
        if not record:
            raise HolodeckError(f"{name}: there is no such host on {provider.bridge}.")
        store.save(provider, {**record, "state": store.DESTROYING})
        leftovers.remove(provider, name)


def network_up(provider):
    """Make the bridge and keep it also without hosts."""
    programs.require(programs.RUN)
    with store.network_lock(provider):
        store.keep_bridge(provider, on=True)
        _bridge_up(provider)


def network_down(provider):
    """Let the bridge go when there are no hosts: now, or with the last one."""
    with store.network_lock(provider):
        store.keep_bridge(provider, on=False)
        if not store.names(provider):
            network.bridge_down(provider)


def state(provider, record):
    """Return creating, destroying, failed, running, frozen or stopped."""
    if record["state"] != store.MADE:
        return record["state"]
    return boot_state(provider, record["name"])


def boot_state(provider, name):
    """Return running, frozen or stopped: what the host's processes say."""
    if not cgroup.pids(provider, name):
        return "stopped"
    return "frozen" if cgroup.frozen(provider, name) else "running"


def _power_off(provider, name, timeout_s):
    leader = cgroup.leader(provider, name)
    if leader:
        cgroup.freeze(provider, name, on=False)
        with contextlib.suppress(ProcessLookupError):
            os.kill(leader, _POWEROFF)
    end = time.monotonic() + timeout_s
    while leader and cgroup.pids(provider, name) and time.monotonic() < end:
        time.sleep(0.02)
    leftovers.cut_power(provider, name)


@contextlib.contextmanager
def _made(provider, name):
    check_name(name)
    with store.lock(provider, name) as lock:
        record = store.load(provider, name)
        if record.get("state") != store.MADE:
            raise HolodeckError(
                f"{name}: there is no such host on {provider.bridge}; there are: "
                f"{', '.join(store.names(provider)) or 'none'}."
            )
        yield record, lock


def _need_cable(record):
    if record["network_mode"] != "private":
        raise HolodeckError(
            f"{record['name']}: uses the machine's own network and has no cable."
        )
