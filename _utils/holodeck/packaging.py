"""
What nfpm and fpm are told: configuration and argv, as data.

Both wrap the same tree with the same metadata, so that the choice between
them never changes what a host gets.
"""

import datetime as dt
import json
from dataclasses import dataclass

_MAINTAINER = "Holodeck <holodeck@localhost>"
_ARCHITECTURES = {
    "deb": {"x86_64": "amd64", "aarch64": "arm64"},
    "rpm": {"x86_64": "x86_64", "aarch64": "aarch64"},
}


@dataclass(frozen=True)
class Package:
    """One native package: a tree that is unpacked below ``/``."""

    name: str
    version: str
    root: str
    kind: str
    machine: str
    epoch: int
    depends: tuple = ()
    summary: str = ""

    @property
    def architecture(self):
        """The machine's name in the words of the package format."""
        return _ARCHITECTURES[self.kind].get(self.machine, self.machine)


def nfpm_config(package):
    """
    Return nfpm's configuration as JSON, which is YAML too.

    ``mtime`` reaches only folders and control files; regular files take the
    times on disk, which the build normalises. ``buildhost`` would otherwise
    be the builder's name and differ between builders.
    """
    stamp = _timestamp(package.epoch)
    config = {
        "name": package.name,
        # nfpm takes Go's words, which are Debian's, and translates for rpm.
        "arch": _ARCHITECTURES["deb"].get(package.machine, package.machine),
        "platform": "linux",
        "version": package.version,
        "version_schema": "none",
        "maintainer": _MAINTAINER,
        "description": package.summary,
        "mtime": stamp,
        "depends": list(package.depends),
        "contents": [
            {
                "src": f"{package.root}/",
                "dst": "/",
                "type": "tree",
                "file_info": {"owner": "root", "group": "root", "mtime": stamp},
            }
        ],
        "deb": {"compression": "zstd"},
        "rpm": {"compression": "zstd", "buildhost": "holodeck", "group": "Internet"},
    }
    return json.dumps(config, indent=2, sort_keys=True)


def nfpm_argv(package, config, target):
    """Return the command that builds ``target`` from nfpm's ``config`` file."""
    return [
        "nfpm", "package", "--config", config, "--packager", package.kind,
        "--target", target,
    ]  # fmt: skip


def fpm_argv(package, target):
    """
    Return the command that builds ``target`` by fpm.

    The tree is complete, so fpm only wraps it (``-s dir``): its ``-s
    virtualenv`` upgrades pip from the network and relocates with a tool that
    breaks the result.
    """
    argv = [
        "fpm", "--input-type", "dir", "--output-type", package.kind,
        "--name", package.name, "--version", package.version,
        "--architecture", package.architecture, "--maintainer", _MAINTAINER,
        "--description", package.summary, "--package", target, "--force",
        "--chdir", package.root, "--source-date-epoch-default", str(package.epoch),
    ]  # fmt: skip
    if package.kind == "deb":
        argv += ["--deb-compression", "zst"]
        argv += ["--deb-user", "root", "--deb-group", "root"]
    else:
        argv += ["--rpm-compression", "zstd", "--rpm-os", "linux"]
        argv += ["--rpm-user", "root", "--rpm-group", "root"]
    for dependency in package.depends:
        argv += ["--depends", dependency]
    return [*argv, "."]


def install_argv(kind, files):
    """
    Return the command that installs package files.

    dpkg's own fsync of each file is left to one ``syncfs`` afterwards, which
    is as safe for a tree that nothing uses yet, and a third faster.
    """
    if kind == "deb":
        return ["dpkg", "--force-unsafe-io", "--install", *files]
    return ["rpm", "--install", "--replacepkgs", "--oldpackage", *files]


def extract_argv(package, folder):
    """Return the command that unpacks a deb's files below ``folder``."""
    return ["dpkg-deb", "--extract", package, folder]


def register_argv(kind, package, root):
    """
    Return the command that enters a package with files below ``root``, no more.

    dpkg still lists what it excludes, which is why `dpkg -L` knows the files of
    minimal images' documentation. A layer's own dependencies may be entered later
    than the layer, and the release has proven their files.
    """
    if kind == "deb":
        return [
            "dpkg", "--force-unsafe-io", "--force-depends", f"--path-exclude={root}",
            f"--path-exclude={root}/*", "--install", package,
        ]  # fmt: skip
    return ["rpm", "--install", "--justdb", "--replacepkgs", "--oldpackage", package]


def remove_argv(kind, packages):
    """Return the command that removes installed packages."""
    if kind == "deb":
        return ["dpkg", "--purge", *packages]
    return ["rpm", "--erase", *packages]


def layer_version(tree):
    """Return the version of a layer's package: its content, by the tree's digest."""
    return f"1.{tree[:12]}"


def installed_argv(kind):
    """Return the command that lists this pack's packages, one a line."""
    if kind == "deb":
        line = "${db:Status-Abbrev} ${Package} ${Version}\\n"
        return ["dpkg-query", "--show", "--showformat", line, "holodeck-*"]
    line = "ii %{NAME} %{VERSION}\\n"
    return ["rpm", "--query", "--all", "--queryformat", line, "holodeck-*"]


def parse_installed(text):
    """Return ``{name: version}`` of packages that are whole, from the listing."""
    rows = (line.split() for line in text.splitlines())
    return {row[1]: row[2] for row in rows if row[:1] == ["ii"] and row[2:]}


def _timestamp(epoch):
    moment = dt.datetime.fromtimestamp(epoch, tz=dt.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
