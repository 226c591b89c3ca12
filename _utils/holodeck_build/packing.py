"""A finished tree as a native package, and the digests that prove both."""

import concurrent.futures
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from holodeck import packaging
from holodeck_bundle import database, deb
from holodeck_io import errors, files, process


@dataclass(frozen=True)
class Layer:
    """
    One tree, its package, and the digests that prove both.

    ``needs`` are the system packages that its files link to or its definition names.
    """

    role: str
    package: str
    root: str
    file: str
    filename: str
    sha256: str
    size: int
    tree: str
    control: str = ""
    needs: tuple = ()
    deltas: tuple = ()


@dataclass(frozen=True)
class Packer:
    """How trees become packages here: the format, the tool, and its caller."""

    kind: str
    packager: str
    wrap: Callable

    def layer(self, tree, home, depends, needs, epoch):
        """
        Wrap a tree and return its :class:`Layer`; the package stays in ``home``.

        tree
            A :class:`Tree`.
        depends, needs
            This pack's own packages, and the system's, that it depends on.
        epoch
            The time of the package's own entries, in seconds since 1970.
        """
        target = Path(home, f"{tree.package}.{self.kind}")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            archive = pool.submit(_compressed, tree.top, self.kind, target)
            digest = files.tree_digest(tree.prefix)
            version = packaging.layer_version(digest)
            self.wrap(
                tree.package, version, str(tree.top), str(target), kind=self.kind,
                packager=self.packager, depends=[*depends, *needs], epoch=epoch,
            )  # fmt: skip
            archive = archive.result()
        if not target.is_file():
            raise errors.HolodeckError(f"Package {target}: the packager left no file.")
        if archive:
            put_archive(target, archive)
            archive.unlink()
        return Layer(
            role=tree.role,
            package=tree.package,
            root=tree.root,
            file=str(target),
            filename=target.name,
            sha256=files.sha256_file(target),
            size=target.stat().st_size,
            tree=digest,
            control=database.of(self.kind).control_of(target),
            needs=tuple(needs),
        )


@dataclass(frozen=True)
class Tree:
    """A tree to be packed: ``top`` stands for the host's root folder."""

    role: str
    package: str
    root: str
    top: Path

    @property
    def prefix(self):
        """The tree's own folder."""
        return Path(self.top, self.root.lstrip("/"))


def put_archive(package, archive):
    """
    Put a compressed archive of a deb's files in the place of the packager's own.

    So the files are the same bytes whatever wraps them, and are compressed while it
    does: by zstd itself, in a third of the time that nfpm or fpm take, and by a tenth
    smaller, as it looks back over the whole tree.
    """
    made = Path(package).with_suffix(".new")
    with open(archive, "rb") as data:
        deb.write(made, deb.control_files(package), "data.tar.zst", data)
    made.rename(package)


def _compressed(top, kind, package):
    """Return the archive of a deb's files; a format with its own has none."""
    if kind != "deb":
        return None
    target = package.with_suffix(".zst")
    process.pipe(packaging.archive_argv(str(top)), packaging.compress_argv(str(target)))
    return target
