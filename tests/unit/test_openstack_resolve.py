"""Names looked up: whose they are, and what a cloud that fails is blamed for."""

from types import SimpleNamespace

import pytest
from openstack_double import Cloud, refusal

from holodeck_io.errors import HolodeckError
from holodeck_openstack import options, resolve, sdk


def _group(number, project):
    return SimpleNamespace(id=f"g{number}", name="default", project_id=project)


@pytest.fixture
def cloud():
    return Cloud()


@pytest.mark.parametrize(
    ("groups", "found"),
    [
        ([_group(1, "theirs"), _group(2, "ours")], "g2"),
        ([_group(1, "theirs")], "g1"),
    ],
)
def test_security_groups_of_an_administrator(cloud, groups, found):
    """Of the groups of all projects the project's own is meant; one may be shared."""
    cloud.network.security_groups = lambda **_query: iter(groups)
    names = resolve.Names(cloud)
    assert names.security_groups(["default"]) == [{"name": found}]
    names.check()


def test_floating_ip_of_an_administrator(cloud):
    """Another project's address is not free for this one."""
    asked = []
    cloud.network.ips = lambda **query: asked.append(query) or []
    resolve.Names(cloud).floating_ip("8.8.4.4")
    assert asked == [{"project_id": "ours"}]


def test_zones_that_are_not_listed(cloud):
    """A cloud that fails is told with the option that was looked up."""

    def fail():
        raise refusal(503)
        yield

    cloud.compute.availability_zones = fail
    with pytest.raises(HolodeckError, match="availability_zone: the zones were not"):
        resolve.Names(cloud).zone("nova")


def test_version_of_nova_that_is_not_found_out(cloud, monkeypatch):
    """A cloud that fails at the last question is told like at any other."""

    def fail(_connection):
        raise refusal(503)

    monkeypatch.setattr(sdk, "takes_automatic_networks", fail)
    known = [SimpleNamespace(id="1", name="a")]
    cloud.compute.flavors = lambda **_query: iter(known)
    cloud.image = SimpleNamespace(images=lambda **_query: iter(known))
    with pytest.raises(HolodeckError, match="networks: nova's version"):
        resolve.server_request(cloud, options.parse({"image": "a", "size": "a"}))
