"""The store of packages on the master: only proven bytes come in."""

import hashlib
import os

import pytest

from holodeck_io.errors import HolodeckError
from holodeck_master.store import Store

_BYTES = b"a package"
_DIGEST = hashlib.sha256(_BYTES).hexdigest()
_LAYER = {"sha256": _DIGEST, "filename": "holodeck-guestbook.deb"}


@pytest.fixture
def store(tmp_path):
    """A store whose folder the fileserver serves."""
    root = tmp_path / "holodeck" / "store"
    return Store({"cachedir": str(tmp_path), "file_roots": {"base": [str(root)]}})


@pytest.fixture
def push(tmp_path):
    """Do what ``cp.push`` does: leave a file in the master's cache of the builder."""

    def pushed(content=_BYTES, digest=_DIGEST):
        path = tmp_path / "minions" / "builder1" / "files" / "holodeck" / digest
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return pushed


def test_take_moves_proven_bytes_below_the_root(store, push):
    """A pushed package moves to where hosts fetch it from, readable for the server."""
    pushed = push()
    store.take("builder1", [_LAYER])
    target = store.root / "bundles" / _DIGEST / _LAYER["filename"]
    assert target.read_bytes() == _BYTES
    assert target.stat().st_mode & 0o777 == 0o644
    assert not pushed.exists()
    assert store.has([_LAYER])
    assert store.digests() == [_DIGEST]


def test_take_is_readable_whatever_the_umask(store, push):
    """A web server of another user reads the store; who releases has any umask."""
    push()
    before = os.umask(0o077)
    try:
        store.take("builder1", [_LAYER])
    finally:
        os.umask(before)
    for place in (store.root / "bundles", store.root / "bundles" / _DIGEST):
        assert place.stat().st_mode & 0o777 == 0o755


def test_take_wrong_bytes_are_removed(store, push):
    """Bytes that are not what was built never reach the store, and do not stay."""
    pushed = push(b"other bytes")
    with pytest.raises(HolodeckError, match="with other bytes than it built"):
        store.take("builder1", [_LAYER])
    assert not pushed.exists()
    assert not store.has([_LAYER])


def test_take_unpushed_package_names_the_setting(store):
    """A package that never came is an error with the setting that allows it."""
    with pytest.raises(HolodeckError, match="file_recv: True"):
        store.take("builder1", [_LAYER])


def test_take_known_package_needs_no_push(store, push):
    """What the store has is not asked for again; a push of it is tidied away."""
    push()
    store.take("builder1", [_LAYER])
    store.take("builder1", [_LAYER])
    again = push()
    store.take("builder1", [_LAYER])
    assert not again.exists()


def test_take_filename_cannot_leave_the_store(store, push, tmp_path):
    """A builder cannot write anywhere else on the master."""
    push()
    with pytest.raises(HolodeckError):
        store.take("builder1", [{**_LAYER, "filename": "../../../../stolen"}])
    assert not (tmp_path / "stolen").exists()


def test_digests_leaves_out_what_was_cut_off(store):
    """A move that was cut off is no reason not to push the package again."""
    (store.root / "bundles" / _DIGEST).mkdir(parents=True)
    assert store.digests() == []


def test_prune_removes_old_packages_that_nothing_needs(store, push):
    """Old and unneeded goes; needed or young stays."""
    digests = []
    for content in (b"old", b"needed", b"young"):
        digest = hashlib.sha256(content).hexdigest()
        push(content, digest)
        store.take("builder1", [{"sha256": digest, "filename": "p.deb"}])
        digests.append(digest)
    old, needed, young = digests
    for digest in (old, needed):
        os.utime(store.root / "bundles" / digest, (0, 0))
    store.prune([needed])
    assert store.digests() == sorted([needed, young])


def test_open_without_file_root_says_what_to_add(tmp_path):
    """A master that does not serve the store is told which folder to serve."""
    with pytest.raises(
        HolodeckError, match=r"holodeck/store is missing in .*file_roots"
    ):
        Store({"cachedir": str(tmp_path), "file_roots": {"base": ["/srv/salt"]}})
