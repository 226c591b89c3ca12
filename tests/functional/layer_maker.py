"""Layers with one file each, by the real packager, and their way onto a host."""

import shutil
import subprocess
from pathlib import Path

from holodeck import packaging
from holodeck_bundle import deb, delta, downloads, install, proof, receipts
from holodeck_io import files


class Package:
    """A layer with one file, made by the real packager."""

    def __init__(self, host, name, root, text, depends=()):
        self.source = host / "made" / name
        home = Path(f"{self.source}{root}")
        home.mkdir(parents=True)
        (home / "file").write_text(text)
        file = host / "made" / f"{name}.deb"
        config = host / "made" / f"{name}.yaml"
        wanted = packaging.Package(
            name,
            packaging.layer_version(files.tree_digest(home)),
            str(self.source),
            "deb",
            "x86_64",
            0,
            depends,
            name,
        )
        config.write_text(packaging.nfpm_config(wanted))
        self.file = file
        _wrap(file, config)
        self.layer = {
            "package": name,
            "root": str(root),
            "filename": file.name,
            "sha256": files.sha256_file(file),
            "tree": files.tree_digest(home),
            "control": deb.control_of(file),
        }
        self.home, self.delta = home, None

    def follow(self, base):
        """Make the difference from another package's tree."""
        self.delta = self.file.with_suffix(".delta")
        delta.create(base.home, self.home, self.delta)
        self.candidate = {
            "base_root": base.layer["root"],
            "filename": self.delta.name,
            "sha256": files.sha256_file(self.delta),
        }
        self.layer["deltas"] = [self.candidate]


def _wrap(file, config):
    subprocess.run(
        ["nfpm", "package", "-f", config, "-p", "deb", "-t", file],
        check=True, capture_output=True,
    )  # fmt: skip


def install_packages(packages, commit, name="guestbook"):
    """Place what is missing of a bundle, as a host does; return the digests."""
    layers = [package.layer for package in packages]
    files_of = {p.layer["sha256"]: p.file for p in packages} | {
        p.candidate["sha256"]: p.delta for p in packages if p.delta
    }

    def fetch(wanted):
        return _fetch(wanted, files_of)

    proven = install.place(proof.absent(layers), "deb", fetch)
    install.prove(layers, "deb", fetch, proven)
    return receipts.keep(name, commit, layers)


def _fetch(artefact, files_of):
    path = downloads.path_for(artefact)
    shutil.copy(files_of[artefact["sha256"]], path)
    return downloads.checked(artefact, path, arrived=True)


def remake(*packages):
    """Wrap the packages' trees again, after they were changed."""
    for package in packages:
        config = package.file.with_suffix(".yaml")
        _wrap(package.file, config)
        package.layer["sha256"] = files.sha256_file(package.file)
        package.layer["tree"] = files.tree_digest(package.home)
