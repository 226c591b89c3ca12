"""The keys of hosts that salt-cloud makes twice, because their cloud is away."""

import pytest

from holodeck_cloud import bus, calls, keys

_OPTS = {"profiles": {}, "providers": {}}


@pytest.fixture
def opts(tmp_path):
    return {**_OPTS, "cachedir": str(tmp_path / "cache"), "pki_dir": str(tmp_path)}


@pytest.fixture
def vm(tmp_path):
    """A host whose new key salt-cloud has just accepted."""
    (tmp_path / "minions").mkdir()
    (tmp_path / "minions/web1").write_text("NEW")
    return {"name": "web1", "driver": "openstack", "pub_key": "NEW"}


def _fail(vm, opts, before):
    with (
        pytest.raises(ValueError, match="away"),
        calls.accepted_key(vm, opts, (), before),
    ):
        raise ValueError("away")


def test_a_running_hosts_key_is_accepted_again(vm, opts, tmp_path):
    """Its minion would be a stranger to the master after an outage of the cloud."""
    made = keys.Made(opts, "openstack")
    made.put("web1", "id1", "OLD")
    _fail(vm, opts, made.key("web1"))
    assert (tmp_path / "minions/web1").read_text() == "OLD"


def test_a_new_hosts_key_is_taken_back(vm, opts, tmp_path):
    """A host that was not made has no key."""
    _fail(vm, opts, keys.Made(opts, "openstack").key("web1"))
    assert not (tmp_path / "minions/web1").exists()


def test_a_key_that_another_accepted_stays(vm, opts, tmp_path):
    """Only the key of this very try is replaced."""
    (tmp_path / "minions/web1").write_text("ANOTHER")
    _fail(vm, opts, "OLD")
    assert (tmp_path / "minions/web1").read_text() == "ANOTHER"


def test_drop_is_of_one_host(opts):
    """A namesake's end does not forget the key of the host that stays."""
    made = keys.Made(opts, "openstack")
    made.put("../web1", "id1", "OLD")
    made.drop("../web1", "id2")
    assert made.key("../web1") == "OLD"
    made.drop("../web1", "id1")
    made.drop("../web1", "id1")
    assert made.key("../web1") is None


def test_put_of_a_host_without_a_key(opts):
    """A server that is no minion has no key to put back later."""
    made = keys.Made(opts, "openstack")
    made.put("web1", "id1", "OLD")
    made.put("web1", "id2", None)
    assert made.key("web1") is None


def test_answer_of_a_bootstrap():
    """What a map may show has where the host is, and nothing else."""
    where = {"name": "web1", "host": "10.0.0.4", "salt_host": "10.0.0.4"}
    secret = {"priv_key": "hush", "script_env": {"TOKEN": "hush"}}
    said = {"deployed": True, "deploy_kwargs": {**where, **secret}}
    assert bus.answer(said) == {"deployed": True, "deploy_kwargs": where}
    assert bus.answer({"Error": "x"}) == {"Error": "x"}
