"""A profile's options, checked without a cloud."""

import pytest

from holodeck_openstack import options
from holodeck_openstack.errors import OptionError

_LEAST = {"image": "debian-12", "size": "small"}


def test_the_least_profile():
    """An image and a size are enough; nothing else is asked for."""
    found = options.parse(_LEAST)
    assert (found.networks, found.floating_ip, found.keep_volume) == ([], None, False)


def test_names_of_digits_and_values_of_metadata_become_texts():
    """YAML reads some names as numbers; nova takes metadata as texts."""
    found = options.parse(
        {"image": 12, "size": 2, "meta": {"a": 7}, "wait_for_metadata": {"b": 1}}
    )
    assert (found.image, found.size) == ("12", "2")
    assert (found.meta, found.wait_for_metadata) == ({"a": "7"}, {"b": "1"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": None}, "size: is missing"),
        ({"image": None}, "image: is missing"),
        ({"networks": "private"}, "networks: 'private' should be a list"),
        ({"networks": [7]}, "networks: 7 should be a name or an id"),
        ({"networks": [{"fixed_ip": "10.0.0.4"}]}, "should have either `network`"),
        ({"networks": [{"network": "a", "port": "b"}]}, "should have either `network`"),
        ({"networks": [{"network": "a", "v4-fixed-ip": "x"}]}, "should have either"),
        ({"networks": [{"network": "a", "fixed_ip": "x"}]}, "'x' should be an address"),
        ({"meta": ["a"]}, "meta: ['a'] should be keys with values"),
        ({"keep_failed": "yes"}, "keep_failed: 'yes' should be True or False"),
        ({"boot_timeout": True}, "boot_timeout: True should be a number of seconds"),
        ({"volume_gb": 0}, "volume_gb: 0 should be a number of gigabytes above 0"),
        ({"volume_type": "ssd"}, "volume_type: needs volume_gb"),
        ({"boot_volume": "v"}, "image: the server boots from boot_volume"),
        ({"ignore_cidr": "all"}, "ignore_cidr: 'all' should be like 10.0.0.0/8"),
        ({"ssh_interface": "eth0"}, "ssh_interface: 'eth0' should be one of"),
        ({"protocol": "ipv5"}, "protocol: 'ipv5' should be one of ipv4, ipv6"),
        ({"security_groups": "web"}, "security_groups: 'web' should be a list"),
        ({"security_groups": ["web"], "networks": ["a", {"port": "p"}]},
         "security_groups: do not reach the port 'p'"),
        ({"ssh_key_name": "a", "public_key_file": "b"}, "use one of them"),
        ({"size": ["a"]}, "size: ['a'] should be a text"),
    ],
)  # fmt: skip
def test_faults(given, message):
    """Each fault names the option, its value and the rule."""
    with pytest.raises(OptionError) as caught:
        options.parse({**_LEAST, **given})
    assert message in str(caught.value)


@pytest.mark.parametrize("name", sorted(options.REPLACED))
def test_options_of_salt_3007(name):
    """An option that another replaced is refused with that one's name."""
    with pytest.raises(OptionError, match=f"{name}: was an option of Salt 3007's"):
        options.parse({**_LEAST, name: "x"})


def test_all_faults_are_told_at_once():
    """A user mends a profile in one go."""
    with pytest.raises(OptionError) as caught:
        options.parse({"protocol": "x", "meta": 1})
    for name in ("size", "image", "protocol", "meta"):
        assert f"{name}: " in str(caught.value)
