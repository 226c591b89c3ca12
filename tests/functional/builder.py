"""A builder on this machine: real git, uv and nfpm, with folders of its own."""

import os
import shutil
import subprocess
from pathlib import Path

import salt.config
import salt.loader

PACK = Path(__file__).parents[2]
SAMPLE = PACK / "examples" / "guestbook"
_IDENTITY = {
    "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@localhost",
    "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@localhost",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
}  # fmt: skip


class Everything:
    """The master has every package: nothing is pushed."""

    def __contains__(self, _):
        """Say yes."""
        return True


class Repository:
    """A git repository with the sample service."""

    def __init__(self, home):
        self.home = home
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", ".pytest_cache")
        shutil.copytree(SAMPLE, home, ignore=ignored)
        self._git("init", "--quiet", "--initial-branch=main")
        self.first = self.commit("first")

    def commit(self, message):
        """Commit the work tree as it is; return the commit's id."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "--message", message)
        return self._git("rev-parse", "HEAD").strip()

    def changed(self, change):
        """Return the id of a commit that is the first one with a change."""
        self._git("checkout", "--quiet", "--force", "--detach", self.first)
        change(self.home)
        found = self.commit("changed")
        # Builders fetch branches, and every change keeps its own.
        self._git("branch", "--force", f"b{found[:12]}")
        return found

    def _git(self, *words):
        return subprocess.run(
            ["git", *words], cwd=self.home, check=True, text=True,
            capture_output=True, env={**os.environ, **_IDENTITY},
        ).stdout  # fmt: skip


def functions(root):
    """Return the minion's functions, as Salt loads them from the checkout."""
    opts = salt.config.minion_config(None)
    opts.update(
        root_dir=str(root),
        cachedir=str(root / "minion"),
        module_dirs=[str(PACK / "salt")],
        utils_dirs=[str(PACK / "_utils")],
        file_client="local",
        grains={"cpuarch": "x86_64", "os_family": "Debian", "id": "builder1"},
    )
    return salt.loader.minion_mods(opts, utils=salt.loader.utils(opts))


def spec(repository, **changes):
    """Return the recipe of the sample's bundle."""
    return {
        "repository": str(repository.home),
        "lock": "requirements.txt",
        "project": True,
        **changes,
    }


def unpacked(manifest, target):
    """Unpack a bundle's packages below ``target``; return the bundle's folder."""
    for layer in manifest["layers"]:
        subprocess.run(["dpkg-deb", "--extract", layer["file"], target], check=True)
    return Path(f"{target}{manifest['layers'][1]['root']}")


def run_inside(root, *argv):
    """Run a command with ``root``'s /opt in place of this machine's; return stdout."""
    script = 'mount --bind "$0/opt" /opt && shift 0 && exec "$@"'
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, str(root), *argv],
        check=True, capture_output=True, text=True, cwd="/", timeout=60,
    ).stdout  # fmt: skip
