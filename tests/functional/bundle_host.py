"""A host below one folder: its own files, package database, pillar and store."""

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import builder
import salt.config
import salt.loader

from holodeck import names, packaging
from holodeck_bundle import database, delta, downloads, receipts, signing
from holodeck_io import files

_FAMILY = {"deb": "Debian", "rpm": "RedHat"}
PROVENANCE = {"builder": "builder1"}


class Host:
    """
    A minion without a master: its file client reads the store, which is data.

    Packages carry their whole paths, so they unpack below the folder alone; the
    package database is a private one.
    """

    def __init__(self, home, patch, kind="deb", works=None):
        self.home, self.kind, self.works = home, kind, works or home / "made"
        self.store, self.fetched, self.asked = {}, [], []
        self.brings = []
        _redirect(home, patch)
        (_dpkg if kind == "deb" else _rpm)(home, patch)
        self.functions = self._loaded()

    def _loaded(self):
        opts = salt.config.minion_config(None)
        opts.update(
            root_dir=str(self.home),
            cachedir=str(self.home / "minion"),
            module_dirs=[str(builder.PACK / "salt")],
            utils_dirs=[str(builder.PACK / "_utils")],
            pillar_roots={"base": [str(self.home / "pillar")]},
            file_client="local",
            grains={"cpuarch": "x86_64", "os_family": _FAMILY[self.kind], "id": "web1"},
            id="web1",
        )
        loaded = salt.loader.minion_mods(opts, utils=salt.loader.utils(opts))
        loaded.pack["__salt__"] = {
            "pkg.install": self._pkg_install,
            **{name: loaded[name] for name in ("fpm.package", "bundle.prune")},
        }
        # Each loader has a module of its own.
        module = loaded["bundle.install"].func.__globals__
        module["get_file_client"] = lambda _opts: contextlib.nullcontext(self)
        return loaded

    def get_file(self, path, dest):
        """Do what Salt's client does: return where the file is, or ``False``."""
        self.fetched.append(Path(path).name)
        found = self.store.get(path)
        return shutil.copy(found, dest) if found else False

    def _pkg_install(self, pkgs, refresh):
        assert refresh
        self.asked.append(pkgs)
        for deed in self.brings:
            deed()

    def pillar(self, content):
        """Give this minion's pillar its ``holodeck`` part."""
        folder = self.home / "pillar"
        folder.mkdir(exist_ok=True)
        (folder / "top.sls").write_text("base: {'*': [holodeck]}\n")
        (folder / "holodeck.sls").write_text(json.dumps({"holodeck": content}))

    def remember(self, content):
        """Have another ``holodeck`` part in memory than the pillar has now."""
        self.functions.pack["__pillar__"] = {"holodeck": content}

    def call(self, function, *words, **options):
        """Call one of this pack's functions, as Salt loaded it."""
        return self.functions[f"bundle.{function}"](*words, **options)

    def install(self, bundle, **options):
        """Call ``bundle.install``."""
        return self.call("install", **bundle, **options)

    def keep(self, artefact, file):
        """Put a file into the master's store."""
        path = f"salt://bundles/{artefact['sha256']}/{artefact['filename']}"
        self.store[path] = str(file)

    def deps(self, text="deps", key="d" * 16, **options):
        """Make a dependencies' layer."""
        root, package = names.deps_root(key), names.deps_package(key)
        return self.layer("deps", package, root, text, **options)

    def app(self, commit, text, deps, name="guestbook", **options):
        """Make the layer of a commit, with a file that is its ``text``."""
        root, package = names.bundle_root(name, commit), names.app_package(name, commit)
        options = {"depends": [deps["package"]], **options}
        return self.layer("app", package, root, text, **options)

    def layer(self, role, package, root, text, depends=(), needs=(), base=None):
        """Make a layer by the real packager, and its difference from ``base``."""
        top = self.works / f"{package}-{text[:6]}"
        made = Path(f"{top}{root}")
        _fill(made, text)
        file = Path(f"{top}.{self.kind}")
        _wrap(top, file, package, self.kind, depends, files.tree_digest(made))
        layer = {
            "role": role, "package": package, "root": root, "filename": f"{package}."
            f"{self.kind}", "sha256": files.sha256_file(file), "needs": list(needs),
            "tree": files.tree_digest(made), "size": file.stat().st_size,
            "control": database.of(self.kind).control_of(file), "deltas": [],
        }  # fmt: skip
        self.keep(layer, file)
        if base:
            archive = Path(f"{top}.delta")
            delta.create(self.made(base), made, archive)
            candidate = {
                "base_root": base["root"], "filename": f"{package}.delta",
                "sha256": files.sha256_file(archive), "size": archive.stat().st_size,
            }  # fmt: skip
            layer["deltas"] = [candidate]
            self.keep(candidate, archive)
        return layer

    def made(self, layer):
        """Return the folder where a layer was made."""
        path = f"salt://bundles/{layer['sha256']}/{layer['filename']}"
        top = self.store[path].removesuffix(f".{self.kind}")
        return Path(f"{top}{layer['root']}")

    def known(self):
        """Return the packages in the database, all of which must be whole."""
        found = database.of(self.kind).packages()
        assert all(found.values()), found
        return sorted(found)

    def leftovers(self):
        """Return what only a run under way may have: downloads and staging folders."""
        found = [*downloads.HOME.glob("*"), *receipts.RECEIPTS.rglob(".*")]
        return found + list(Path(names.PREFIX).glob("*/.*"))


def bundle(commit, *layers, name="guestbook"):
    """Return what a release tells a host to install."""
    return {
        "name": name, "commit": commit, "layers": list(layers),
        "provenance": PROVENANCE,
    }  # fmt: skip


def said(*argv):
    """Run a command; return what it prints, whatever its status."""
    done = subprocess.run(argv, text=True, capture_output=True, check=False)
    return done.stdout + done.stderr


def _redirect(home, patch):
    prefix = str(home / "opt")
    patch.setenv("PATH", f"{builder.PACK}/.venv/bin:{os.environ['PATH']}")
    places = names._BASE.pattern.replace(names.PREFIX, prefix)
    patch.setattr(names, "_BASE", names.re.compile(places))
    patch.setattr(names, "PREFIX", prefix)
    patch.setattr(names, "STATE", str(home / "state"))
    patch.setattr(names, "CONFIG", str(home / "etc"))
    patch.setattr(downloads, "HOME", home / "downloads")
    patch.setattr(receipts, "RECEIPTS", home / "receipts")
    patch.setattr(signing, "KEYRING", home / "keyring.gpg")


def _dpkg(home, patch):
    admin = home / "dpkg"
    for name in ("info", "updates", "triggers"):
        (admin / name).mkdir(parents=True)
    (admin / "status").touch()
    (admin / "available").touch()
    patch.setenv("DPKG_ADMINDIR", str(admin))


def _rpm(home, patch):
    """Let rpm's own configuration name another database; the machine's stays out."""
    (home / ".rpmmacros").write_text(f"%_dbpath {home / 'rpmdb'}\n")
    patch.setenv("HOME", str(home))
    subprocess.run(["rpm", "--initdb"], check=True)


def _fill(made, text):
    (made / "bin").mkdir(parents=True)
    (made / "lib").mkdir()
    (made / "bin" / "say").write_text("#!/bin/sh\necho said\n")
    (made / "lib" / "same").write_text("same")
    (made / "file").write_text(text)
    (made / "link").symlink_to("file")
    for path in [made, *made.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.name == "say" else 0o644)
        os.utime(path, (1000, 1000), follow_symlinks=False)


def _wrap(top, file, package, kind, depends, digest):
    version = packaging.layer_version(digest)
    wanted = packaging.Package(
        package, version, str(top), kind, "x86_64", 1000, tuple(depends), package
    )
    config = file.with_suffix(f".{kind}.yaml")
    config.write_text(packaging.nfpm_config(wanted))
    argv = packaging.nfpm_argv(wanted, str(config), str(file))
    subprocess.run(argv, check=True, capture_output=True)
