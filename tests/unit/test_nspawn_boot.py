"""The commands and scripts that boot a host, without booting one."""

import subprocess

import pytest

from holodeck_nspawn import boot, cgroup, disk, limits, network, provider

LOCAL = provider.parse(
    {"directory": "/srv/hosts", "bridge": "hd-demo0", "network": "10.77.0.0/24"}
)
RECORD = {
    "name": "web1",
    "image_root": "/images/x/rootfs",
    "network_mode": "private",
    "address": "10.77.0.2",
    "disk_mb": None,
    "binds": [],
}
BUILDER = {
    **RECORD,
    "network_mode": "host",
    "address": None,
    "disk_mb": 64,
    "binds": [{"source": "/a", "target": "/b", "read_only": True}],
}


def test_nspawn_argv_of_a_private_network():
    """A host on the bridge may configure its own network, and only that."""
    argv = boot.nspawn_argv(LOCAL, RECORD)
    assert f"--network-namespace-path=/run/netns/{LOCAL.tag}.web1" in argv
    assert "--capability=CAP_NET_ADMIN,CAP_NET_RAW" in argv


def test_nspawn_argv_of_the_machines_network():
    """A builder sees the machine's network but cannot change it."""
    argv = boot.nspawn_argv(LOCAL, BUILDER)
    assert not any("network" in option or "capability" in option for option in argv)
    assert "--bind-ro=/a:/b" in argv


@pytest.mark.parametrize("record", [RECORD, BUILDER])
def test_supervisor_script_is_shell(record):
    """The shell takes the script, which lets go of the lock before it mounts."""
    script = boot.supervisor_script(LOCAL, record)
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    lines = script.splitlines()
    joined = [i for i, line in enumerate(lines) if line.startswith("echo $$ >")]
    released = lines.index("exec </dev/null")
    mounted = [i for i, line in enumerate(lines) if line.startswith("mount ")]
    assert max(joined) < released < min(mounted)


def test_mount_lines_of_a_small_disk():
    """A small disk's changes live on its own file system."""
    lines = disk.mount_lines(LOCAL, BUILDER)
    assert lines[0] == (
        "mount -o loop /srv/hosts/hosts/web1/small.img /srv/hosts/hosts/web1/small"
    )
    assert "upperdir=/srv/hosts/hosts/web1/small/upper" in lines[-1]


def test_identity_names_the_host_and_the_master():
    """A host knows itself and the master by name, without a resolver."""
    files = disk.identity(RECORD, "10.77.0.1", "ab" * 16)
    assert files["etc/hosts"][0].splitlines()[1:] == [
        "10.77.0.2 web1",
        "10.77.0.1 salt",
    ]
    assert files["etc/machine-id"][0] == "ab" * 16 + "\n"


def test_bridge_commands_fix_the_bridges_address():
    """Hosts that come and go do not change the address their neighbours know."""
    first, *_ = network.bridge_commands(LOCAL)
    assert first.startswith("link add hd-demo0 address 02:")
    assert network.bridge_commands(LOCAL)[0] == first


def hierarchies(tmp_path, *names):
    for name in names:
        (tmp_path / name).mkdir()
    return tmp_path


def test_cgroup_folders_of_version_1(tmp_path):
    """With version 1 a host has a group in each hierarchy but cpuset."""
    root = hierarchies(tmp_path, "memory", "cpuset", "systemd", "unified")
    folders = cgroup.folders(LOCAL, "web1", root)
    tops = [folder.relative_to(root).parts[0] for folder in folders]
    assert tops == ["memory", "systemd", "unified"]
    divided = [cgroup.part(folder, "box", root).name for folder in folders]
    assert divided == ["web1", "box", "box"]


def test_cgroup_folders_of_version_2(tmp_path):
    """With version 2 a host has one group, with its processes one level below."""
    (tmp_path / "cgroup.controllers").touch()
    (folder,) = cgroup.folders(LOCAL, "web1", tmp_path)
    assert folder == tmp_path / f"holodeck.{LOCAL.tag}/web1"
    assert cgroup.part(folder, "loop", tmp_path) == folder / "loop"


def test_limits_grow_with_hosts():
    """Debian's 128 inotify instances are for about twenty hosts by this count."""
    assert limits.needed_watches(20) <= 128 < limits.needed_watches(43)


def test_console_is_text_alone(tmp_path):
    """What a booting systemd draws for a terminal is told without its orders."""
    options = {"directory": str(tmp_path), "bridge": "hd-x", "network": "10.77.0.0/24"}
    local = provider.parse(options)
    folder = local.folder("web1")
    folder.mkdir(parents=True)
    drawn = (
        "\x1bM\r\x1b[K[ \x1b[0;31m*\x1b[0m ] Job a.service (4s / 1min)\r\n\x1b[K\r\n"
    )
    (folder / "console.log").write_text(drawn)
    assert boot.console(local, "web1") == "[ * ] Job a.service (4s / 1min)"
