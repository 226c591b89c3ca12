"""A server's addresses, as clouds give them."""

import pytest

from holodeck_io.errors import HolodeckError
from holodeck_openstack import addresses


def _entry(address, kind=None):
    found = {"addr": address, "version": 6 if ":" in address else 4}
    return {**found, "OS-EXT-IPS:type": kind} if kind else found


_NODE = {
    "name": "web1",
    **addresses.sort(
        {
            "private": [
                _entry("10.0.0.4", "fixed"),
                _entry("2620:0:2d0::7", "fixed"),
                _entry("8.8.4.4", "floating"),
            ]
        }
    ),
}


def test_sort():
    """Addresses are public or private, and floating or fixed, independently."""
    assert _NODE == {
        "name": "web1",
        "public_ips": ["2620:0:2d0::7", "8.8.4.4"],
        "private_ips": ["10.0.0.4"],
        "floating_ips": ["8.8.4.4"],
        "fixed_ips": ["10.0.0.4", "2620:0:2d0::7"],
    }


def test_sort_of_rackspaces_legacy_cloud():
    """Where the cloud does not say which are floating, none is."""
    found = addresses.sort(
        {"public": [_entry("8.8.4.4")], "private": [_entry("10.1.2.3")]}
    )
    assert (found["floating_ips"], found["public_ips"]) == ([], ["8.8.4.4"])
    assert found["fixed_ips"] == ["8.8.4.4", "10.1.2.3"]


@pytest.mark.parametrize(
    ("wanted", "address"),
    [
        ((None, "ipv4"), "8.8.4.4"),
        ((None, "ipv6"), "2620:0:2d0::7"),
        (("private_ips", "ipv4"), "10.0.0.4"),
        (("fixed_ips", "ipv6"), "2620:0:2d0::7"),
        ((None, "ipv4", "8.8.0.0/16"), "10.0.0.4"),
    ],
)
def test_choose(wanted, address):
    """The interface and the protocol decide; what is ignored is not used."""
    assert addresses.choose(_NODE, *wanted) == address


def test_choose_without_one():
    """The error says which addresses there are."""
    with pytest.raises(
        HolodeckError, match=r"no ipv6 address among private_ips; .*10\."
    ):
        addresses.choose(_NODE, "private_ips", "ipv6")
