"""Machines without Salt become hosts of an environment, by salt-cloud's saltify."""

import contextlib
import json
import os
import re
import time

import pytest
import salt.config
import salt.utils.crypt
import salt.utils.event

from bare_machines import BareMachines
from laboratory import Laboratory, leftovers

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="local hosts need root"),
]


@pytest.fixture(scope="module")
def world():
    """A master of its own, without hosts."""
    laboratory = Laboratory("saltify", "hd-saltify0", "10.85.0", 28505)
    laboratory.clear()
    before = leftovers(laboratory.lab.home)
    laboratory.open()
    yield laboratory
    if os.environ.get("HOLODECK_KEEP"):
        return
    laboratory.lab.stop()
    after = leftovers(laboratory.lab.home)
    # Other laboratories come and go: of the links only its own bridge is its business.
    assert laboratory.lab.bridge not in after.pop("links")
    assert after.items() <= before.items()


@pytest.fixture(scope="module")
def machines(world):
    """Machines with sshd and no Salt, and how salt-cloud gets into them."""
    bare = BareMachines(world)
    bare.configure()
    bare.serve()
    bare.boot("metal1", "metal2", "metal3", "metal4")
    bare.add_admin("metal3")
    yield bare
    bare.close()


@pytest.fixture(scope="module")
def rack(world, machines):
    """An environment of three of them, a balancer and a builder: how it was made."""
    one, two, three = (machines.addresses[f"metal{n}"] for n in (1, 2, 3))
    web = [machines.by_index(one), machines.by_file(two)]
    tester = [machines.by_file(three, ssh_username="admin")]
    with defined(world, "rack", {
        "web": {"profile": "rack", "each": web},
        "tester": {"profile": "rack", "each": tester},
        "balancer": {"profile": "local-small", "count": 1},
        "builder": {"profile": "local-builder", "count": 1},
    }, ["guestbook"]):  # fmt: skip
        yield world.runner("create", "rack")


@contextlib.contextmanager
def defined(world, name, hosts, services=()):
    """Have one more environment in the definition."""
    place = {"listen": "*:80", "settings": {"GUESTBOOK_SECRET": "for-a-test"}}
    environment = {
        "hosts": hosts,
        "cidr": f"{world.lab.prefix}.0/24",
        "services": dict.fromkeys(services, place),
    }
    path = world.lab.home / "pillar/holodeck/example.sls"
    before = path.read_text()
    # JSON is YAML too, and nothing of it means anything to Jinja.
    path.write_text(f"{before}\n    {name}: {json.dumps(environment)}\n")
    try:
        yield
    finally:
        path.write_text(before)


def keys(world):
    """Return ``{name: key}`` of all that the master has in any state."""
    found = world.lab.home.glob("pki/minions*/*")
    return {f"{path.parent.name}/{path.name}": path.read_text() for path in found}


def started(world):
    """Return when the minion of each machine was started."""
    show = "systemctl", "show", "-P", "ActiveEnterTimestampMonotonic", "salt-minion"
    return [world.inside(f"metal{n}", *show).stdout for n in (1, 2, 3)]


def test_create_takes_machines_over(world, rack, machines):
    """Machines with sshd alone become minions that the master knows and trusts."""
    code, data = rack
    assert code == 0, data
    hosts = (
        "rack-web1",
        "rack-web2",
        "rack-tester1",
        "rack-balancer1",
        "rack-builder1",
    )
    assert world.salt("rack-*", "test.ping") == dict.fromkeys(hosts, True)
    assert {name for name in keys(world) if "minions_pre" in name} == set()


def test_create_installs_the_pinned_salt_from_either_place(world, rack, machines):
    """An index and a file give the same versions; only one machine asked the index."""
    freeze = "/opt/salt/bin/pip", "freeze"
    one, two, three = (world.inside(f"metal{n}", *freeze).stdout for n in (1, 2, 3))
    assert one == two == three
    assert "salt==3008.3" in one
    assert {address for address, _ in machines.asked} == {machines.addresses["metal1"]}


def test_create_tells_minions_whom_to_trust(world, rack):
    """A minion refuses any master but the one that took it over."""
    told = world.salt("rack-web1", "config.get", "master_finger")["rack-web1"]
    assert told == salt.utils.crypt.pem_finger(str(world.lab.home / "pki/master.pub"))


def test_create_again_changes_nothing(world, rack):
    """Hosts that answer keep their keys, and their minions run on."""
    before = keys(world), started(world)
    assert world.runner("create", "rack")[0] == 0
    assert (keys(world), started(world)) == before


def test_salt_cloud_takes_no_machine_over_twice(world, rack):
    """salt-cloud itself knows whom it has taken over, and lets them be."""
    before = keys(world), started(world)
    done = world.lab.run("salt-cloud", "-p", "rack", "rack-web1", check=False)
    assert (
        "rack-web1 already exists under existing:saltify" in done.stdout + done.stderr
    )
    assert (keys(world), started(world)) == before


def test_release_to_machines_that_were_taken_over(world, rack, machines):
    """They build, serve and test like any other host, at the addresses they had."""
    code, record = world.release("main", env="rack")
    assert code == 0, record
    known = world.runner("status", "guestbook", "env=rack")[1]["status"][0]
    assert [row["host"] for row in known["hosts"]] == ["rack-web1", "rack-web2"]
    assert known["agree"]
    config = world.inside("rack-balancer1", "cat", "/etc/haproxy/haproxy.cfg").stdout
    for name in ("metal1", "metal2"):
        assert f"{machines.addresses[name]}:8000" in config


_FAILING = [
    ("stranger", {}, "metal4, port 22, does not let key_filename .*stranger.key in"),
    ("rack", {"ssh_host": "GATEWAY", "ssh_port": 28599},
     "nothing answers at ssh_host GATEWAY, ssh_port 28599: .*refused"),
    ("forgetful", {}, "is no minion: .*salt.txt is missing; send it by file_map"),
    ("misspelt", {}, "ssh_port: 'ssh' should be .*; script: salt-minoin is neither"),
]  # fmt: skip


@pytest.mark.parametrize(("profile", "own", "message"), _FAILING)
def test_create_that_fails(world, machines, profile, own, message):
    """What fails names the host, the option and the reason, and leaves no key."""
    before, address = keys(world), machines.addresses["metal4"]
    own = {"ssh_host": address, **own}
    if own["ssh_host"] == "GATEWAY":
        own["ssh_host"] = world.lab.gateway
    with defined(world, "wrong", {"web": {"profile": profile, "each": [own]}}):
        code, data = world.runner("create", "wrong")
    assert code == 1
    message = message.replace("metal4", address).replace("GATEWAY", world.lab.gateway)
    assert re.search(f"(?s)wrong-web1: .*{message}", data["error"]), data["error"]
    assert data["error"].count("Host wrong-web1: ") == 1
    assert keys(world) == before


def test_create_leaves_another_masters_minion_alone(world, machines):
    """A machine that has a master already is refused, and keeps what it has."""
    text = "master: salt.example.org\n"
    world.inside("metal4", "mkdir", "-p", "/etc/salt")
    write = "printf 'master: salt.example.org\\n' >/etc/salt/minion"
    world.inside("metal4", "sh", "-c", write)
    own = machines.by_file(machines.addresses["metal4"])
    with defined(world, "taken", {"web": {"profile": "rack", "each": [own]}}):
        code, data = world.runner("create", "taken")
    assert code == 1
    assert "belongs to the master salt.example.org" in data["error"]
    assert world.inside("metal4", "cat", "/etc/salt/minion").stdout == text


def test_packages_in_place_of_pip(world, machines, tmp_path):
    """With a repository, apt installs the version asked for, by the key sent along."""
    world.inside("metal4", "rm", "-f", "/etc/salt/minion")
    own = machines.by_packages(machines.addresses["metal4"], tmp_path, "3008.3")
    cloud = world.lab.cloud()
    made = cloud.map_run(map_data={"rack": [{"packaged": own}]}, parallel=True)
    assert made["packaged"].get("deployed"), made
    show = "dpkg-query", "-W", "-f=${Version}", "salt-minion"
    assert world.inside("metal4", *show).stdout == "3008.3"
    said = world.inside("metal4", "journalctl", "-u", "salt-minion").stdout
    assert "a packaged minion" in said
    assert "id: packaged" in world.inside("metal4", "cat", "/etc/salt/minion").stdout
    world.inside("metal4", "rm", "-f", "/etc/salt/minion")
    world.lab.run("salt-key", "--yes", "-d", "packaged")


def test_secrets_of_a_machine_are_on_no_bus(world, machines):
    """What salt-cloud tells of a take-over has no private key and no environment."""
    opts = salt.config.master_config(str(world.lab.conf / "master"))
    own = machines.by_index(machines.addresses["metal4"])
    own["script_env"]["PIP_INDEX_URL"] = "https://ci:hunter2@index.example.org/"
    tag = "salt/cloud/secret-web1/"
    with (
        defined(world, "secret", {"web": {"profile": "failing", "each": [own]}}),
        salt.utils.event.get_event("master", opts=opts, listen=True) as bus,
    ):
        bus.subscribe(tag)
        assert world.runner("create", "secret")[0] == 1
        events = iter(lambda: bus.get_event(wait=1, tag=tag, full=True), None)
        told = {event["tag"].removeprefix(tag): event["data"] for event in events}
    assert told["deploying"]["kwargs"]["host"] == own["ssh_host"]
    assert "PRIVATE KEY" not in str(told)
    assert "hunter2" not in str(told)


def test_machine_that_is_off_is_listed(world, rack):
    """A host that is silent still is one, and its name is not free."""
    cloud = world.lab.cloud()
    cloud.action(fun="kill", names=["metal2"])
    try:
        nodes = world.lab.cloud().query()["existing"]["saltify"]
        states = {name: node["state"] for name, node in nodes.items()}
        assert states == {
            "rack-web1": "running", "rack-web2": "silent", "rack-tester1": "running",
        }  # fmt: skip
        code, data = world.runner("create", "rack")
        assert (code, "No answer from rack-web2" in data["error"]) == (1, True)
    finally:
        cloud.action(fun="start", names=["metal2"])
    while world.salt("rack-web2", "test.ping") != {"rack-web2": True}:
        time.sleep(1)
    assert world.runner("create", "rack")[0] == 0


def test_destroy_lets_machines_go(world, rack):
    """Minion, configuration and key are gone; the machine can be taken over anew."""
    code, data = world.runner("destroy", "rack")
    assert code == 0, data
    assert not [name for name in keys(world) if "rack-" in name]
    for name in ("metal1", "metal2", "metal3"):
        script = (
            "while systemctl -q is-active salt-minion; do sleep 0.2; done;"
            "systemctl is-enabled salt-minion;"
            "ls /etc/salt/minion /etc/salt/pki/minion 2>/dev/null; true"
        )
        assert world.inside(name, "sh", "-c", script).stdout == "disabled\n"
    assert not [name for name in keys(world) if "rack-" in name]
    code, data = world.runner("create", "rack")
    assert code == 0, data
    assert world.salt("rack-web*", "test.ping") == {
        "rack-web1": True,
        "rack-web2": True,
    }
