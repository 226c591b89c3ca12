"""From a profile to a minion that answers, over SSH, and no secret told to anybody."""

import contextlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import salt.client
import salt.config
import salt.utils.event
from guest import Guest
from salt.exceptions import SaltCloudSystemExit
from waiting import free_port, listens, until

from salt_cloud import PLAIN, SaltCloud

pytestmark = pytest.mark.timeout(600)

_ADDRESS = "127.77.0.9"
_NETWORKS = [{"network": "private", "fixed_ip": _ADDRESS}]


class Master:
    """A master of one's own, which tells what happened on its bus."""

    def __init__(self, cloud):
        self.cloud, self.events = cloud, []
        self.opts = salt.config.master_config(str(cloud.folder / "conf/master"))

    @contextlib.contextmanager
    def running(self):
        """Run until the end of the block."""
        program = Path(sys.executable).with_name("salt-master")
        argv = [program, "-c", self.cloud.folder / "conf"]
        with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as process:
            try:
                until(lambda: listens(self.opts["ret_port"]), "a master")
                threading.Thread(target=self._listen, daemon=True).start()
                yield self
            finally:
                process.terminate()

    def pings(self, name):
        """Tell whether a minion answers."""
        with salt.client.LocalClient(mopts=self.opts) as client:
            return client.cmd(name, "test.ping", timeout=15) == {name: True}

    def verbs(self):
        """Return what salt-cloud said that it does, in order."""
        tags = [event["tag"] for event in self.events]
        return [
            tag.split("/")[-1] for tag in tags if tag.startswith("salt/cloud/web1/")
        ]

    def _listen(self):
        with salt.utils.event.get_event(
            "master", sock_dir=self.opts["sock_dir"], opts=self.opts, listen=True
        ) as bus:
            self.events.extend(bus.iter_events(full=True))


@pytest.fixture
def guest(tmp_path, ssh_key):
    """The guest of a server that has a certain address."""
    with Guest(tmp_path / "guest", ssh_key, _ADDRESS).running() as guest:
        yield guest


@pytest.fixture
def master(tmp_path, stack, guest):
    """A master; profiles ``minion`` and ``hopeless``; nothing is left in the end."""
    ports = {"publish_port": free_port(), "ret_port": free_port()}
    login = {**PLAIN, **guest.profile, "networks": _NETWORKS}
    login["minion"] = {
        "master": "127.0.0.1", "master_port": ports["ret_port"],
        "publish_port": ports["publish_port"], "root_dir": str(guest.root),
    }  # fmt: skip
    cloud = SaltCloud(
        tmp_path,
        stack,
        master={
            **ports, "interface": "127.0.0.1", "user": "root", "worker_threads": 3,
            "pidfile": str(tmp_path / "master.pid"),
        },
        minion={
            **login, "script": guest.script(), "script_env": {"TOKEN": "hunter2"},
        },
        hopeless={**login, "script": guest.failing_script()},
    )  # fmt: skip
    empty = {key: [] for key in cloud.world()}
    try:
        with Master(cloud).running() as master:
            yield master
        assert cloud.world() == empty
    finally:
        stack.clear()


def test_minion(master, guest):
    """A profile makes a minion whose key the master knows before it connects."""
    cloud = master.cloud
    done = cloud.run("-p", "minion", "web1", "-l", "all")
    assert done.returncode == 0, done.stderr
    until(lambda: master.pings("web1"), "an answer of the minion", seconds=180)
    accepted = (cloud.folder / "pki/minions/web1").read_text()
    made = (guest.root / "etc/salt/pki/minion/minion.pub").read_text()
    assert accepted.strip() == made.strip()
    # A create that takes the running host for one to be made, and fails.
    with pytest.raises(SaltCloudSystemExit, match="of this name exists"):
        cloud.create_unseen("web1", **guest.profile)
    assert (cloud.folder / "pki/minions/web1").read_text() == accepted
    destroyed = cloud.run("-y", "-d", "web1", "-l", "all")
    assert destroyed.returncode == 0, destroyed.stderr
    until(lambda: master.verbs()[-1:] == ["destroyed"], "the last event")
    assert master.verbs() == [
        "creating", "requesting", "deploying", "deploy_script", "created",
        "creating", "requesting", "destroying", "destroyed",
    ]  # fmt: skip
    private = (guest.root / "etc/salt/pki/minion/minion.pem").read_text().split("\n")[1]
    said = [done.stdout, done.stderr, destroyed.stderr, str(master.events)]
    for secret in ("labpass", "hunter2", private):
        assert not any(secret in text for text in said)


def test_guest_that_becomes_no_minion(master):
    """A bootstrap that fails takes the server and the accepted key back."""
    done = master.cloud.run("-p", "hopeless", "web1")
    assert done.returncode
    assert f"web1: became no minion at {_ADDRESS}" in done.stdout + done.stderr
