"""The driver as salt-cloud calls it, with a cloud that is none."""

import importlib.util
from pathlib import Path

import pytest
from openstack_double import Cloud, refusal, server
from salt.exceptions import SaltCloudSystemExit

_FILE = Path(__file__).parents[2] / "_clouds/openstack.py"


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """The driver with what Salt's loader gives it; it makes servers at once."""
    spec = importlib.util.spec_from_file_location("driver_of_openstack", _FILE)
    driver = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(driver)
    driver.__opts__ = {
        "profiles": {"small": {"image": "a", "size": "b", "ssh_key_file": __file__}},
        "providers": {"lab": {"openstack": {"cloud": "lab"}}},
        "cachedir": str(tmp_path / "cache"), "pki_dir": str(tmp_path),
        "sock_dir": str(tmp_path), "deploy": True,
    }  # fmt: skip
    driver.__utils__ = {"cloud.bootstrap": _bootstrap}
    driver.__active_provider_name__ = "lab:openstack"
    made = Cloud()
    monkeypatch.setattr(driver.provider, "connect", lambda *_words: made)
    addresses = {"public_ips": ["8.8.4.4"], "private_ips": [], "floating_ips": []}
    node = {"name": "web1", "id": "id-of-web1", **addresses}
    monkeypatch.setattr(
        driver.server, "create", lambda _made, order: order.prepare(node)
    )
    (tmp_path / "minions").mkdir()
    driver.cloud, driver.keys_folder = made, tmp_path / "minions"
    return driver


def fire_event(*_words, **_options):
    """Stand where Salt's function does."""


def _bootstrap(vm, _opts):
    told = {"host": vm["ssh_host"], "password": "hush", "vm_": vm}
    return {"deployed": True, "deploy_kwargs": told}


def _vm(driver, key):
    """Return a host whose key salt-cloud has just accepted."""
    (driver.keys_folder / "web1").write_text(key)
    return {
        "name": "web1", "profile": "small", "provider": "lab:openstack",
        "driver": "openstack", "pub_key": key, "priv_key": "PRIVATE",
    }  # fmt: skip


def _accepted(driver):
    return {path.name: path.read_text() for path in driver.keys_folder.iterdir()}


def test_create_tells_where_and_no_secret(driver):
    """What salt-cloud prints of a host has its address, and no key or password."""
    made = driver.create(_vm(driver, "ONE"))
    assert made["deploy_kwargs"] == {"host": "8.8.4.4"}
    assert "hush" not in str(made)
    assert "PRIVATE" not in str(made)


def test_second_create_gives_the_first_host_its_key_back(driver, monkeypatch):
    """A cloud that was away does not cut its minions off from their master."""
    driver.create(_vm(driver, "ONE"))

    def fail(*_words):
        raise refusal(503)

    monkeypatch.setattr(driver.server, "create", fail)
    with pytest.raises(SaltCloudSystemExit, match="The cloud failed: no"):
        driver.create(_vm(driver, "TWO"))
    assert _accepted(driver) == {"web1": "ONE"}


def test_destroy_ends_the_memory_of_a_key(driver, monkeypatch):
    """The name's next host, when it fails, leaves no key of the one before."""
    driver.create(_vm(driver, "ONE"))
    driver.cloud.found_servers = [server("web1", "holodeck-1")]
    assert driver.destroy("web1", "action")["destroyed"]

    def fail(*_words):
        raise refusal(503)

    monkeypatch.setattr(driver.server, "create", fail)
    with pytest.raises(SaltCloudSystemExit):
        driver.create(_vm(driver, "TWO"))
    assert _accepted(driver) == {}


def test_cloud_that_fails_where_nobody_expects_it(driver, monkeypatch):
    """Salt-cloud goes on with its other hosts after its own errors alone."""

    def fail(*_words):
        raise refusal(503)

    monkeypatch.setattr(driver.provider, "connect", fail)
    with pytest.raises(SaltCloudSystemExit, match="The cloud failed: no"):
        driver.show_instance("web1", "action")
