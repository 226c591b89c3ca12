"""The providers and profiles that the pack ships, by the drivers' own rules."""

from pathlib import Path

import pytest
import salt.config

from holodeck_openstack import options, provider

_PACK = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """Salt-cloud's configuration, as a user has it who copied every file."""
    folder = tmp_path_factory.mktemp("conf")
    for name in ("cloud.providers.d", "cloud.profiles.d"):
        (folder / name).symlink_to(_PACK / name)
    (folder / "cloud").write_text("")
    (folder / "master").write_text("")
    return salt.config.cloud_config(str(folder / "cloud"))


def test_files_are_found(cloud):
    """Salt reads the files, and no profile lacks its provider."""
    assert {"openstack", "rackspace-flex", "rackspace"} <= cloud["providers"].keys()
    assert {"openstack-small", "openstack-apart", "rackspace-small"} <= cloud[
        "profiles"
    ].keys()


@pytest.mark.parametrize("name", ["openstack", "rackspace-flex", "rackspace"])
def test_providers(cloud, name):
    """A provider's settings are complete."""
    assert provider.settings(cloud["providers"][name]["openstack"])


def test_profiles(cloud):
    """A profile with its provider's defaults has no fault."""
    for profile in cloud["profiles"].values():
        alias, driver = profile["provider"].split(":")
        if driver != "openstack":
            continue
        known = {**cloud["providers"][alias][driver], **profile}
        given = {k: v for k, v in known.items() if k in options.NAMES}
        assert options.parse(given).size
