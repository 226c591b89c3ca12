"""
What no installer can beat: the same files copied, or taken from a tar, and one sync.

The trees are ours, as they lie on a host after the three installations.
"""

import filecmp
import shutil
from pathlib import Path

import measure
from measure import Command
from ours import PREFIX

TARGET = f"/{PREFIX}"


class Trees:
    """The files of ours on a host, one folder a change; both layers in each."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def keep(self, change, host):
        """Take what this change brought to the host; earlier ones have the rest."""
        source = host.root / PREFIX
        known = {name for kept in self.folder.glob("*") for name in _bundles(kept)}
        for name in sorted(_bundles(source) - known):
            target = self.folder / change / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source / name, target, symlinks=True)

    def __getitem__(self, change):
        return self.folder / change

    def changed(self, change):
        """Return the files of ``change`` that no file of ``first`` is equal to."""
        base = [self["first"] / name for name in sorted(_bundles(self["first"]))]
        for name in sorted(_bundles(self[change])):
            root = self[change] / name
            old = [place for place in base if _role(place) == _role(root)]
            for path in sorted(root.rglob("*")):
                inside = path.relative_to(root)
                if path.is_file() and not any(_same(path, o / inside) for o in old):
                    yield path.relative_to(self[change])


class Copy:
    """``cp -a`` of the whole, or of the files that changed, and one sync."""

    name = "copy of the tree"

    def install(self, trees, change, host):
        """Copy what ``change`` needs and return the cost."""
        if change == "first":
            return _copy(trees, change, ["."], host)
        return _copy(trees, change, list(trees.changed(change)), host)


class Layer:
    """``cp -a`` of the layers that are new, and one sync."""

    name = "copy of the layer"

    def install(self, trees, change, host):
        """Copy the new layers and return the cost."""
        return _copy(trees, change, ["."], host)


class Tar:
    """``tar --zstd --extract`` of the layers that are new, and one sync."""

    name = "the tar"

    def install(self, trees, change, host):
        """Unpack the new layers and return the cost."""
        archive = trees.folder / f"{change}.tar.zst"
        if not archive.exists():
            pack = ["tar", "--zstd", "--create", "--file", archive, "--directory"]
            measure.run(Command([*pack, trees[change], "."]))
        unpack = ["tar", "--zstd", "--extract", "--file", archive]
        return _cost(host, [*unpack, "--directory", TARGET])


def _copy(trees, change, names, host):
    argv = ["cp", "--archive", "--parents", *names, TARGET]
    return _cost(host, ["env", "--chdir", trees[change], *argv])


def _cost(host, argv):
    (host.root / PREFIX).mkdir(parents=True, exist_ok=True)
    commands = [Command(argv), Command(["sync", "--file-system", TARGET])]
    return measure.total(measure.in_root(host.root, commands))


def _bundles(folder):
    """Return the trees ``NAME/COMMIT`` and ``deps/KEY`` below a folder."""
    return {
        str(path.relative_to(folder))
        for path in Path(folder).glob("*/*")
        if path.is_dir() and not path.is_symlink()
    }


def _role(place):
    return place.parent.name


def _same(path, other):
    return (
        other.is_file()
        and path.is_symlink() == other.is_symlink()
        and filecmp.cmp(path, other, shallow=False)
    )
