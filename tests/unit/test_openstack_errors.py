"""The cloud's own words, and the option that they are about."""

import pytest
from openstack_double import refusal

from holodeck_io.errors import HolodeckError
from holodeck_openstack import errors, options


# As nova 33 and neutron 28 say it.
@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("No valid host was found. There are not enough hosts available.",
         "size, availability_zone or server_group"),
        ("Exceeded maximum number of retries. Exhausted all hosts available for",
         "size, availability_zone or server_group"),
        ("The requested availability zone is not available", "availability_zone"),
        ("Quota exceeded for cores: Requested 4, but already used 18 of 20 cores",
         "size"),
        ("Quota exceeded for instances: Requested 1, but already used 10 of 10", None),
        ("Quota exceeded, too many key pairs.", "ssh_key_name"),
        ("Keypair data is invalid: failed to generate fingerprint", "ssh_key_name"),
        ("Multiple possible networks found, use a Network ID to be more specific.",
         "networks"),
        ("Fixed IP address 127.77.0.9 is already in use on instance 9fc0.", "networks"),
        ("Flavor's disk is too small for requested image.", "size"),
        ("publicURL endpoint for volumev3 service in RegionOne not found", "volume_gb"),
        ("Invalid input for field/attribute user_data. Value: x", "userdata_file"),
        ("Therefore, cannot associate Port 3 with a Floating IP.", "floating_ip"),
        ("Server group policy is not supported", "server_group"),
        ("something else", None),
    ],
)  # fmt: skip
def test_option(words, name):
    """An error of the cloud's is put at the option that a user can change."""
    assert errors.option(words) == name


@pytest.mark.parametrize(
    ("given", "words", "name"),
    [
        ({"boot_volume": "v"}, "Block Device Mapping is Invalid", "boot_volume"),
        ({"image": "a", "volume_gb": 4}, "Block Device Mapping is Invalid",
         "volume_gb"),
        ({"image": "a", "public_key_file": "k"}, "Keypair data is invalid",
         "public_key_file"),
        ({"image": "a", "ssh_key_name": "k"}, "Invalid key_name provided",
         "ssh_key_name"),
    ],
)  # fmt: skip
def test_option_that_the_profile_has(given, words, name):
    """Of two options for one thing, the profile's own is blamed."""
    assert errors.option(words, options.parse({"size": "b", **given})) == name


def test_login_that_was_refused_later():
    """A kept token may end while the login has become wrong: the error says where."""
    with (
        pytest.raises(
            HolodeckError, match=r"HTTP 401.*check what is in the provider's"
        ),
        errors.explained("The servers were not listed"),
    ):
        raise refusal(401)


def test_blame_of_a_quota():
    """A quota's error says what to do about it."""
    said = errors.blame(
        "Quota exceeded for ram: Requested 512, but already used 0 of 0"
    )
    assert said.startswith("size: Quota exceeded for ram")
    assert said.endswith("destroy what is not needed, or ask for a higher quota")
