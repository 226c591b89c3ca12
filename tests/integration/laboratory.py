"""A laboratory as tests talk to it: a master, a git server, and six real hosts."""

import contextlib
import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

import salt.config
import salt.version

from holodeck_master import records
from holodeck_nspawn import host, network, provider
from lab import CLONE, Lab
from repository import Repository

_IMAGES = CLONE / "cloud.images.d"


class Laboratory:
    """The demo's own laboratory under another name, as tests talk to it."""

    def __init__(self, name, bridge, prefix, base_port, **more):
        home = CLONE / f".{name}"
        self.lab = Lab(name, home, bridge, prefix, base_port, **more)
        self.repository = Repository(home)

    def clear(self):
        """Remove what is left of it, also what another clone left when it died."""
        self.lab.configure()
        self.lab.stop()
        other = network.holder(self.local)
        if other:
            dead = dataclasses.replace(self.lab, home=other.directory.parent)
            if not dead.runs():
                dead.stop()

    @contextlib.contextmanager
    def standing(self):
        """Have it during the block, whatever was left of it before."""
        self.clear()
        self.open()
        try:
            yield self
        finally:
            self.lab.stop()

    def open(self):
        """Start: a master, a git server, and no host yet."""
        self.lab.configure()
        self._give_hosts_this_salt()
        shutil.copytree(CLONE / "pillar", self.lab.home / "pillar", dirs_exist_ok=True)
        self.lab.start()
        self.repository.create()

    def _give_hosts_this_salt(self):
        """Minions are no newer than their master: hosts get the Salt of the tests."""
        major = salt.version.__saltstack_version__.major
        pins = f"bookworm/salt-{major}.txt"
        if not (_IMAGES / pins).exists():
            return
        # Each job's process waits in vain there, as docs/install.rst tells.
        provider = self.lab.conf / "cloud.providers.d/local.conf"
        provider.write_text(f"{provider.read_text()}    return_retry_tries: 1\n")
        self._change_profiles("size: small", "memory_mb: 1024")
        own = self.own_images()
        shutil.copy(own / pins, own / "bookworm/salt.txt")

    def use_image(self, name):
        """Let hosts that are made from now on be of another image."""
        self._change_profiles("image: bookworm", f"image: {name}")

    def _change_profiles(self, old, new):
        profiles = self.lab.conf / "cloud.profiles.d/local.conf"
        text = profiles.read_text().replace(old, new)
        # A link to the pack's own.
        profiles.unlink()
        profiles.write_text(text)

    def own_images(self):
        """Let hosts be made of definitions in a folder of their own; return that."""
        own = self.lab.home / "images"
        shutil.copytree(_IMAGES, own, dirs_exist_ok=True)
        local = self.lab.conf / "cloud.providers.d/local.conf"
        local.write_text(f"{local.read_text()}  images: {own}\n")
        return own

    def runner(self, function, *words, out="json"):
        """Return ``(exit code, data)`` of a runner's function."""
        done = self.lab.run(
            "salt-run", f"--out={out}", f"holodeck.{function}", *words, check=False
        )
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError:
            return done.returncode, done.stdout + done.stderr

    def define(self, *changes):
        """Change the example's definition: ``(old, new)`` texts, each there once."""
        example = self.lab.home / "pillar/holodeck/example.sls"
        text = example.read_text()
        for old, new in changes:
            if text.count(old) != 1:
                raise ValueError(f"{example}: has not {old!r} once.")
            text = text.replace(old, new)
        example.write_text(text)

    @contextlib.contextmanager
    def beside(self, environment, text, change=str):
        """
        Have another environment beside ``demo``, with main released; then destroy it.

        text
            Its lines of pillar.
        change
            Called with the example's own; returns what it is meanwhile.
        """
        example = self.lab.home / "pillar/holodeck/example.sls"
        before = example.read_text()
        example.write_text(change(before) + text.replace("PREFIX", self.lab.prefix))
        try:
            code, record = self.release("main", env=environment)
            assert code == 0, record
            yield self
        finally:
            self.runner("destroy", environment)
            example.write_text(before)

    def release(self, branch, service="guestbook", env="demo"):
        """
        Release a branch's commit by its id; return ``(exit code, record)``.

        By its name a commit that was bad once would be refused.
        """
        commit = [f"commit={self.commit(branch)}"] if branch else []
        words = [service, f"env={env}", *commit]
        code, data = self.runner("release", *words)
        return code, data.get("release", data)

    def history(self, service="guestbook"):
        """Return the records' rows, newest first."""
        return self.runner("history", service, "env=demo")[1]["history"]

    def records(self):
        """Return the records themselves, newest first, as they lie on the disk."""
        opts = salt.config.master_config(str(self.lab.conf / "master"))
        return records.Records(opts).history("guestbook", "demo")

    def last_good(self):
        """Return the record of the last good release."""
        return next(record for record in self.records() if record["status"] == "good")

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


def bench(**more):
    """Return the laboratory that benchmarks have, one of them at a time."""
    return Laboratory("bench", "hd-bench0", "10.80.0", 27505, **more)


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
        "namespaces": {name for name in namespaces if home.name[1:] in name},
        "mounts": {mount for mount in mounts if str(home) in mount},
        "processes": commands,
        "folder": home.exists() and sorted(path.name for path in home.iterdir()),
    }


def _read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""
