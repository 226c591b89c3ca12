"""This pack as one of the peers: it drives ``product.py`` and holds no logic of it."""

import shutil
import sys
from pathlib import Path

import filesystem
import measure
from measure import Command
from peers import Peer

# The product's own folder on builders and hosts.
CACHE = "/var/cache/holodeck"
PREFIX = "opt/holodeck"
_PRODUCT = Path(__file__).with_name("product.py")


class Ours(Peer):
    """Two packages: the dependencies by lock, the application by commit."""

    name = "holodeck"
    compiled = True
    # What the last installation's proof of the whole bundle cost.
    proof = None

    def prepare(self, job):
        """The product fetches its source itself: only the folder is needed."""
        job.folder.mkdir(parents=True)

    def build(self, job):
        """Build with a cache of this round in the place of the builder's."""
        filesystem.cover(job.home / "cache", CACHE)
        try:
            cost, report = _product(
                "build", job.app.repository, f"bench-{job.app.name}", job.commit,
                job.folder,
            )  # fmt: skip
        finally:
            filesystem.uncover(CACHE)
        (job.folder / "bytes").write_text(str(report["bytes"]))
        return cost

    def size(self, job):
        """Return the bytes of both packages."""
        return int((job.folder / "bytes").read_text())

    def install(self, job, host):
        """Install by the product's own hands, with its root folder on ``host``."""
        cost, report = _product("install", _manifest(job), root=host.root)
        self.proof = measure.Cost(**report["proof"])
        return cost

    def moved(self, old, new):
        """Return the bytes of the packages, or deltas, that ``old`` lacks."""
        return _product("moved", _manifest(old), _manifest(new))[1]["bytes"]

    def bare_size(self, tree, job):
        """Return what the package of ``tree`` weighs without its ``.pyc`` files."""
        copy = job.folder / "bare"
        hidden = shutil.ignore_patterns("__pycache__")
        shutil.copytree(tree, copy / PREFIX, symlinks=True, ignore=hidden)
        return _product("bare", copy, job.folder)[1]["bytes"]


def _manifest(job):
    return job.folder / "manifest.json"


def _product(*words, root=None):
    command = Command([sys.executable, _PRODUCT, *words])
    if root:
        command = measure.in_root(root, [command])[0]
    return measure.reported(command)
