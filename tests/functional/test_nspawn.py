"""Local hosts through salt-cloud itself: real hosts, real keys, and nothing left."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import salt.cloud
import yaml
from salt.exceptions import SaltCloudSystemExit

from holodeck_nspawn import cgroup, host, image, leftovers, network, store
from holodeck_nspawn import provider as providers

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="local hosts need root"),
    pytest.mark.timeout(600),
]

PACK = Path(__file__).resolve().parents[2]
BRIDGE = f"hdt{os.getpid() % 100000}"
NETWORK = f"10.78.{os.getpid() % 250}.0/24"


class Cloud:
    """A salt-cloud configuration in a folder of its own."""

    def __init__(self, folder):
        """Write the configuration of a master whose only provider is ``local``."""
        self.folder = folder
        # A master makes these at its start; two creations of salt-cloud that run
        # side by side before it did so both try to, and one fails.
        for name in ("minions", "minions_pre", "minions_rejected"):
            (folder / "pki" / name).mkdir(parents=True, exist_ok=True)
        self.options = {
            "driver": "nspawn",
            "directory": str(folder / "hosts"),
            "bridge": BRIDGE,
            "network": NETWORK,
            "keysize": 2048,
            "minion": {"master": "10.78.0.1"},
        }
        profiles = {
            "small": {"provider": "local", "image": "bookworm", "size": "small"},
            "late": {"provider": "local", "image": "bookworm", "boot_timeout": 0.01},
            "kept": {
                "provider": "local",
                "image": "bookworm",
                "boot_timeout": 0.01,
                "keep_failed": True,
            },
            "faulty": {"provider": "local", "image": "bookworm", "size": "huge"},
            "full": {"provider": "local", "image": "bookworm", "disk_mb": 48},
            "shared": {
                "provider": "local",
                "image": "bookworm",
                "network_mode": "host",
                "binds": ["{cache}/uv:/var/cache/holodeck/uv"],
                "environment": {"COLOUR": 'deep "blue" 100%'},
            },
        }
        master = {
            "pki_dir": str(folder / "pki"),
            "cachedir": str(folder / "cache"),
            "sock_dir": str(folder / "run"),
            "log_file": str(folder / "master.log"),
            "cloud_dirs": [str(PACK / "_clouds")],
            "utils_dirs": [str(PACK / "_utils")],
        }
        write(folder / "conf/master", master)
        selection = {"query.selection": ["id"]}
        write(
            folder / "conf/cloud", {"log_file": str(folder / "cloud.log"), **selection}
        )
        write(folder / "conf/cloud.providers.d/local.conf", {"local": self.options})
        write(folder / "conf/cloud.profiles.d/local.conf", profiles)
        self.local = providers.parse(self.options)

    @property
    def client(self):
        """A client as a new command has it."""
        return salt.cloud.CloudClient(str(self.folder / "conf/cloud"))

    def create(self, *names, profile="small"):
        """Create hosts in parallel and return an entry for each."""
        return self.client.map_run(map_data={profile: list(names)}, parallel=True)

    def nodes(self):
        """Return what salt-cloud lists."""
        # salt-cloud leaves out a provider without hosts.
        return self.client.query().get("local", {}).get("nspawn", {})

    def act(self, action, name):
        """Run an action on one host and return what it returned."""
        done = self.client.action(fun=action, names=[name])
        return done["local"]["nspawn"][name]

    def run(self, name, *argv):
        """Run a command inside a host and return what it printed."""
        return host.execute(self.local, name, list(argv)).stdout.strip()

    def world(self):
        """Return everything on the machine that is about this provider's hosts."""
        return {
            "mounts": lines_with("/proc/self/mountinfo", str(self.folder)),
            "links": sorted(links(self.local)),
            "namespaces": network.namespaces(self.local),
            "groups": [
                str(path)
                for path in cgroup.folders(self.local, "x")
                if path.parent.exists()
            ],
            "processes": sorted(processes(str(self.folder))),
            "loops": loops(str(self.folder)),
            "keys": sorted(files(self.folder / "pki/minions")),
            "disks": sorted(files(self.folder / "hosts/hosts")),
            "locks": sorted(files(self.folder / "hosts/locks")),
        }


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(data))


def files(folder):
    return [path.name for path in folder.glob("*")]


def lines_with(path, text):
    return [line for line in Path(path).read_text().splitlines() if text in line]


def links(local):
    """Return the bridge, what is plugged into it, and loose ends of cables."""
    cables = {local.link(name) for name in ("one", "two")}
    for link in json.loads(subprocess.check_output(["ip", "-j", "link"])):
        if BRIDGE in (link["ifname"], link.get("master")) or link["ifname"] in cables:
            yield link["ifname"]


def processes(text):
    """Return the command lines that mention ``text``, or run in one of its groups."""
    for path in Path("/proc").glob("[0-9]*"):
        if path.name == str(os.getpid()) or not cgroup.lives(path.name):
            continue
        try:
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            group = (path / "cgroup").read_text()
        except OSError:
            continue
        if text in command or f"holodeck.{BRIDGE}" in group:
            yield command


def loops(text):
    listed = subprocess.check_output(["losetup", "--list", "--json"], text=True)
    devices = json.loads(listed)["loopdevices"] if listed.strip() else []
    return [each["name"] for each in devices if text in each["back-file"]]


@pytest.fixture
def cloud(tmp_path):
    """A cloud of local hosts; whatever a test leaves in it is a failure."""
    cloud = Cloud(tmp_path)
    image.ensure(cloud.local.images, "bookworm", cloud.local.cache)
    before = cloud.world()
    yield cloud
    for name in store.names(cloud.local):
        with store.lock(cloud.local, name):
            leftovers.remove(cloud.local, name)
    leftovers.collect(cloud.local)
    assert cloud.world() == before


def test_create_two_in_parallel(cloud):
    """Two hosts made at once run, with two addresses, keys and identities."""
    made = cloud.create("one", "two")
    assert {name: node["state"] for name, node in made.items()} == {
        "one": "running",
        "two": "running",
    }
    addresses = [made[name]["private_ips"][0] for name in ("one", "two")]
    assert len(set(addresses)) == 2
    assert cloud.run("one", "hostname") == "one"
    assert cloud.run("one", "ping", "-c1", "-W2", addresses[1])
    identities = {cloud.run(name, "cat", "/etc/machine-id") for name in ("one", "two")}
    assert len(identities) == 2
    for name in ("one", "two"):
        accepted = (cloud.folder / "pki/minions" / name).read_text()
        on_disk = cloud.run(name, "cat", "/etc/salt/pki/minion/minion.pub")
        assert accepted.strip() == on_disk


def test_create_writes_the_minions_configuration(cloud):
    """A minion is told its master, its name, and what the user wrote."""
    cloud.create("one")
    told = yaml.safe_load(cloud.run("one", "cat", "/etc/salt/minion"))
    assert (told["id"], told["master"]) == ("one", "10.78.0.1")
    assert told["grains"]["salt-cloud"]["profile"] == "small"
    mode = cloud.run("one", "stat", "-c", "%a", "/etc/salt/pki/minion/minion.pem")
    assert mode == "400"


def test_create_survives_its_creator(cloud):
    """A host made by another process runs on when that process has ended."""
    child = creator(cloud, "one")
    assert child.wait() == 0
    assert cloud.nodes()["one"]["state"] == "running"
    assert cloud.run("one", "systemctl", "is-system-running", "--wait") == "running"


def test_create_of_a_name_that_exists(cloud):
    """A second host of one name is an error, and the first keeps its key."""
    cloud.create("one")
    key = (cloud.folder / "pki/minions/one").read_text()
    # As when two commands see the name free at the same time.
    client = salt.cloud.Cloud(cloud.client._opts_defaults())
    vm = client.vm_config(
        "one", {}, cloud.options, client.opts["profiles"]["small"], {}
    )
    with pytest.raises(SaltCloudSystemExit, match="one: exists already"):
        client.create({**vm, "driver": "nspawn", "profile": "small"})
    assert (cloud.folder / "pki/minions/one").read_text() == key
    assert cloud.nodes()["one"]["state"] == "running"


@pytest.mark.parametrize(
    ("profile", "message"), [("late", "did not boot"), ("faulty", "size: 'huge'")]
)
def test_create_that_fails(cloud, profile, message):
    """What fails says why, takes its key back, and leaves no host."""
    made = cloud.create("one", profile=profile)
    assert message in made["one"]["Error"]
    assert "one" not in cloud.nodes()
    assert files(cloud.folder / "pki/minions") == []


def test_create_that_fails_and_is_kept(cloud):
    """A failed host that the profile wants to keep is listed until it is destroyed."""
    assert "Error" in cloud.create("one", profile="kept")["one"]
    assert cloud.nodes()["one"]["state"] == "failed"
    cloud.client.destroy(["one"])
    assert cloud.nodes() == {}


def test_create_with_the_machines_network(cloud):
    """A builder has the machine's interfaces, its binds, and its environment."""
    cloud.create("one", profile="shared")
    assert BRIDGE in cloud.run("one", "ls", "/sys/class/net").split()
    cloud.run("one", "touch", "/var/cache/holodeck/uv/of-a-test")
    (cloud.local.cache / "uv/of-a-test").unlink()
    shown = cloud.run("one", "systemctl", "show", "-P", "Environment", "salt-minion")
    assert 'deep \\"blue\\" 100%' in shown or 'deep "blue" 100%' in shown


def test_create_with_a_small_disk(cloud):
    """A small disk can be full, is kept over a restart, and frees its loop device."""
    cloud.create("one", profile="full")
    fill = "dd if=/dev/zero of=/root/big bs=1M count=200; stat -c %s /root/big"
    size = int(cloud.run("one", "sh", "-c", f"{fill} 2>/dev/null").splitlines()[-1])
    assert 0 < size < 48 << 20
    cloud.act("kill", "one")
    assert loops(str(cloud.folder)) == []
    cloud.act("start", "one")
    assert cloud.run("one", "stat", "-c", "%s", "/root/big") == str(size)


def test_list_nodes(cloud):
    """All lists show a host, each with its own fields."""
    cloud.create("one")
    (address,) = cloud.nodes()["one"]["private_ips"]
    assert cloud.nodes()["one"] == {
        "id": "one",
        "image": "bookworm",
        "size": "small",
        "state": "running",
        "private_ips": [address],
        "public_ips": [],
    }
    full = cloud.client.full_query()["local"]["nspawn"]["one"]
    assert (full["memory_mb"], full["profile"]) == (512, "small")
    minimal = cloud.client.min_query()["local"]["nspawn"]
    assert minimal == {"one": {"state": "running"}}
    selected = cloud.client.select_query()["local"]["nspawn"]
    assert selected == {"one": {"id": "one"}}
    assert cloud.act("show_instance", "one")["address"] == address


def test_stop_and_start_keep_the_disk(cloud):
    """A host that was stopped in order comes back as itself."""
    cloud.create("one")
    cloud.run("one", "sh", "-c", "echo kept > /root/kept")
    identity = cloud.run("one", "cat", "/etc/machine-id")
    assert cloud.act("stop", "one") == {"name": "one", "state": "stopped"}
    assert cloud.nodes()["one"]["state"] == "stopped"
    assert cloud.act("start", "one") == {"name": "one", "state": "running"}
    assert cloud.run("one", "cat", "/root/kept") == "kept"
    assert cloud.run("one", "cat", "/etc/machine-id") == identity


def test_reboot_from_both_sides(cloud):
    """A host boots again when the driver, and when itself, asks for it."""
    cloud.create("one")
    for ask in (
        lambda: cloud.act("reboot", "one"),
        lambda: cloud.run("one", "systemctl", "reboot"),
    ):
        boot_id = cgroup.leader(cloud.local, "one")
        ask()
        until(lambda old=boot_id: cgroup.leader(cloud.local, "one") not in (None, old))
    until(lambda: is_up(cloud, "one"))


def test_poweroff_from_inside(cloud):
    """A host that shuts itself down is listed as stopped, and starts again."""
    cloud.create("one")
    cloud.run("one", "systemctl", "poweroff")
    until(lambda: cloud.nodes()["one"]["state"] == "stopped")
    assert cloud.act("start", "one")["state"] == "running"


def test_kill_is_a_power_loss(cloud):
    """A killed host has no process left, and its disk boots again."""
    cloud.create("one")
    cloud.run("one", "sh", "-c", "echo kept > /root/kept")
    assert cloud.act("kill", "one")["state"] == "stopped"
    assert cloud.world()["processes"] == []
    assert cloud.act("start", "one")["state"] == "running"
    assert cloud.run("one", "cat", "/root/kept") == "kept"


def test_kill_of_the_container_manager(cloud):
    """When only systemd-nspawn is killed, its host does not run on without it."""
    cloud.create("one")
    for pid in cgroup.pids(cloud.local, "one"):
        if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd-nspawn":
            os.kill(pid, signal.SIGKILL)
    until(lambda: cloud.nodes()["one"]["state"] == "stopped")
    assert cloud.world()["processes"] == []


def test_freeze_and_thaw(cloud):
    """A frozen host stands still and goes on where it was."""
    cloud.create("one")
    leader = cgroup.leader(cloud.local, "one")
    assert cloud.act("freeze", "one")["state"] == "frozen"
    assert cloud.act("thaw", "one")["state"] == "running"
    assert cgroup.leader(cloud.local, "one") == leader
    cloud.act("freeze", "one")
    cloud.client.destroy(["one"])
    assert cloud.nodes() == {}


def test_cut_and_mend(cloud):
    """A host that is cut off hears nothing until it is mended, restarts or not."""
    cloud.create("one")
    cloud.act("cut", "one")
    assert not reaches(cloud, "one")
    cloud.act("kill", "one")
    cloud.act("start", "one")
    assert not reaches(cloud, "one")
    cloud.act("mend", "one")
    assert reaches(cloud, "one")


def test_destroy_leaves_nothing(cloud):
    """After the last host there is no process, link, mount, group, key or folder."""
    before = cloud.world()
    cloud.create("one", "two")
    during = cloud.world()
    differing = [key for key in before if before[key] == during[key]]
    # What a host mounts is in a namespace of its own, and its disk needs no loop.
    assert differing == ["mounts", "loops"]
    cloud.client.destroy(["one", "two"])
    assert cloud.world() == before


def test_destroy_without_a_record(cloud):
    """Hosts whose folder somebody removed are found by what still runs."""
    before = cloud.world()
    cloud.create("one")
    subprocess.run(["rm", "-r", cloud.local.folder("one")], check=True)
    assert cloud.nodes() == {}
    # Which key was its own, only the record said.
    (cloud.folder / "pki/minions/one").unlink()
    assert cloud.world() == before


def test_two_providers_do_not_share_a_bridge(cloud, tmp_path):
    """A bridge of another provider is refused with the name of its owner."""
    cloud.create("one")
    other = Cloud(tmp_path / "other")
    error = other.create("two")["two"]["Error"]
    assert f"belongs to holodeck:{cloud.local.directory}" in error
    assert other.nodes() == {}
    # Looking for leftovers of its own, it took none of the first one's hosts.
    assert cloud.nodes()["one"]["state"] == "running"


def test_bridge_of_a_folder_that_is_gone_is_taken_over(cloud, tmp_path):
    """A clone that was deleted with its hosts up is in nobody's way."""
    cloud.client.action(fun="network_up", provider="local")
    cloud.create("one")
    shutil.rmtree(cloud.local.directory)
    other = Cloud(tmp_path / "other")
    other.client.action(fun="network_up", provider="local")
    assert network.namespaces(cloud.local) == []
    assert list(cgroup.names(cloud.local)) == []
    assert not cloud.local.directory.exists()
    # Which key was its own, only the record said.
    (cloud.folder / "pki/minions/one").unlink()
    other.client.action(fun="network_down", provider="local")
    assert not Path("/sys/class/net", cloud.local.bridge).exists()


def test_network_up_outlives_hosts(cloud):
    """A bridge that was asked for stays until it is not wanted any more."""
    cloud.client.action(fun="network_up", provider="local")
    cloud.create("one")
    cloud.client.destroy(["one"])
    assert cloud.world()["links"] == [BRIDGE]
    cloud.client.action(fun="network_down", provider="local")
    assert cloud.world()["links"] == []


def test_builder_of_an_image_killed(cloud):
    """A build that is killed takes its processes along; the next clears its folder."""
    cache = cloud.folder / "cold"
    script = f"""
        from holodeck_nspawn import image
        image.ensure({str(cloud.local.images)!r}, "bookworm", {str(cache)!r})
    """
    drafts = "images/.*.new"
    for _ in range(2):
        child = python(script)
        until(lambda: any("mmdebstrap" in each for each in processes(str(cache))))
        assert not list(cache.glob(f"{drafts}/of-the-first"))
        child.kill()
        child.wait()
        until(lambda: list(processes(str(cache))) == [])
        (draft,) = cache.glob(drafts)
        (draft / "of-the-first").touch()
    assert image.cached(cache) == []


def test_image_is_cached(cloud):
    """The same definition is never built twice."""
    started = time.monotonic()
    root = image.ensure(cloud.local.images, "bookworm", cloud.local.cache)
    assert time.monotonic() - started < 1
    key = Path(root).parent.name
    assert key in [each["key"] for each in image.cached(cloud.local.cache)]
    listed = cloud.client.list_images("local")["local"]["nspawn"]["bookworm"]
    assert listed["built"] == key


# Seconds after the record appears: before the disk, the cable, the boot, and its end.
@pytest.mark.parametrize("delay_s", [0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3])
def test_creator_killed(cloud, delay_s):
    """A creator killed at any moment leaves what the next look clears up, key too."""
    before = cloud.world()
    child = creator(cloud, "one")
    until(lambda: store.load(cloud.local, "one") or child.poll() is not None)
    time.sleep(delay_s)
    child.kill()
    child.wait()
    if store.load(cloud.local, "one").get("state") == store.MADE:
        pytest.skip("the host was finished before its creator was killed")
    assert cloud.world() != before
    assert cloud.nodes() == {}
    assert cloud.world() == before
    assert cloud.create("one")["one"]["state"] == "running"


def test_destroyer_killed(cloud):
    """A host whose destruction was interrupted is gone at the next look."""
    before = cloud.world()
    cloud.create("one")
    with store.lock(cloud.local, "one"):
        record = {**store.load(cloud.local, "one"), "state": store.DESTROYING}
        store.save(cloud.local, record)
    assert cloud.nodes() == {}
    assert cloud.world() == before


def creator(cloud, name):
    """Start another process that creates a host."""
    script = f"""
        import salt.cloud
        client = salt.cloud.CloudClient({str(cloud.folder / "conf/cloud")!r})
        client.profile("small", [{name!r}])
    """
    return python(script)


def python(script):
    """Start another Python, which finds the pack's packages."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(PACK / "_utils")},
    )


def reaches(cloud, name):
    argv = ["ping", "-c1", "-W1", cloud.local.gateway]
    return host.execute(cloud.local, name, argv, check=False).returncode == 0


def is_up(cloud, name):
    done = host.execute(
        cloud.local, name, ["systemctl", "is-system-running"], check=False
    )
    return done.stdout.strip() == "running"


def until(condition, timeout_s=20):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)
