"""Records, addresses and keys on disk, without hosts."""

import pytest

from holodeck_cloud import keys
from holodeck_io.errors import HolodeckError
from holodeck_nspawn import programs, provider, store

RECORD = {"name": "web1", "network_mode": "private"}


@pytest.fixture
def local(tmp_path):
    options = {"bridge": "hd-test0", "network": "10.77.0.0/29"}
    return provider.parse({"directory": str(tmp_path), **options})


def test_claim_gives_every_host_its_own_address(local):
    """Addresses are given out once, and a host's comes back when it is forgotten."""
    given = [
        store.claim(local, {**RECORD, "name": f"web{index}"})["address"]
        for index in range(5)
    ]
    assert given == [f"10.77.0.{index}" for index in range(2, 7)]
    with pytest.raises(HolodeckError, match=r"all addresses of 10\.77\.0\.0/29"):
        store.claim(local, {**RECORD, "name": "web9"})
    store.forget(local, "web3")
    assert store.claim(local, {**RECORD, "name": "web9"})["address"] == "10.77.0.5"


def test_claim_for_the_machines_network(local):
    """A host on the machine's network takes no address."""
    assert store.claim(local, {**RECORD, "network_mode": "host"})["address"] is None


def test_forget_leaves_a_trace_until_it_is_discarded(local):
    """A removal that is interrupted is known by name."""
    store.claim(local, RECORD)
    store.forget(local, "web1")
    assert (store.names(local), store.half_forgotten(local)) == ([], ["web1"])
    store.discard(local, "web1")
    assert store.half_forgotten(local) == []


def test_lock_is_exclusive_and_leaves_no_file(local):
    """Two never work on one host, and no file stays for a host that is not there."""
    with store.lock(local, "web1") as first:
        assert first
        with store.lock(local, "web1", wait=False) as second:
            assert second is None
    assert list((local.directory / "locks").iterdir()) == []


@pytest.fixture
def record(tmp_path):
    (tmp_path / "minions").mkdir()
    (tmp_path / "minions/web1").write_text("MINE")
    return {"minion_id": "web1", "accepted_in": str(tmp_path), "public_key": "MINE"}


def test_forget_takes_back_the_hosts_key(record, tmp_path):
    """The key of a host that is gone is accepted no longer."""
    keys.forget(record)
    assert not (tmp_path / "minions/web1").exists()


def test_forget_leaves_another_hosts_key(record, tmp_path):
    """A key of the same name that is not this host's stays."""
    (tmp_path / "minions/web1").write_text("ANOTHER")
    keys.forget(record)
    assert (tmp_path / "minions/web1").read_text() == "ANOTHER"


def test_restore_puts_the_hosts_key_back(record, tmp_path):
    """A second create of a name does not lock the first host out."""
    (tmp_path / "minions/web1").write_text("ANOTHER")
    keys.restore(record)
    assert (tmp_path / "minions/web1").read_text() == "MINE"


def test_require_names_the_packages():
    """A machine without the programs is told what to install, once."""
    wanted = {"no-such-one": "pkg-b", "no-such-two": "pkg-a", "sh": "dash"}
    with pytest.raises(HolodeckError, match="apt-get install pkg-a pkg-b"):
        programs.require(wanted)
