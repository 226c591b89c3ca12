"""What Salt's bootstrap is handed, and what it tells the event bus."""

import pytest

from holodeck_openstack import minion, options
from holodeck_openstack.errors import HolodeckError, OptionError

_OPTS = {
    "profiles": {"small": {}}, "providers": {"lab": {"openstack": {}}}, "deploy": True,
}  # fmt: skip
_HEARD = []
_VM = {
    "name": "web1", "profile": "small", "provider": "lab:openstack",
    "driver": "openstack", "priv_key": "PRIVATE", "auth": {"password": "hush"},
}  # fmt: skip
_NODE = {
    "name": "web1", "floating_ips": ["8.8.4.4"], "public_ips": ["8.8.4.4"],
    "private_ips": ["10.0.0.4"], "fixed_ips": ["10.0.0.4"],
}  # fmt: skip


def _chosen(**given):
    return options.parse({"image": "a", "size": "b", **given})


def fire_event(*words, args=None):
    """Stand where Salt's function does, beside what bootstraps."""
    _HEARD.append((words, args))


def test_bootstrap_tells_the_bus_no_secret():
    """Every listener reads what Salt fires: no key, argument or environment."""
    _HEARD.clear()
    where = {"name": "web1", "host": "8.8.4.4", "port": 22, "username": "root"}

    def deploy(vm, opts):
        told = {**where, "script_env": {"TOKEN": "hush"}, "vm_": vm, "gateway": "hush"}
        fire_event("event", "x", args={"kwargs": told})
        fire_event("event", "y", args={"name": "web1"})
        return {"deployed": True}

    minion.bootstrap(_VM, _OPTS, _chosen(), _NODE, deploy)
    assert [
        (("event", "x"), {"kwargs": where}), (("event", "y"), {"name": "web1"}),
    ] == _HEARD  # fmt: skip
    assert fire_event is globals()["fire_event"]


@pytest.mark.parametrize(
    ("vm", "opts"),
    [({"deploy": False}, {}), ({}, {"deploy": False}), ({"deploy": False}, _OPTS)],
)
def test_without_deploy_nothing_is_asked_of_the_server(vm, opts):
    """By the profile or by ``--no-deploy``: the server stays, addresses or none."""
    vm, opts = {**_VM, **vm}, {**_OPTS, **opts}
    bare = {"name": "web1", **{kind: [] for kind in options.INTERFACES}}
    minion.check(vm, opts, _chosen())
    assert minion.bootstrap(vm, opts, _chosen(), bare, pytest.fail) == {}


def test_options_of_salt_cloud_itself():
    """What /etc/salt/cloud says is Salt's own, even by an old option's name."""
    vm = {**_VM, "image": "a", "size": "b"}
    assert minion.wanted({**vm, "timeout": 30}, {**_OPTS, "timeout": 30}).image == "a"
    with pytest.raises(OptionError, match="timeout: was an option"):
        minion.wanted({**vm, "timeout": 60}, {**_OPTS, "timeout": 30})


def test_bootstrap_is_told_where():
    """Salt logs in at one address, and the minion may be known by another."""
    told, known = {}, {"host": "8.8.4.4", "salt_host": "10.0.0.4"}

    def deploy(vm, opts):
        told.update(vm)
        return {"deployed": True, "deploy_kwargs": {"password": "hush", **known}}

    chosen = _chosen(salt_interface="private_ips", ssh_key_file="/key")
    assert minion.bootstrap(_VM, _OPTS, chosen, _NODE, deploy) == {
        "deployed": True,
        # By which a map tells the other hosts of a master that it made.
        "deploy_kwargs": known,
    }
    assert (told["ssh_host"], told["salt_host"]) == ("8.8.4.4", "10.0.0.4")
    assert (told["key_filename"], told["priv_key"]) == ("/key", "PRIVATE")


def test_bootstrap_that_fails():
    """A server that became no minion is a failure that names the options to look at."""

    def deploy(vm, opts):
        return {"Error": {"Not Deployed": "Failed to start Salt on host web1"}}

    with pytest.raises(HolodeckError, match=r"at 8\.8\.4\.4: Failed .*ssh_username"):
        minion.bootstrap(_VM, _OPTS, _chosen(), _NODE, deploy)


def test_login_that_cannot_work(tmp_path):
    """A key that is missing is told before a server is made."""
    with pytest.raises(OptionError, match="ssh_key_file: is missing"):
        minion.check(_VM, _OPTS, _chosen())
    with pytest.raises(OptionError, match="ssh_key_file: /nowhere does not exist"):
        minion.check(_VM, _OPTS, _chosen(ssh_key_file="/nowhere"))
    minion.check({**_VM, "deploy": False}, _OPTS, _chosen())


def test_user_data_that_nova_would_not_take(tmp_path):
    """The limit is told before a server is made."""
    path = tmp_path / "data"
    path.write_text("x" * 60000)
    with pytest.raises(OptionError, match=r"userdata_file: .*80000 bytes"):
        minion.user_data(_VM, _OPTS, str(path))
