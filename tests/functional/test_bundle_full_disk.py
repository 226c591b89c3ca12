"""Bundles on a host whose disk is full: the old one stays, and the next run ends."""

import os

import pytest
from bundle_host import Host, bundle
from mortal import on_disk

from holodeck_bundle import proof
from holodeck_io import files
from holodeck_io.errors import HolodeckError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
A, B = "a" * 40, "b" * 40
_DISK_B = 4 << 20
_BLOCK_B = 4096
# Of the space that the next bundle wants, from nothing to nearly enough.
_FREE_B = [n * _BLOCK_B for n in (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)]


def _whole(host, deps, first):
    other = host.deps("other deps" * 2000, "e" * 16)
    return bundle(B, other, host.app(B, "second" * 5000, other))


def _difference(host, deps, first):
    return bundle(B, deps, host.app(B, "second" * 5000, deps, base=first))


def _rebuilt(host, deps, first):
    return bundle(A, deps, host.app(A, "again" * 5000, deps))


@pytest.mark.parametrize("make", [_whole, _difference, _rebuilt])
def test_full_disk_leaves_the_old_bundle_and_says_so(tmp_path, monkeypatch, make):
    """However little is left, the error says so, and with room the next run ends."""
    disk, works = tmp_path / "disk", tmp_path / "works"
    disk.mkdir()
    on_disk(disk, f"size={_DISK_B}", lambda: _fill_up(disk, works, monkeypatch, make))


def _fill_up(disk, works, monkeypatch, make):
    host = Host(disk, monkeypatch, works=works)
    deps = host.deps()
    first = host.app(A, "first", deps)
    old, new = bundle(A, deps, first), make(host, deps, first)
    host.install(old)
    failed = 0
    for room in _FREE_B:
        filler = _leave(disk, room)
        if said := _refusal(host, new):
            assert "No space left on device" in said, room
            failed += 1
            assert host.call("list") == {"guestbook": [A]}, room
            assert host.leftovers() == [], room
        assert _intact(old, new), room
        filler.unlink()
    assert failed >= 3
    host.install(new)
    host.call("register")
    assert proof.differing(new["layers"]) == []
    packages = {layer["package"] for one in (old, new) for layer in one["layers"]}
    assert host.known() == sorted(packages)
    assert host.leftovers() == []


def test_prune_makes_room_on_a_full_disk(tmp_path, monkeypatch):
    """What a bad release left goes, although nothing more can be written."""
    disk, works = tmp_path / "disk", tmp_path / "works"
    disk.mkdir()
    on_disk(disk, f"size={_DISK_B}", lambda: _make_room(disk, works, monkeypatch))


def _make_room(disk, works, monkeypatch):
    host = Host(disk, monkeypatch, works=works)
    deps = host.deps()
    first = host.app(A, "first", deps)
    host.install(bundle(A, deps, first))
    host.install(_difference(host, deps, first))
    _leave(disk, 0)
    assert host.call("prune", "guestbook", [A]) != []
    assert host.call("list") == {"guestbook": [A]}


def _refusal(host, new):
    try:
        host.install(new)
    except HolodeckError as error:
        return str(error)
    return ""


def _leave(disk, room):
    """Fill the disk up, but for some room."""
    filler = disk / "filler"
    found = os.statvfs(disk)
    free = found.f_bavail * found.f_frsize
    with open(filler, "wb") as file:
        file.truncate(0)
        os.posix_fallocate(file.fileno(), 0, max(free - room, _BLOCK_B))
    return filler


def _intact(old, new):
    """Tell whether each layer that ran has its bytes, or those that replace them."""
    after = {layer["root"]: layer["tree"] for layer in new["layers"]}
    return all(
        files.tree_digest(layer["root"]) in {layer["tree"], after.get(layer["root"])}
        for layer in old["layers"]
    )
