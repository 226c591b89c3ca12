"""Servers through salt-cloud itself, on a real OpenStack, and nothing left of them."""

import base64
import signal
import subprocess
import sys
import textwrap

import pytest
from salt.exceptions import SaltCloudConfigError, SaltCloudSystemExit
from waiting import until

from salt_cloud import EMPTY, PLAIN

pytestmark = pytest.mark.timeout(900)


def test_create_with_every_option(cloud, stack, ssh_key, tmp_path):
    """What a profile says of a server is what nova has; destroy leaves nothing."""
    (tmp_path / "data").write_text("#cloud-config\nhostname: {{ opts.name }}\n")
    group = stack.tenant.compute.create_server_group(
        name="apart", policy="anti-affinity"
    )
    web = stack.tenant.network.create_security_group(name="web")
    profile = {
        **PLAIN,
        "networks": [{"network": "private", "fixed_ip": "127.77.0.9"}],
        "security_groups": ["web"],
        "public_key_file": f"{ssh_key}.pub",
        "userdata_file": str(tmp_path / "data"),
        "userdata_template": "jinja",
        "config_drive": True,
        "meta": {"role": "web", "number": 7},
        "availability_zone": "nova",
        "server_group": "apart",
        "floating_ip": "public",
    }
    cloud.profile(full=profile)
    node = cloud.create("web1", profile="full")["web1"]
    assert (node["state"], node["image"], node["size"]) == (
        "ACTIVE",
        "lab-image",
        "m1.nano",
    )
    assert node["fixed_ips"] == ["127.77.0.9"]
    [floating] = node["floating_ips"]
    server = stack.admin.compute.get_server(node["id"])
    assert (server.metadata["role"], server.metadata["number"]) == ("web", "7")
    assert server.config_drive == "True"
    assert server.availability_zone == "nova"
    data = base64.b64decode(server.user_data).decode()
    assert data == "#cloud-config\nhostname: web1\n"
    assert stack.tenant.compute.get_server_group(group.id).member_ids == [node["id"]]
    [port] = stack.tenant.network.ports(device_id=node["id"])
    assert port.security_group_ids == [web.id]
    world = cloud.world()
    assert (world["servers"], world["floating addresses"]) == (["web1"], [floating])
    assert world["key pairs"] == [server.key_name]
    cloud.destroy("web1")


def test_lists(cloud):
    """All lists show a server, each with its own fields."""
    made = cloud.create("web1")["web1"]
    assert cloud.nodes() == {
        "web1": {
            "id": made["id"],
            "name": "web1",
            "image": "lab-image",
            "size": "m1.nano",
            "state": "ACTIVE",
            "private_ips": made["private_ips"],
            "public_ips": [],
            "floating_ips": [],
            "fixed_ips": made["private_ips"],
        }
    }
    full = cloud.client.full_query()["lab"]["openstack"]["web1"]
    assert full["vm_state"] == "active"
    assert cloud.client.min_query()["lab"]["openstack"] == {
        "web1": {"id": made["id"], "state": "ACTIVE"}
    }
    selected = cloud.client.select_query()["lab"]["openstack"]
    assert selected == {"web1": {"id": made["id"]}}
    assert cloud.act("show_instance", "web1")["id"] == made["id"]
    cloud.destroy("web1")


def test_offers(cloud):
    """Images, sizes, zones, networks and subnets are listed by their names."""
    images = cloud.client.list_images("lab")["lab"]["openstack"]
    assert images["lab-image"]["status"] == "active"
    sizes = cloud.client.list_sizes("lab")["lab"]["openstack"]
    assert sizes["m1.nano"]["ram"] == 128
    zones = cloud.client.list_locations("lab")["lab"]["openstack"]
    assert zones["nova"]["state"] == {"available": True}
    assert cloud.ask("list_networks").keys() == {"private", "public"}
    subnets = cloud.ask("list_subnets", network="private")
    assert subnets["private-v4"]["cidr"] == "127.77.0.0/24"


def test_call_reaches_the_rest_of_the_sdk(cloud):
    """Any function of the SDK's connection can be called, and returns plain data."""
    made = cloud.ask(
        "call", func="create_server_group", name="x", policies=["affinity"]
    )
    listed = cloud.ask("call", func="compute.server_groups")
    assert [group["name"] for group in listed] == ["x"]
    cloud.ask("call", func="delete_server_group", name_or_id=made["id"])
    with pytest.raises(SaltCloudConfigError, match="no function 'nonsense'"):
        cloud.ask("call", func="nonsense")


def test_stop_start_and_reboot(cloud):
    """Each action waits until the server is what it should be, and may be repeated."""
    cloud.create("web1")
    for verb, state in (
        ("stop", "SHUTOFF"), ("stop", "SHUTOFF"), ("start", "ACTIVE"),
        ("start", "ACTIVE"), ("reboot", "ACTIVE"),
    ):  # fmt: skip
        assert cloud.act(verb, "web1") == {"name": "web1", "state": state}
        assert cloud.nodes()["web1"]["state"] == state
    cloud.destroy("web1")


@pytest.mark.parametrize(
    ("option", "value", "legal"),
    [
        ("image", "debian", "lab-image"),
        ("size", "huge", "m1.nano, m1.small, m1.tiny"),
        ("networks", ["dmz"], "private, public"),
        ("security_groups", ["web"], "default"),
        ("availability_zone", "mars", "nova"),
        ("ssh_key_name", "mine", "none"),
        ("server_group", "apart", "none"),
        ("floating_ip", "private", "public"),
    ],
)
def test_names_that_do_not_exist(cloud, option, value, legal):
    """A wrong name is refused before anything is made, and the legal ones are shown."""
    error = cloud.error("web1", **{option: value})
    assert error.startswith(f"web1: {option}: ")
    assert f"there are {legal}" in error


def test_every_fault_of_a_profile_is_told_at_once(cloud):
    """A user mends a profile in one go."""
    error = cloud.error("web1", image="debian", size="huge", auto_ip=True, protocol="x")
    assert (
        "auto_ip: was an option of Salt 3007's driver; use floating_ip: True" in error
    )
    assert "protocol: 'x' should be one of ipv4, ipv6" in error
    error = cloud.error("web1", image="debian", size="huge")
    assert "image: 'debian'" in error
    assert "size: 'huge'" in error


def test_no_host_takes_the_server(cloud, stack):
    """The scheduler's refusal names what to change, and leaves no server."""
    stack.tenant.compute.create_server_group(name="apart", policy="anti-affinity")
    cloud.profile(apart={**PLAIN, "server_group": "apart"})
    made = cloud.create("web1", "web2", profile="apart")
    [error] = [each["Error"] for each in made.values() if "Error" in each]
    assert "size, availability_zone or server_group: " in error
    [name] = [name for name, each in made.items() if "Error" not in each]
    assert cloud.world()["servers"] == [name]
    cloud.destroy(name)


def test_quota(cloud, stack, ssh_key):
    """A quota that is used up is said so, in nova's words, and nothing is left."""
    project = stack.tenant.session.get_project_id()
    stack.admin.set_compute_quotas(project, instances=0)
    try:
        login = {"deploy": True, "ssh_key_file": str(ssh_key)}
        error = cloud.error("web1", public_key_file=f"{ssh_key}.pub", **login)
    finally:
        stack.admin.set_compute_quotas(project, instances=20, cores=20)
    assert "Quota exceeded for instances" in error
    assert "ask for a higher quota" in error


def test_server_that_is_too_late(cloud):
    """A server that is not up in time is removed, address and key pair too."""
    error = cloud.error("web1", boot_timeout=0.1, floating_ip=True)
    assert "not ACTIVE, after 0.1 s; give it more time with boot_timeout" in error


def test_metadata_that_never_comes(cloud):
    """What a provider's automation should have set is named when it does not come."""
    error = cloud.error(
        "web1", wait_for_metadata={"ready": "yes"}, boot_timeout=8, floating_ip=True
    )
    assert "wait_for_metadata: {'ready': 'yes'} did not come" in error


def test_failed_server_that_is_kept(cloud):
    """With keep_failed a server stays for a look, and is destroyed as any other."""
    error = cloud.error("web1", boot_timeout=0.1, keep_failed=True)
    assert "kept" in error
    assert cloud.world()["servers"] == ["web1"]
    cloud.destroy("web1")


def test_boot_from_a_new_volume(cloud):
    """
    Nova takes the request for a volume made of the image, and asks cinder for it.

    There is no cinder here: nova's words say how far it came.
    """
    error = cloud.error("web1", volume_gb=3)
    assert error.startswith("web1: volume_gb: ")
    assert "endpoint for volumev3 service" in error


def test_namesakes(cloud, stack):
    """Of two servers with one name neither is destroyed by it, each is by its id."""
    old = cloud.create("web1")["web1"]["id"]
    new = stack.server("web1")
    nodes = cloud.nodes()
    assert (nodes["web1"]["id"], nodes[new.id]["id"]) == (old, new.id)
    assert cloud.client.min_query()["lab"]["openstack"].keys() == nodes.keys()
    with pytest.raises(SaltCloudSystemExit, match=f"2 servers .*{old}"):
        cloud.destroy("web1")
    cloud.destroy(new.id)
    assert cloud.nodes().keys() == {"web1"}
    cloud.destroy("web1")


def test_failure_takes_no_namesake_along(cloud, stack):
    """A create that fails removes what it made, and not what has the same name."""
    other = stack.server("web1")
    with pytest.raises(SaltCloudSystemExit, match=f"of this name exists, {other.id}"):
        cloud.create_unseen("web1")
    assert cloud.nodes()["web1"]["id"] == other.id
    cloud.destroy("web1")


def test_no_deploy(cloud):
    """``--no-deploy`` leaves the server as it boots, whatever the profile says."""
    cloud.profile(minion={"image": PLAIN["image"], "size": PLAIN["size"]})
    done = cloud.run("-p", "minion", "--no-deploy", "web1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert cloud.nodes()["web1"]["state"] == "ACTIVE"
    cloud.destroy("web1")


def test_locked_server(cloud, stack):
    """A server that nova will not delete is refused, and keeps what it has."""
    cloud.profile(full={**PLAIN, "floating_ip": "public"})
    node = cloud.create("web1", profile="full")["web1"]
    stack.tenant.compute.lock_server(node["id"])
    with pytest.raises(SaltCloudSystemExit, match=r"is locked; .*unlock_server"):
        cloud.destroy("web1")
    assert cloud.world()["floating addresses"] == node["floating_ips"]
    cloud.ask("call", func="compute.unlock_server", server=node["id"])
    cloud.destroy("web1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_create(cloud, ssh_key, number):
    """Ctrl-C or a kill in the middle of a create removes what was made, and the key."""
    script = f"""
        import salt.cloud
        client = salt.cloud.CloudClient({str(cloud.folder / "conf/cloud")!r})
        client.profile("slow", ["web1"])
    """
    wait = {"wait_for_metadata": {"never": "there"}, "floating_ip": True}
    login = {"deploy": True, "ssh_key_file": str(ssh_key)}
    cloud.profile(slow={**PLAIN, **wait, **login})
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stderr=subprocess.DEVNULL
    )

    def made():
        return cloud.world()["floating addresses"] or child.poll() is not None

    until(made, "an address")
    assert child.poll() is None
    assert cloud.world()["minion keys"] == ["web1"]
    child.send_signal(number)
    child.wait()
    assert cloud.world() == EMPTY
