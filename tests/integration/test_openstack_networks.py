"""Servers with networks, ports, addresses and keys that the project has already."""

import pytest

from salt_cloud import PLAIN

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def second(stack):
    """One more network of the project, from which no way leads out."""
    network = stack.tenant.network
    made = network.create_network(name="second")
    network.create_subnet(
        network_id=made.id, ip_version=4, cidr="127.79.0.0/24", name="second-v4",
        is_dhcp_enabled=False,
    )  # fmt: skip
    yield made
    network.delete_network(made)


def test_two_networks(second, cloud, stack):
    """Each entry is an interface; the first one gets the floating address."""
    networks = {"networks": ["private", "second"], "floating_ip": "public"}
    cloud.profile(two={**PLAIN, **networks})
    node = cloud.create("web1", profile="two")["web1"]
    ports = stack.tenant.network.ports(device_id=node["id"])
    by_network = {port.network_id: port for port in ports}
    assert len(by_network) == 2
    assert second.id in by_network
    [address] = stack.tenant.network.ips()
    assert address.port_id != by_network[second.id].id
    assert node["floating_ips"] == [address.floating_ip_address]
    cloud.destroy("web1")


def test_port(cloud, stack):
    """A port that the project has is the interface, and outlives the server."""
    network = stack.tenant.network
    own = network.create_port(
        network_id=network.find_network("private").id, name="own",
        fixed_ips=[{"ip_address": "127.77.0.30"}],
    )  # fmt: skip
    cloud.profile(own={**PLAIN, "networks": [{"port": "own"}]})
    node = cloud.create("web1", profile="own")["web1"]
    assert node["fixed_ips"] == ["127.77.0.30"]
    cloud.destroy("web1")
    assert cloud.world()["ports"] == [own.id]
    network.delete_port(own)


def test_key_pair_and_hints(cloud, stack, ssh_key):
    """A key pair that the project has stays; hints reach the scheduler as they are."""
    compute = stack.tenant.compute
    pair = compute.create_keypair(
        name="mine", public_key=ssh_key.with_suffix(".pub").read_text()
    )
    group = compute.create_server_group(name="apart", policy="anti-affinity")
    hints = {"scheduler_hints": {"group": group.id}}
    cloud.profile(named={**PLAIN, "ssh_key_name": "mine", **hints})
    node = cloud.create("web1", profile="named")["web1"]
    assert compute.get_server(node["id"]).key_name == "mine"
    assert compute.get_server_group(group.id).member_ids == [node["id"]]
    cloud.destroy("web1")
    assert cloud.world()["key pairs"] == ["mine"]
    compute.delete_keypair(pair)


def test_addresses_of_others_stay(cloud, stack):
    """An address that the driver did not make is used, and outlives the server."""
    public = stack.tenant.network.find_network("public")
    own = stack.tenant.network.create_ip(floating_network_id=public.id)
    cloud.profile(own={**PLAIN, "floating_ip": own.floating_ip_address})
    node = cloud.create("web1", profile="own")["web1"]
    assert node["floating_ips"] == [own.floating_ip_address]
    cloud.destroy("web1")
    assert cloud.world()["floating addresses"] == [own.floating_ip_address]
    stack.tenant.network.delete_ip(own)


def test_one_address_for_two_servers(cloud, stack):
    """Of two servers that want one address the second is refused, and nothing left."""
    public = stack.tenant.network.find_network("public")
    own = stack.tenant.network.create_ip(floating_network_id=public.id)
    cloud.profile(own={**PLAIN, "floating_ip": own.floating_ip_address})
    made = cloud.create("web1", "web2", profile="own")
    [error] = [each["Error"] for each in made.values() if "Error" in each]
    assert "floating_ip: " in error
    [name] = [name for name, each in made.items() if "Error" not in each]
    assert made[name]["floating_ips"] == [own.floating_ip_address]
    assert cloud.world()["servers"] == [name]
    port = stack.tenant.network.get_ip(own).port_id
    assert stack.tenant.network.get_port(port).device_id == made[name]["id"]
    cloud.destroy(name)
    stack.tenant.network.delete_ip(own)
