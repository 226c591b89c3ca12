"""Bundles on a host whose power goes, or whose disk is full, at any moment."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from bundle_host import Host, bundle
from mortal import killed_at_program, killed_at_step

from holodeck import names
from holodeck_bundle import proof, receipts
from holodeck_io import files

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
A, B = "a" * 40, "b" * 40
_KINDS = [
    "deb",
    pytest.param("rpm", marks=pytest.mark.skipif(
        not shutil.which("rpm"), reason="needs rpm (Debian: rpm)")),
]  # fmt: skip
_PROGRAMS = {
    "deb": ("dpkg", "dpkg-deb", "dpkg-query", "dpkg-split", "rm", "tar"),
    "rpm": ("rpm",),
}
_STATE = ("opt", "dpkg", "rpmdb", "receipts", "state", "downloads")


class Scene:
    """A host with a bundle that runs, and what is to be done there."""

    def __init__(self, home, patch, kind, works=None):
        self.host = Host(home, patch, kind, works)
        self.saved = (works or home) / "saved"
        self.deps = self.host.deps()
        self.old = bundle(A, self.deps, self.host.app(A, "first", self.deps))
        self.host.install(self.old)
        Path(names.PREFIX, "guestbook", "current").symlink_to(A)
        self.running = _digests(self.old)

    def whole(self):
        """Install the next commit, whose dependencies are others too."""
        deps = self.host.deps("other deps", "e" * 16)
        return self._install(bundle(B, deps, self.host.app(B, "second", deps)))

    def difference(self):
        """Install the next commit as a difference, and enter it."""
        app = self.host.app(B, "second", self.deps, base=self.old["layers"][1])
        made = bundle(B, self.deps, app)
        return self._install(made, lambda: self.host.call("register"))

    def rebuilt(self):
        """Install the commit that runs, built anew with other bytes."""
        deps = self.host.deps("other deps")
        made = bundle(A, deps, self.host.app(A, "rebuilt", deps))
        return self._install(made)

    def pruned(self):
        """Remove a bundle that does not run."""
        deps = self.host.deps("other deps", "e" * 16)
        self.host.install(bundle(B, deps, self.host.app(B, "second", deps)))
        return (lambda: self.host.call("prune", "guestbook", [])), self.old

    def _install(self, made, then=lambda: None):
        def work():
            self.host.install(made)
            then()

        return work, made

    def keep(self):
        """Remember the host's state, hard links too."""
        shutil.rmtree(self.saved, ignore_errors=True)
        self.saved.mkdir()
        self._copy(self.host.home, self.saved)

    def again(self):
        """Bring the host's state back."""
        for name in _STATE:
            shutil.rmtree(self.host.home / name, ignore_errors=True)
        self._copy(self.saved, self.host.home)

    def _copy(self, origin, target):
        there = [str(origin / name) for name in _STATE if (origin / name).exists()]
        subprocess.run(["cp", "-a", *there, str(target)], check=True)

    def check_running(self, step):
        """What runs has all its bytes: the old ones, or those that replace them."""
        for root, digest in self.running.items():
            allowed = {digest, self.wanted.get(root, digest)}
            assert files.tree_digest(root) in allowed, step

    def check_end(self, step, expected, packages):
        """The host is exactly as if nothing had happened."""
        assert proof.differing(expected["layers"]) == [], step
        assert self.host.known() == packages, step
        assert self.host.leftovers() == [], step
        assert _trees() == self.trees, step
        for commit in receipts.installed("guestbook")["guestbook"]:
            assert self.host.call("verify", "guestbook", commit)["ok"], step


def _digests(made):
    return {layer["root"]: layer["tree"] for layer in made["layers"]}


def _trees():
    return sorted(str(path) for path in Path(names.PREFIX).glob("*/*"))


def _rehearsed(scene, name):
    """Do the deed once undisturbed; return it, and how the host ends."""
    work, expected = getattr(scene, name)()
    scene.wanted = _digests(expected)
    scene.keep()
    work()
    packages, scene.trees = scene.host.known(), _trees()
    listed = receipts.installed()

    def ended(step):
        scene.check_end(step, expected, packages)
        assert receipts.installed() == listed, step

    ended("rehearsal")
    scene.again()
    return work, ended


_DEEDS = ["whole", "difference", "rebuilt", "pruned"]


@pytest.mark.parametrize("deed", _DEEDS)
@pytest.mark.parametrize("kind", _KINDS)
def test_killed_at_every_step_converges(tmp_path, monkeypatch, kind, deed):
    """SIGKILL before any step leaves what runs alone, and the next run ends right."""
    scene = Scene(tmp_path, monkeypatch, kind)
    work, ended = _rehearsed(scene, deed)
    at = 1
    while (step := killed_at_step(at, work)) is not None:
        step = f"{at}: {step}"
        scene.check_running(step)
        work()
        ended(step)
        scene.again()
        at += 1
    ended("ran through")
    assert at > 4


@pytest.mark.parametrize("deed", _DEEDS)
@pytest.mark.parametrize("kind", _KINDS)
def test_killed_within_programs_converges(tmp_path, monkeypatch, kind, deed):
    """Power that goes while dpkg or rpm is at work leaves what the next run mends."""
    scene = Scene(tmp_path, monkeypatch, kind)
    work, ended = _rehearsed(scene, deed)
    shims = tmp_path / "shims"
    shims.mkdir()
    at = 1
    while (step := killed_at_program(at, work, _PROGRAMS[kind], shims)) is not None:
        step = f"{at}: {step}"
        scene.check_running(step)
        work()
        ended(step)
        scene.again()
        at += 1
    ended("ran through")
    assert at > 2


@pytest.mark.parametrize("kind", _KINDS)
def test_prune_takes_what_a_killed_install_left(tmp_path, monkeypatch, kind):
    """Layers of an installation that was never finished go with the next pruning."""
    scene = Scene(tmp_path, monkeypatch, kind)
    cut, made = scene.whole()
    scene.keep()
    scene.trees, packages = _trees(), scene.host.known()
    shims = tmp_path / "shims"
    shims.mkdir()
    at = 1
    while step := killed_at_program(at, cut, _PROGRAMS[kind], shims):
        scene.host.call("prune", "guestbook", [])
        scene.check_end(step, scene.old, packages)
        scene.again()
        at += 1
    assert scene.host.call("list") == {"guestbook": [A, B]}
    assert made["commit"] == B
    assert at > 2


def test_prune_without_receipts_removes_nothing(tmp_path, monkeypatch):
    """Where what runs has no receipt, the receipts were lost: all is left alone."""
    scene = Scene(tmp_path, monkeypatch, "deb")
    shutil.rmtree(receipts.RECEIPTS)
    assert scene.host.call("prune", "guestbook", []) == []
    assert proof.differing(scene.old["layers"]) == []
