"""From a cloud profile to a login, and every fault of it at once."""

import pytest
import salt.config

from holodeck_io.errors import HolodeckError
from holodeck_saltify import login, probe


@pytest.fixture
def opts():
    return {**salt.config.DEFAULT_CLOUD_OPTS, "providers": {}, "profiles": {}}


@pytest.fixture
def vm(tmp_path):
    key = tmp_path / "key"
    key.touch()
    place = {"name": "rack-web1", "driver": "saltify", "provider": "existing:saltify"}
    return {**place, "key_filename": str(key), "deploy": False}


def test_of_a_bare_profile(vm, opts):
    """A host without an address is called by its name, as root, on ssh's own port."""
    found = login.of(vm, opts)
    assert found.address == "root@rack-web1, port 22"
    assert found.command == ("true",)
    argv = found.argv("true")
    assert argv[0] == "ssh"
    assert argv[-4:] == ["-p", "22", "root@rack-web1", "true"]
    assert "-oBatchMode=yes" in argv
    assert "-oStrictHostKeyChecking=no" in argv


def test_of_what_a_host_has_of_its_own(vm, opts):
    """Address, port and user are the host's, and the machine has to be a known one."""
    own = {"ssh_host": "10.0.0.2", "ssh_port": "2222", "ssh_username": "admin"}
    found = login.of({**vm, **own, "known_hosts_file": "/etc/salt/known"}, opts)
    assert found.address == "admin@10.0.0.2, port 2222"
    argv = found.argv()
    assert "-oStrictHostKeyChecking=yes" in argv
    assert "-oUserKnownHostsFile=/etc/salt/known" in argv


def test_of_a_user_who_is_not_root_tries_sudo(vm, opts):
    """Who has to be root by sudo proves it before anything is sent."""
    admin = {**vm, "ssh_username": "admin"}
    assert login.of(admin, opts).command == ("sudo", "-n", "true")
    assert login.of({**admin, "sudo_password": "x"}, opts).command == ("true",)
    assert login.of({**admin, "sudo": False}, opts).command == ("true",)


def test_faults_are_named_by_their_options(vm, opts, tmp_path):
    """All that is wrong with a profile is said at once, before anybody is called."""
    wrong = {
        "key_filename": str(tmp_path / "nowhere"),
        "ssh_port": "ssh",
        "deploy": True,
        "script": "no-such-script",
        "file_map": {str(tmp_path / "pins"): "/pins"},
    }
    with pytest.raises(HolodeckError) as error:
        login.of({**vm, **wrong}, opts)
    text = str(error.value)
    assert text.startswith("Host rack-web1: key_filename: ")
    for option in ("ssh_port: 'ssh'", "script: no-such-script", "file_map: "):
        assert option in text
    with pytest.raises(HolodeckError, match="key_filename: is missing"):
        login.of({**vm, "key_filename": None}, opts)


def test_check_of_a_machine_that_is_off(vm, opts):
    """Nobody waits for a machine that refuses: the error has its address and why."""
    away = login.of({**vm, "ssh_host": "127.0.0.1", "ssh_port": 1}, opts)
    with pytest.raises(HolodeckError, match=r"ssh_host 127.0.0.1, ssh_port 1: .*refus"):
        probe.check(away)
