"""The peers whose artefact is one Debian package of a whole virtualenv."""

import json
import os
import subprocess
import sys
from pathlib import Path

from job import PREFIX, PYTHON
from measure import Command
from peers import Peer

_INDEX = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
_CONTROL = """\
Source: {name}
Maintainer: Benchmark <benchmark@localhost>
Build-Depends: debhelper-compat (= 13), dh-virtualenv
Standards-Version: 4.6.2

Package: {name}
Architecture: any
Depends: ${{misc:Depends}}, python3.11
Description: benchmark
"""
_CHANGELOG = """\
{name} ({version}) unstable; urgency=medium

  * Benchmark.

 -- Benchmark <benchmark@localhost>  Thu, 01 Jan 2026 00:00:00 +0000
"""
# dpkg-shlibdeps fails on the private libraries of wheels, so packagers switch it
# off; dh_dwz too cannot read some of them. dh_strip would change the files: packages
# are compared with the same content. All make the build faster, not slower.
_RULES = f"""\
#!/usr/bin/make -f
%:
\tdh $@ --with python-virtualenv --without dwz
override_dh_virtualenv:
\tdh_virtualenv --builtin-venv --python {PYTHON}
override_dh_shlibdeps override_dh_strip override_dh_dwz override_dh_auto_build \\
override_dh_auto_test override_dh_auto_install override_dh_auto_configure \\
override_dh_auto_clean:
"""


class Deb(Peer):
    """A package that dpkg installs as on any host: it syncs each file itself."""

    compiled = True

    def install_commands(self, job):
        argv = ["dpkg", "--no-force-unsafe-io", "--install", self.artefact(job)]
        return [Command(argv, None, {"DEBIAN_FRONTEND": "noninteractive"})]

    def artefact(self, job):
        return job.folder / "app.deb"


class DhVirtualenv(Deb):
    """debhelper's own way, with its defaults and pip's cache."""

    name = "dh-virtualenv"
    needs = ("dh_virtualenv", "dpkg-buildpackage")

    def prepare(self, job):
        super().prepare(job)
        names = {"name": f"bench-{job.app.name}", "version": job.number}
        debian = job.checkout / "debian"
        debian.mkdir()
        (debian / "control").write_text(_CONTROL.format(**names))
        (debian / "changelog").write_text(_CHANGELOG.format(**names))
        (debian / "rules").write_text(_RULES)
        (debian / "rules").chmod(0o755)

    def build_commands(self, job):
        argv = ["dpkg-buildpackage", "-us", "-uc", "-b", "-d"]
        return [Command(argv, job.checkout, job.env)]

    def artefact(self, job):
        return next(job.folder.glob("*[!m]_*_*.deb"))


class Whole(Deb):
    """uv and nfpm as ours, but the virtualenv is one package per commit."""

    name = "uv + nfpm whole"
    needs = ("uv", "nfpm")

    def prepare(self, job):
        super().prepare(job)
        tree = {"src": f"{job.folder}/root/", "dst": "/", "type": "tree"}
        config = {
            "name": f"bench-{job.app.name}", "arch": "amd64", "version": job.number,
            "maintainer": "Benchmark <benchmark@localhost>", "description": "benchmark",
            "depends": ["python3.11"], "contents": [tree],
            "deb": {"compression": "zstd"},
        }  # fmt: skip
        (job.folder / "nfpm.yaml").write_text(json.dumps(config))

    def build_commands(self, job):
        prefix = f"{job.folder}/root{PREFIX}/venv"
        uv = ["uv", "pip", "--quiet"]
        into = ["--python", f"{prefix}/bin/python"]
        steps = [
            ["uv", "venv", "-q", "--relocatable", "--python", PYTHON, prefix],
            [*uv, "sync", "--require-hashes", *into, job.lock],
            [*uv, "install", "--no-deps", *into, job.checkout],
            ["sh", "-c", f"{PYTHON} -m compileall -q -j0 {prefix}/lib || true"],
            ["nfpm", "package", "--config", job.folder / "nfpm.yaml",
             "--packager", "deb", "--target", self.artefact(job)],
        ]  # fmt: skip
        return [Command(argv, job.checkout, job.env) for argv in steps]


class Fpm(Deb):
    """``fpm -s virtualenv``, which leaves the ``.pyc`` files out."""

    name = "fpm -s virtualenv"
    compiled = False
    needs = ("fpm",)

    def build_commands(self, job):
        # fpm asks an index that has moved, unless it is told of pip's own.
        index = subprocess.run(
            [sys.executable, "-c", _INDEX], check=True, capture_output=True, text=True
        ).stdout.strip()
        argv = [
            "fpm", "-s", "virtualenv", "-t", "deb", "--force",
            "--name", f"bench-{job.app.name}", "--version", job.number,
            "--prefix", f"{PREFIX}/venv", "--package", self.artefact(job),
            "--virtualenv-pypi", index, "requirements.txt",
        ]  # fmt: skip
        path = f"{Path(PYTHON).parent}:{os.environ['PATH']}"
        return [Command(argv, job.checkout, {**job.env, "PATH": path})]
