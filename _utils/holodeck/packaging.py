"""
What nfpm and fpm are told: configuration and argv, as data.

Both wrap the same tree with the same metadata, so that the choice between them changes
no file that a host gets, but for the tool's name in the bundle's provenance.
"""

import datetime as dt
import json
from dataclasses import dataclass

from holodeck import moments

# 1980-01-01: the first time that every archive format can say.
EPOCH = 315532800
# Without them rpmbuild writes the builder's name and the time of day.
_RPM_DEFINES = (
    "_buildhost holodeck",
    "use_source_date_epoch_as_buildtime 1",
    "clamp_mtime_to_source_date_epoch 1",
    "source_date_epoch_from_changelog 0",
    "_build_id_links none",
)
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
        "deb": {"compression": "none"},
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
        argv += ["--deb-compression", "none"]
        argv += ["--deb-user", "root", "--deb-group", "root"]
    else:
        # fpm knows no zstd for rpm; folders are owned, as nfpm's are.
        argv += ["--rpm-compression", "gzip", "--rpm-compression-level", "6"]
        argv += ["--rpm-digest", "sha256", "--rpm-auto-add-directories"]
        for define in _RPM_DEFINES:
            argv += ["--rpm-rpmbuild-define", define]
        argv += ["--rpm-os", "linux", "--rpm-user", "root", "--rpm-group", "root"]
    for dependency in package.depends:
        argv += ["--depends", dependency]
    return [*argv, "."]


def archive_argv(root):
    """
    Return the command that writes a finished tree as a deb's tar to its output.

    Names sorted, owners root; modes and times are the tree's. A file may be linked to
    from another tree: it is a file of its own here.
    """
    return [
        "tar", "--create", "--format=gnu", "--sort=name", "--hard-dereference",
        "--owner=0", "--group=0", "--numeric-owner", "--blocking-factor=2048",
        "--directory", root, "./opt",
    ]  # fmt: skip


def compress_argv(target):
    """
    Return the command that compresses a deb's tar from its standard input.

    The window of 128 MiB is the largest that dpkg reads. The bytes do not depend on
    how many workers there are, but those of none are others; so it is said. A search
    of half the depth of level 10 takes a fifth less time, for half a percent of size.
    """
    return [
        "zstd", "-q", "-10", "--long=27", "--zstd=slog=4", "-T2", "-f", "-o", target,
    ]  # fmt: skip


def layer_version(tree):
    """Return the version of a layer's package: its content, by the tree's digest."""
    return f"1.{tree[:12]}"


def _timestamp(epoch):
    moment = dt.datetime.fromtimestamp(epoch, tz=dt.timezone.utc)
    return moments.text(moment)
