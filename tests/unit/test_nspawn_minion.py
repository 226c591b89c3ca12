"""What a host's minion is told."""

import yaml

from holodeck_nspawn import minion

GENERIC = {"id": "web1", "master": "salt", "log_level": "info", "hash_type": "sha256"}


def test_config_points_at_the_machine():
    """Salt's guess of a master named salt gives way to the machine's address."""
    told = minion.config(GENERIC, {}, master="10.77.0.1", finger="aa:bb")
    assert (told["master"], told["master_finger"]) == ("10.77.0.1", "aa:bb")
    assert told["acceptance_wait_time"] == 1


def test_config_lets_the_user_win():
    """What a user writes under ``minion:`` wins over all else."""
    own = {"master": "10.0.0.9", "recon_default": 5000, "grains": {"a": 1}}
    told = minion.config(
        {**GENERIC, "master_finger": "cc:dd"}, own, master="10.77.0.1", finger="aa:bb"
    )
    assert (told["master"], told["recon_default"]) == ("10.0.0.9", 5000)
    assert told["master_finger"] == "cc:dd"
    assert "grains" not in told


def test_files_protect_the_private_key():
    """Nobody but root reads the key of a minion."""
    files = minion.files({"id": "web1"}, {"role": "web"}, "PRIVATE", "PUBLIC", {})
    assert files["etc/salt/pki/minion/minion.pem"] == ("PRIVATE", 0o400)
    assert yaml.safe_load(files["etc/salt/grains"][0]) == {"role": "web"}
    assert not any("environment.conf" in name for name in files)


def test_files_quote_the_environment_for_systemd():
    """A value reaches the minion as it was written, whatever is in it."""
    files = minion.files({"id": "web1"}, {}, "", "", {"A": 'x "y" 5%\\n'})
    path = "etc/systemd/system/salt-minion.service.d/environment.conf"
    assert files[path][0] == '[Service]\nEnvironment="A=x \\"y\\" 5%%\\\\n"\n'
