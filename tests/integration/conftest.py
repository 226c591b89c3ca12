"""One laboratory for all integration tests: a master and six real hosts."""

import dataclasses
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from holodeck_nspawn import host, network, provider
from lab import CLONE, Lab
from repository import Repository

HOSTS = ("web1", "web2", "web3", "balancer1", "tester1", "builder1")


class Laboratory:
    """The demo's own laboratory under another name, as tests talk to it."""

    def __init__(self, home):
        self.lab = Lab("tests", home, "hd-tests0", "10.78.0", 25505)
        self.repository = Repository(home)

    def runner(self, function, *words, out="json"):
        """Return ``(exit code, data)`` of a runner's function."""
        done = self.lab.run(
            "salt-run", f"--out={out}", f"holodeck.{function}", *words, check=False
        )
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError:
            return done.returncode, done.stdout + done.stderr

    def release(self, commit, service="guestbook"):
        """Release a branch; return ``(exit code, record)``."""
        words = [service, "env=demo"] + ([f"commit={commit}"] if commit else [])
        code, data = self.runner("release", *words)
        return code, data.get("release", data)

    def history(self, service="guestbook"):
        """Return the records' rows, newest first."""
        return self.runner("history", service, "env=demo")[1]["history"]

    def hosts(self, service="guestbook"):
        """Return ``{host: row}`` of the status."""
        places = self.runner("status", service, "env=demo")[1]["status"]
        return {row["host"]: row for row in places[0]["hosts"]}

    def salt(self, target, function, *words):
        """Return ``{host: answer}`` of an execution function."""
        done = self.lab.run(
            "salt", "--out=json", "--static", target, function, *words, check=False
        )
        return json.loads(done.stdout)

    def inside(self, name, *argv):
        """Run a command in a host, beside Salt; return its output."""
        return host.execute(self.local, name, list(argv))

    @property
    def local(self):
        """The provider of the hosts."""
        options = {
            "directory": str(self.lab.home / "local"),
            "bridge": self.lab.bridge,
            "network": f"{self.lab.prefix}.0/24",
        }
        return provider.parse(options)

    @property
    def url(self):
        """The balancer's address."""
        return f"http://{self.lab.nodes()['demo-balancer1']['private_ips'][0]}"

    def commit(self, branch):
        """Return the commit id of a branch of the sample."""
        return self.repository.commit(branch)


@pytest.fixture(scope="session")
def world():
    """A master with a git server, and no host yet."""
    home = CLONE / ".tests"
    laboratory = Laboratory(home)
    laboratory.lab.configure()
    laboratory.lab.stop()
    _bury_a_killed_run(laboratory)
    before = leftovers(home)
    laboratory.lab.configure()
    shutil.copytree(CLONE / "pillar", home / "pillar", dirs_exist_ok=True)
    laboratory.lab.start()
    laboratory.repository.create()
    yield laboratory
    if os.environ.get("HOLODECK_KEEP"):
        return
    laboratory.lab.stop()
    assert leftovers(home) == before


def _bury_a_killed_run(laboratory):
    """Stop what tests of another clone left when they were killed."""
    other = network.holder(laboratory.local)
    if other:
        dead = dataclasses.replace(laboratory.lab, home=other.directory.parent)
        if not dead.runs():
            dead.stop()


@pytest.fixture(scope="session")
def first(world):
    """The first release ever: it creates the hosts. ``(exit code, record)``."""
    return world.release("main")


@pytest.fixture
def at_main(world, first):
    """The environment, good at main, whatever the test before left."""
    code, record = world.release("main")
    assert code == 0, record
    return world


def leftovers(home):
    """Return the links, namespaces, mounts and processes that a laboratory makes."""

    def lines(*argv):
        done = subprocess.run(argv, text=True, capture_output=True, check=False)
        return done.stdout.splitlines()

    links = {line.split(": ")[1] for line in lines("ip", "-o", "link")}
    namespaces = {line.split()[0] for line in lines("ip", "netns", "list") if line}
    mounts = Path("/proc/mounts").read_text().splitlines()
    commands = {
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if str(home).encode() in _read(path)
    }
    return {
        "links": {link for link in links if link.startswith("hd")},
        "namespaces": {name for name in namespaces if "tests" in name},
        "mounts": {mount for mount in mounts if str(home) in mount},
        "processes": commands,
        "folder": home.exists() and sorted(path.name for path in home.iterdir()),
    }


def _read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""
