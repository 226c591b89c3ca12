"""Records through Salt's own cache: on disk, and in a Redis."""

import os
from pathlib import Path

import pytest
import redis_server
import salt.config

from holodeck_io.errors import HolodeckError
from holodeck_master import keyed, records


@pytest.fixture(params=["localfs", "redis"])
def opts(request, tmp_path, tmp_path_factory):
    """A master's options with a cache of their own."""
    own = {**salt.config.master_config(None), "cachedir": str(tmp_path)}
    if request.param == "localfs":
        yield own
        return
    with redis_server.running(tmp_path_factory.mktemp("redis")) as options:
        yield {**own, **options}


@pytest.fixture
def memory(opts):
    """The records of that master."""
    return records.Records(opts)


def _begin(memory, status, service="guestbook", environment="demo"):
    record = memory.begin(service, environment, commit="0" * 40)
    memory.save({**record, "status": status})
    return record["id"]


def test_begin_numbers_each_place_by_itself(memory):
    """Each service in each environment counts its own releases from one."""
    begun = [_begin(memory, "good", *place) for place in
             [("a", "x"), ("a", "x"), ("a", "y"), ("b", "x"), ("a", "x")]]  # fmt: skip
    assert begun == ["a.x.1", "a.x.2", "a.y.1", "b.x.1", "a.x.3"]


def test_history_is_newest_first_beyond_nine(memory):
    """Ten comes after nine."""
    begun = [_begin(memory, "good") for _ in range(11)]
    found = [record["id"] for record in memory.history("guestbook", "demo")]
    assert found == begun[::-1]


def test_history_outlives_the_process(memory, opts):
    """Another runner of the same master finds the records."""
    _begin(memory, "good")
    assert len(records.Records(opts).history("guestbook", "demo")) == 1


@pytest.mark.parametrize("opts", ["localfs"], indirect=True)
def test_save_outlives_a_power_loss(memory, opts, monkeypatch):
    """What was saved on disk is on the disk, not in the kernel's memory."""
    _begin(memory, "running")
    synced, sync = set(), os.fsync

    def fsync(descriptor):
        synced.add(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    memory.save(memory.newest("guestbook", "demo"))
    file = Path(opts["cachedir"], "holodeck/releases/demo/guestbook/000001.p")
    assert {file.stat().st_ino, file.parent.stat().st_ino} <= synced


def test_damaged_record_is_named(tmp_path):
    """A record that cannot be read is no silent loss: it is named, with a remedy."""
    memory = records.Records(
        {**salt.config.master_config(None), "cachedir": str(tmp_path)}
    )
    _begin(memory, "good")
    file = tmp_path / "holodeck/releases/demo/guestbook/000001.p"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(HolodeckError, match=r"demo/guestbook/000001: .* a backup"):
        memory.last_good("guestbook", "demo")


@pytest.mark.parametrize("status", ["bad", "rolled-back", "aborted", "running"])
def test_last_good_skips_what_is_not_good(memory, status):
    """The newest good release counts, whatever came after it."""
    _begin(memory, "good")
    good = _begin(memory, "good")
    _begin(memory, status)
    assert memory.last_good("guestbook", "demo")["id"] == good


def test_last_good_before_any_release_is_none(memory):
    """Where nothing was released there is no last good release."""
    assert memory.last_good("guestbook", "demo") is None


def test_find_returns_the_record_as_saved(memory):
    """An id finds its record with the latest facts; an unknown one finds nothing."""
    found = memory.find(_begin(memory, "bad"))
    assert (found["status"], found["commit"]) == ("bad", "0" * 40)
    assert memory.find("guestbook.demo.99") is None


def test_find_tells_hyphenated_names_apart(memory):
    """Two releases never share an id."""
    assert _begin(memory, "good", "a-b", "c") != _begin(memory, "bad", "a", "b-c")


def test_keep_bundle_is_found_until_forgotten(memory):
    """A bundle is known by its build key, and forgotten on demand."""
    memory.keep_bundle("key", {"name": "guestbook"})
    assert memory.bundle("key") == {"name": "guestbook"}
    assert memory.bundles() == {"key": {"name": "guestbook"}}
    memory.forget_bundle("key")
    assert memory.bundle("key") is None


def test_keep_environment_keeps_other_facts(memory):
    """Facts about an environment are added, not replaced as a whole."""
    memory.keep_environment("demo", addresses={"web1": "10.0.0.1"})
    memory.keep_environment("demo", prepared=["web1"])
    assert memory.addresses("demo") == {"web1": "10.0.0.1"}
    assert memory.environment("demo")["prepared"] == ["web1"]
    assert memory.addresses("elsewhere") == {}


def test_environments_are_listed_by_their_whole_names(memory, opts):
    """Whatever a name ends with, and whatever a death left beside it."""
    memory.keep_environment("shop.p", prepared=["web1"])
    memory.keep_sizes("shop", {"web": 3})
    memory.keep_generation("pp", {"first": 3})
    folder = Path(opts["cachedir"], "holodeck/environments")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tmpx7p").touch()
    assert memory.environments() == ["shop.p"]
    assert memory.sizes() == {"shop": {"web": 3}}
    assert memory.generations() == {"pp": {"first": 3}}


def test_config_digest_is_the_same_in_every_process(memory, opts):
    """The digest depends on content alone, not on order or process."""
    first = memory.config_digest({"a": 1, "b": {"c": 2, "d": 3}})
    again = records.Records(opts).config_digest({"b": {"d": 3, "c": 2}, "a": 1})
    assert first == again
    assert memory.config_digest({"a": 1, "b": {"c": 2, "d": 4}}) != first


def test_config_digest_is_keyed(memory, opts, tmp_path):
    """Two masters digest the same secret differently, so none can be guessed."""
    other = records.Records({**opts, "cachedir": str(tmp_path / "other")})
    assert memory.config_digest({"a": 1}) != other.config_digest({"a": 1})


def test_config_digest_key_is_private(memory, tmp_path):
    """Only root can read the key."""
    memory.config_digest({})
    assert (tmp_path / "holodeck" / "key").stat().st_mode & 0o777 == 0o600


def test_generation_is_the_new_one_with_the_record_that_is_good(memory):
    """One write makes a release good and its hosts the current ones; until then not."""
    record = memory.begin("guestbook", "demo", previous="guestbook.demo.0")
    old = {"numbers": [4, 5], "old": [1, 2], "release": record["id"], "kept": None}
    memory.keep_generation("demo", {"incoming": old})
    for status in ("running", "bad", "aborted"):
        memory.save({**record, "status": status})
        assert memory.generations() == {"demo": {"incoming": old}}
    memory.save({**record, "status": "good", "ended": "2026-01-01T00:00:00Z"})
    kept = {
        "numbers": [1, 2], "release": "guestbook.demo.0",
        "since": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    assert memory.generations() == {"demo": {"first": 4, "kept": kept}}
    memory.save({**record, "status": "rolled-back", "ended": "2026-01-01T00:00:00Z"})
    assert memory.generation("demo") == {"first": 4, "kept": kept}
    assert memory.generation("other") == {}


def test_config_digest_first_use_by_two_processes_agrees(memory, opts, monkeypatch):
    """Two processes that meet before there is a key end with the same one."""
    made = []

    def meanwhile(count):
        if not made:
            made.append(None)
            made.append(records.Records(opts).config_digest({"a": 1}))
        return bytes([len(made)]) * count

    monkeypatch.setattr(keyed.secrets, "token_bytes", meanwhile)
    assert memory.config_digest({"a": 1}) == made[1]


def test_freeze_is_kept_until_it_is_taken_away(memory, opts):
    """A freeze is there for every runner, for one place alone."""
    memory.keep_freeze("guestbook", "demo", user="ann", since="today")
    assert records.Records(opts).freeze("guestbook", "demo")["user"] == "ann"
    assert memory.freeze("guestbook", "staging") is None
    memory.keep_freeze("guestbook", "demo")
    assert memory.freeze("guestbook", "demo") is None


def test_what_a_killed_writer_left_stops_no_release(tmp_path):
    """Salt's cache writes beside the record first; a kill leaves that, and lists it."""
    opts = {**salt.config.master_config(None), "cachedir": str(tmp_path)}
    memory = records.Records(opts)
    memory.begin("guestbook", "demo")
    memory.keep_bundle("0" * 16, {"name": "guestbook"})
    for bank in ("releases/demo/guestbook", "bundles"):
        (tmp_path / "holodeck" / bank / "tmpom881wiu").write_bytes(b"half")
    assert memory.begin("guestbook", "demo")["number"] == 2
    assert [each["number"] for each in memory.history("guestbook", "demo")] == [2, 1]
    assert list(memory.bundles()) == ["0" * 16]
