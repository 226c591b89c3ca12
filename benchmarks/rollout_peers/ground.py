"""A laboratory on which Holodeck and its peers deploy the same packages."""

import dataclasses
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import salt.config
import yaml

from holodeck import haproxy, names
from holodeck_master import building, environments
from holodeck_master.plan import plan_for
from holodeck_master.world import World
from lab import CLONE

HERE = Path(__file__).resolve().parent
PORT = 8100
LISTEN = 8080
_BALANCER = "demo-balancer1"
_TESTER = "demo-tester1"
_PAGE = "guestbook/templates/index.html"
_FILE_LIST_S = 20


class FailedError(Exception):
    """A way did not roll out; says what it printed last."""


@dataclasses.dataclass(frozen=True)
class Deploy:
    """One commit, built, and what a peer has to know to roll it out."""

    commit: str
    packages: dict
    suite: str
    root: str
    store: str
    files: str
    web: dict
    batch: int
    balancer: str = _BALANCER
    tester: str = _TESTER
    port: int = PORT
    url: str = ""

    def as_data(self):
        """Return it as the variable ``deploy`` of playbooks and state files."""
        return {"deploy": dataclasses.asdict(self)}


class Ground:
    """The hosts, with an sshd each, a second HAProxy for the peers, and the suite."""

    def __init__(self, laboratory, hosts, batch):
        self._laboratory, self.lab = laboratory, laboratory.lab
        self.hosts, self.batch = hosts, batch
        self.key = self.lab.home / "ansible-key"
        self._let_ansible_in()
        self._define()
        self.release(self.commit("main"))
        opts = salt.config.master_config(str(self.lab.conf / "master"))
        self._world = World.open(opts, lambda *_: None, CLONE)
        self._plan = plan_for(self._world, "guestbook", "demo")
        self._statuses = environments.ensure(self._world, self._plan.environment)
        self._place_peers()

    def _let_ansible_in(self):
        """Give the hosts' image an sshd, and the master a key."""
        images = self._laboratory.own_images()
        definition = yaml.safe_load((images / "bookworm.conf").read_text())
        definition["packages"].append("openssh-server")
        (images / "bookworm.conf").write_text(yaml.safe_dump(definition))
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key]
        subprocess.run(argv, check=True)

    def _define(self):
        """Let the environment have so many hosts, and batches of that size."""
        self._laboratory.define(
            ("local-small, count: 3", f"local-small, count: {self.hosts}"),
            ("batch: 1\n", f"batch: {self.batch}\n"),
        )

    def _place_peers(self):
        """Bring to hosts what an administrator of the peers has there for good."""
        place = self.lab.home / "cache/holodeck/store/peers"
        shutil.copytree(HERE / "salt", place)
        shutil.copytree(HERE / "files", place / "files")
        time.sleep(_FILE_LIST_S)
        ground = {
            "key": self.key.with_suffix(".pub").read_text().strip(),
            "balancer": _BALANCER, "tester": _TESTER, "web": self.addresses(),
            "port": PORT, "listen": LISTEN,
        }  # fmt: skip
        self.salt(
            "salt", "--timeout=120", "--state-output=changes", "*", "state.apply",
            "peers.ground", f"pillar={ {'ground': ground} }",
        )  # fmt: skip

    def salt(self, tool, *words):
        """Run one of Salt's commands; raise with what it said when it fails."""
        done = self.lab.run(tool, *words, check=False)
        if done.returncode:
            raise FailedError(f"{tool}: failed:\n{done.stdout[-3000:]}{done.stderr}")
        return done.stdout

    def release(self, commit):
        """Release by Holodeck."""
        self.salt("salt-run", "holodeck.release", "guestbook", f"commit={commit}",
                  "env=demo")  # fmt: skip

    def commit(self, branch):
        """Return a branch's commit."""
        return self._laboratory.commit(branch)

    def addresses(self):
        """Return ``{web host: address}``."""
        nodes = self.lab.nodes()
        wanted = [f"demo-web{number + 1}" for number in range(self.hosts)]
        return {name: nodes[name]["private_ips"][0] for name in wanted}

    def address(self, name):
        """Return the address of any host."""
        return self.lab.nodes()[name]["private_ips"][0]

    def built(self, name, *, broken=False):
        """
        Return the :class:`Deploy` of a new commit of one line, built already.

        broken
            It answers its health check and fails everything else.
        """
        repository = self._laboratory.repository

        def change():
            repository.edit(_PAGE, "<h1>", f"<h1>{name} ")
            if broken:
                repository.break_pages()

        repository.branch(name, name, change)
        repository.push()
        commit = self.commit(name)
        last = self._world.records.last_good(*self._plan.key)
        made = building.build(self._world, self._plan, commit, self._statuses, last)
        told = ("filename", "sha256", "root")
        layers = {
            bundle: [{key: layer[key] for key in told} for layer in manifest["layers"]]
            for bundle, manifest in made.items()
        }
        suite = names.suite_bundle("guestbook")
        addresses = self.addresses()
        return Deploy(
            commit=commit,
            packages={
                **dict.fromkeys(addresses, layers["guestbook"]),
                _TESTER: layers[suite],
            },
            suite=names.bundle_root(suite, commit),
            root=names.bundle_root("guestbook", commit),
            store=str(self.lab.home / "cache/holodeck/store/bundles"),
            files=str(HERE / "files"),
            web=addresses,
            batch=self.batch,
            url=self.url(LISTEN),
        )

    def in_rotation(self, socket):
        """Return how many web hosts a balancer's process sends requests to."""
        words = ["sh", "-c", f"echo 'show stat -1 4 -1' | socat stdio {socket}"]
        said = self._laboratory.inside(_BALANCER, *words).stdout
        rows = haproxy.parse_stat(said)["guestbook"].values()
        return sum(haproxy.is_up(row) for row in rows)

    def url(self, port):
        """Return the URL of a balancer's port."""
        return f"http://{self.address(_BALANCER)}:{port}"

    def served(self, port):
        """Return the commit that a balancer's port serves."""
        url = f"{self.url(port)}/healthz"
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 -- http
            return answer.headers["X-Holodeck-Commit"]
