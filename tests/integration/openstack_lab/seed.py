"""What the lab's first start makes: `seed.py CLOUDS_YAML accounts …`, then `cloud`."""

import sys

from openstack.config import OpenStackConfig
from openstack.connection import Connection

# Addresses that are this machine's own, so that an sshd of a test can have a server's.
_PRIVATE = "127.77.0.0/24"
_PUBLIC = "127.88.0.0/24"
_FLAVORS = (("m1.nano", 128, 1), ("m1.tiny", 512, 1), ("m1.small", 2048, 10))


def accounts(connect, host, *words):
    """Make the accounts: services', a tenant's, one as Rackspace has it; endpoints."""
    *ports, password = words
    identity = connect("lab-admin").identity
    roles = {role.name: role for role in identity.roles()}
    if "service" not in roles:
        roles["service"] = identity.create_role(name="service")
    services = ("placement", "glance", "neutron", "nova")
    for name in services:
        _account(
            identity, "default", "service", name, password, ("admin", "service"), roles
        )
    _account(identity, "default", "demo", "demo", password, ("member",), roles)
    domain = identity.create_domain(name="rackspace_cloud_domain")
    _account(identity, domain.id, "flex", "flex", password, ("member",), roles)
    types = ("placement", "image", "network", "compute")
    for name, kind, port in zip(services, types, ports, strict=True):
        _endpoints(identity, name, kind, f"http://{host}:{port}")


def _account(identity, domain, project, name, password, wanted, roles):
    found = identity.find_project(project, domain_id=domain)
    found = found or identity.create_project(name=project, domain_id=domain)
    user = identity.create_user(
        name=name, password=password, default_project_id=found.id, domain_id=domain
    )
    for role in wanted:
        identity.assign_project_role_to_user(found, user, roles[role])


def _endpoints(identity, name, kind, url):
    service = identity.create_service(name=name, type=kind)
    path = "/v2.1" if kind == "compute" else ""
    for interface in ("public", "internal", "admin"):
        identity.create_endpoint(
            service_id=service.id, interface=interface, url=url + path,
            region_id="RegionOne",
        )  # fmt: skip


def cloud(connect):
    """Make flavors, an image, and two networks with a router between them."""
    admin, tenant = connect("lab-admin"), connect("lab")
    for number, (name, memory, disk) in enumerate(_FLAVORS, start=1):
        admin.create_flavor(name, memory, 1, disk, flavorid=str(number))
    admin.image.create_image(
        name="lab-image", disk_format="raw", container_format="bare",
        visibility="public", data=bytes(65536),
    )  # fmt: skip
    public = admin.network.create_network(
        name="public", is_router_external=True, is_shared=False,
        provider_network_type="flat", provider_physical_network="ext",
    )  # fmt: skip
    _subnet(admin, public, _PUBLIC)
    private = tenant.network.create_network(name="private")
    subnet = _subnet(tenant, private, _PRIVATE)
    router = tenant.network.create_router(
        name="router", external_gateway_info={"network_id": public.id}
    )
    tenant.network.add_interface_to_router(router, subnet_id=subnet.id)


def _subnet(connection, network, block):
    return connection.network.create_subnet(
        network_id=network.id, ip_version=4, cidr=block, name=f"{network.name}-v4",
        is_dhcp_enabled=False,
    )  # fmt: skip


def main(clouds, verb, *words):
    """Do what the command line says."""
    config = OpenStackConfig(config_files=[clouds])

    def connect(name):
        return Connection(config=config.get_one(name))

    {"accounts": accounts, "cloud": cloud}[verb](connect, *words)


if __name__ == "__main__":
    main(*sys.argv[1:])
