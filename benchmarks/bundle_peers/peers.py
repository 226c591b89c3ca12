"""
The tools that people use today, each as its documentation says to use it.

A peer that ships whole artefacts moves the whole of it for every change.
"""

import filecmp
import shutil

import measure
from job import PREFIX, PYTHON
from measure import Command


class Peer:
    """
    One way to bring an application onto a host.

    ``compiled`` tells whether hosts get ``.pyc`` files with it, ``builds`` whether
    there is a build at all, ``packages`` whether an artefact is moved.
    """

    name = ""
    compiled = False
    packages = True
    needs = ()

    def unavailable(self):
        """Return the programs that are not on PATH."""
        return [program for program in self.needs if not shutil.which(program)]

    def prepare(self, job):
        """Lay out what a CI would have before the build; nobody pays for it."""
        job.app.checkout(job.change, job.checkout)

    def build(self, job):
        """Build one commit and return the cost."""
        return measure.total(self.build_commands(job))

    def install(self, job, host):
        """Install one commit on ``host`` and return the cost."""
        commands = self.install_commands(job)
        return measure.total(measure.in_root(host.root, commands))

    def size(self, job):
        """Return the bytes of what was built."""
        return measure.size(self.artefact(job))

    def moved(self, old, new):
        """Return the bytes that a host with ``old`` is sent to have ``new``."""
        del old
        return self.size(new)

    def build_commands(self, job):
        """Return the commands of one build."""
        raise NotImplementedError

    def install_commands(self, job):
        """Return the commands of one installation, run on the host."""
        raise NotImplementedError

    def artefact(self, job):
        """Return the file or folder that a build leaves."""
        raise NotImplementedError


class Archive(Peer):
    """A Python archive: copied to the host, unpacked by its first start."""

    suffix = ""
    root_variable = ""
    interpreter_variable = ""

    def artefact(self, job):
        return job.folder / f"app{self.suffix}"

    def install_commands(self, job):
        target = f"{PREFIX}/{job.change}{self.suffix}"
        start = {
            self.root_variable: f"{PREFIX}/unpacked",
            self.interpreter_variable: "1",
        }
        return [
            Command(["mkdir", "-p", PREFIX]),
            Command(["cp", "-a", self.artefact(job), target]),
            Command(
                [PYTHON, target, "-c", f"import {job.app.dependency}"], None, start
            ),
            Command(["sync", "--file-system", PREFIX]),
        ]


class Pex(Archive):
    """One file with the lock's wheels and the repository's sources."""

    name = "pex"
    needs = ("pex",)
    suffix = ".pex"
    layout = ()
    root_variable = "PEX_ROOT"
    interpreter_variable = "PEX_INTERPRETER"

    def build_commands(self, job):
        argv = [
            "pex", "--python", PYTHON, "--requirement", job.lock,
            "--sources-directory", job.checkout / "src", *self.layout,
            "--output-file", self.artefact(job),
        ]  # fmt: skip
        return [Command(argv, job.checkout, job.env)]


class PexPacked(Pex):
    """A folder with one archive per dependency, of which changed ones are moved."""

    name = "pex packed"
    suffix = ".pexd"
    layout = ("--layout", "packed")

    def moved(self, old, new):
        before, after = self.artefact(old), self.artefact(new)
        changed = (
            path
            for path in after.rglob("*")
            if path.is_file() and not _same(path, before / path.relative_to(after))
        )
        return sum(path.stat().st_size for path in changed)


class Shiv(Archive):
    """One file that unpacks itself into the user's home."""

    name = "shiv"
    needs = ("shiv",)
    suffix = ".pyz"
    root_variable = "SHIV_ROOT"
    interpreter_variable = "SHIV_INTERPRETER"

    def build_commands(self, job):
        argv = [
            "shiv", "--python", PYTHON, "--site-packages", job.checkout / "src",
            "--output-file", self.artefact(job), "--requirement", job.lock,
        ]  # fmt: skip
        return [Command(argv, job.checkout, job.env)]


class UvSync(Peer):
    """No bundle: the host makes its virtualenv from the registry, in place."""

    name = "uv pip sync"
    packages = False
    needs = ("uv",)

    def build(self, job):
        """Nothing is built: the host does all of it."""
        del job

    def install_commands(self, job):
        python = f"{PREFIX}/venv/bin/python"
        # On the host itself: the cache and the virtualenv share a file system.
        env = {**job.env, "UV_CACHE_DIR": "/var/cache/uv"}
        uv = ["uv", "pip", "--quiet"]
        sync = [*uv, "sync", "--require-hashes", "--python", python, job.lock]
        # setuptools writes into the sources that it builds.
        source = f"{PREFIX}/source-{job.change}"
        bring = ["cp", "--archive", job.checkout, source]
        add = [*uv, "install", "--no-deps", "--python", python, source]
        commands = [sync, bring, add, ["sync", "--file-system", PREFIX]]
        if job.change == "first":
            commands.insert(0, ["uv", "venv", "-q", "--python", PYTHON,
                                f"{PREFIX}/venv"])  # fmt: skip
            commands.insert(0, ["mkdir", "-p", PREFIX])
        return [Command(argv, None, env) for argv in commands]


def _same(path, other):
    return other.is_file() and filecmp.cmp(path, other, shallow=False)
