"""What Salt's bootstrap is handed, and what it tells the event bus."""

import copy

import pytest

from holodeck_openstack import minion, options
from holodeck_openstack.errors import HolodeckError, OptionError

_OPTS = {"profiles": {"small": {}}, "providers": {"lab": {"openstack": {}}}}
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


def test_copies_of_a_vm_have_no_secrets():
    """Salt copies the vm into an event that every listener reads."""
    copied = copy.deepcopy({"vm_": minion.Discreet(_VM)})
    assert copied == {
        "vm_": {name: _VM[name] for name in ("name", "profile", "provider", "driver")}
    }


def test_bootstrap_is_told_where():
    """Salt logs in at one address, and the minion may be known by another."""
    told = {}

    def deploy(vm, opts):
        told.update(vm)
        return {"deployed": True, "deploy_kwargs": {"password": "hush"}}

    chosen = _chosen(salt_interface="private_ips", ssh_key_file="/key")
    assert minion.bootstrap(_VM, _OPTS, chosen, _NODE, deploy) == {"deployed": True}
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
