"""A host with an rpm database of its own, and layers made for it."""

import os
import shutil
import subprocess
from pathlib import Path

from holodeck import names, packaging
from holodeck_bundle import rpm
from holodeck_io import files


class Host:
    """A place for packages, files and a database below one folder."""

    def __init__(self, home):
        self.home = home
        self.database = str(home / "database")
        self.rpm("--initdb")

    def rpm(self, *words):
        """Run rpm on this host's database; return what it prints."""
        argv = ["rpm", "--dbpath", self.database, *words]
        done = subprocess.run(argv, check=False, capture_output=True, text=True)
        return done.stdout

    def listed(self, *words):
        """Return what a query says of our own files, without their parents."""
        rows = self.rpm("--query", *words).splitlines()
        return sorted(row for row in rows if row.startswith(names.PREFIX))

    def verified(self, *packages):
        """Return what rpm complains of, without the parents of our own files."""
        rows = self.rpm("--verify", *packages).splitlines()
        return [row for row in rows if names.PREFIX in row or "/" not in row]

    def package(self, name, root, text, depends=(), epoch=1000):
        """Make a layer with a program, two files, a link and an empty folder."""
        made = self.home / "made" / f"{name}-{text[:4]}"
        home = Path(f"{made}{root}")
        (home / "bin").mkdir(parents=True)
        (home / "empty").mkdir()
        (home / "bin" / "say").write_text("#!/bin/sh\necho said\n")
        (home / "file").write_text(text)
        (home / "same").write_text("same")
        (home / "link").symlink_to("file")
        for path in [made, *made.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.name == "say" else 0o644)
            os.utime(path, (epoch, epoch), follow_symlinks=False)
        file = made.with_suffix(".rpm")
        wrap(made, file, name, depends, epoch)
        return {
            "package": name, "root": root, "tree": files.tree_digest(home),
            "control": rpm.control_of(file), "file": file, "home": home,
        }  # fmt: skip

    def place(self, layer):
        """Unpack a layer beside its place and move it in, as a host does."""
        staging = self.home / "staging"
        rpm.extract(layer["file"], staging)
        Path(layer["root"]).parent.mkdir(parents=True, exist_ok=True)
        Path(f"{staging}{layer['root']}").rename(layer["root"])
        shutil.rmtree(staging)

    def enter(self, layer):
        """Enter a layer by an index made of its files."""
        target = self.home / "index.rpm"
        rpm.write_index(layer, target)
        rpm.register([(target, "")], dbpath=self.database)
        return target


def wrap(made, file, name, depends, epoch):
    """Wrap the tree ``made`` as the rpm ``file``."""
    digest = files.tree_digest(made)
    wanted = packaging.Package(
        name, packaging.layer_version(digest), str(made), "rpm", "x86_64", epoch,
        depends, name,
    )  # fmt: skip
    config = file.with_suffix(".yaml")
    config.write_text(packaging.nfpm_config(wanted))
    argv = packaging.nfpm_argv(wanted, str(config), str(file))
    subprocess.run(argv, check=True, capture_output=True)


def rebuild(layer, folder):
    """Wrap a layer's tree by rpmbuild, as fpm does; return the package's file."""
    spec = folder / "layer.spec"
    spec.write_text(
        f"Name: {layer['package']}\nVersion: 1\nRelease: 1\nSummary: x\n"
        "License: x\nAutoReqProv: no\n%description\nx\n"
        "%define __spec_install_post true\n"
        f"%install\nmkdir -p %{{buildroot}}{layer['root']}\n"
        f"cp -a {layer['home']}/. %{{buildroot}}{layer['root']}\n"
        f"%files\n{layer['root']}\n"
    )
    subprocess.run(
        ["rpmbuild", "-bb", "--target", "x86_64", "--define", f"_topdir {folder}",
         str(spec)],
        check=True, capture_output=True,
    )  # fmt: skip
    [file] = folder.glob("RPMS/*/*.rpm")
    return file
