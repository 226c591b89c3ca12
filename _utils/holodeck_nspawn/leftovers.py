"""Removing hosts, also those that a killed driver left half-made or half-removed."""

from holodeck_cloud import keys
from holodeck_nspawn import cgroup, network, store

_SETTLED = (store.MADE, store.FAILED)


def collect(provider):
    """
    Remove what interrupted drivers left, and return the names.

    A host whose lock is held is being worked on, and is left alone.
    """
    removed = []
    for name in store.names(provider):
        if store.load(provider, name).get("state") not in _SETTLED:
            removed += _collect(provider, name)
    known = {*store.names(provider)}
    traces = {*cgroup.names(provider), *network.namespaces(provider)}
    for name in sorted((traces | {*store.half_forgotten(provider)}) - known):
        removed += _collect(provider, name)
    store.tidy_locks(provider)
    with store.network_lock(provider):
        _remove_idle_bridge(provider)
    return removed


def _collect(provider, name):
    with store.lock(provider, name, wait=False) as lock:
        # Between the look and the lock its driver may have finished it.
        if lock and store.load(provider, name).get("state") not in _SETTLED:
            remove(provider, name)
            return [name]
    return []


def evict(provider):
    """
    Remove the bridge of this name, and its hosts, when their folder is gone.

    Somebody deleted a clone without destroying its hosts: no lock and no record of
    them is left, and nobody else can remove them. The caller holds the network's lock.
    """
    other = network.holder(provider)
    if other is None or other.directory.exists():
        return
    for name in {*cgroup.names(other), *network.namespaces(other)}:
        cut_power(other, name)
        network.unplug(other, name)
    network.bridge_down(other)


def remove(provider, name):
    """
    Remove whatever there is of the host ``name``; the caller holds its lock.

    The record goes last, so that a removal that is interrupted is found and finished.
    """
    cut_power(provider, name)
    network.unplug(provider, name)
    record = store.load(provider, name)
    keys.forget(record)
    with store.network_lock(provider):
        store.forget(provider, name)
        _remove_idle_bridge(provider)
    store.discard(provider, name)


def cut_power(provider, name):
    """End all processes of a host at once, and remove its control groups."""
    cgroup.kill(provider, name)
    cgroup.remove(provider, name)


def _remove_idle_bridge(provider):
    if not store.names(provider) and not store.keeps_bridge(provider):
        network.bridge_down(provider)
