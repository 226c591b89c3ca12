"""A provider's settings, without a cloud."""

import importlib.metadata
from types import SimpleNamespace

import pytest

from holodeck_openstack import provider, sdk
from holodeck_openstack.errors import OptionError

_AUTH = {"auth_url": "https://keystone.example.org/v3", "username": "me"}


def test_settings_are_the_clouds_alone():
    """What is Salt's, or a default for profiles, does not reach the SDK."""
    options = {
        "driver": "openstack", "cloud": "mine", "region_name": "r", "networks": ["a"],
        "minion": {"master": "m"}, "compute_api_version": "2.1", "profiles": {},
        "volume_endpoint_override": "https://volumes.example.org", "verify": None,
    }  # fmt: skip
    assert provider.settings(options) == {
        "cloud": "mine",
        "region_name": "r",
        "compute_api_version": "2.1",
        "volume_endpoint_override": "https://volumes.example.org",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"auth": "x"}, "auth: should have entries"),
        ({"auth": {"username": "me", "password": "hush"}}, "auth: auth_url is missing"),
        ({"auth": _AUTH}, "auth: password is missing"),
        ({"auth": _AUTH, "auth_type": "rackspace_apikey"}, "auth: api_key is missing"),
    ],
)
def test_faults(options, message):
    """A fault names the entry, and shows no secret."""
    with pytest.raises(OptionError) as caught:
        provider.settings(options)
    assert message in str(caught.value)
    assert "hush" not in str(caught.value)


def test_login_without_a_password():
    """A user may log in by a passcode alone."""
    auth = {**_AUTH, "passcode": "1"}
    assert provider.settings({"auth": auth, "auth_type": "v3totp"})["auth"] == auth


@pytest.mark.parametrize(
    ("region", "legal", "message"),
    [
        (None, ["DFW", "IAD"], "region_name: is missing; there are DFW, IAD"),
        ("", ["DFW", "IAD"], "region_name: is missing; there are DFW, IAD"),
        ("Mars", ["DFW"], "region_name: 'Mars' has no servers; there are DFW"),
        (None, ["DFW"], None),
        ("IAD", ["DFW", "IAD"], None),
    ],
)
def test_region(monkeypatch, region, legal, message):
    """Of several regions none is guessed."""
    made = SimpleNamespace(config=SimpleNamespace(region_name=region))
    monkeypatch.setattr(sdk, "connect", lambda *_words: made)
    monkeypatch.setattr(sdk, "regions", lambda _made: legal)
    if not message:
        assert provider.connect({"cloud": "mine"}) is made
        return
    with pytest.raises(OptionError, match=message):
        provider.connect({"cloud": "mine"})


def test_missing_sdk(monkeypatch):
    """Without openstacksdk the driver says what to install."""

    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert sdk.missing() == (
        "openstacksdk is not installed; salt-pip install openstacksdk"
    )
