"""
The native package database: what Debian's and RPM's own tools know of a bundle.

A layer's files are put in place by us, at once and durably; the database learns of
them by a package whose files dpkg is told to leave alone (``--path-exclude``).
After that ``dpkg -L``, ``-S``, ``-V`` and ``--purge`` work as with any package.
"""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

from holodeck import names, packaging
from holodeck_io import process

_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def packages(kind):
    """Return ``{name: version}`` of this pack's packages that are installed whole."""
    done = process.run(packaging.installed_argv(kind), check=False)
    return packaging.parse_installed(done.stdout)


def register(kind, package_file, root):
    """Enter a package whose files are in place, or will be."""
    process.run(
        packaging.register_argv(kind, str(package_file), root), env=_ENVIRONMENT
    )


def install(kind, package_file):
    """Let the package manager itself put a package's files in place."""
    process.run(packaging.install_argv(kind, [str(package_file)]), env=_ENVIRONMENT)


def remove(kind, doomed):
    """Remove packages and their files."""
    process.run(packaging.remove_argv(kind, doomed), env=_ENVIRONMENT)


def control_of(package_file):
    """Return a deb's control fields as text; none for an rpm."""
    if not str(package_file).endswith(".deb"):
        return ""
    return process.run(["dpkg-deb", "--field", str(package_file)]).stdout


def write_index(layer, target):
    """
    Write a deb that names a layer's files without their content.

    It is made where the files are, from the control fields of the real package:
    a host that got a layer as a difference never had that.
    """
    root = Path(layer["root"])
    paths = [root, *sorted(root.rglob("*"))]
    control = {"control": layer["control"], "md5sums": _md5sums(paths)}
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": gzip.compress(_texts(control), mtime=0),
        "data.tar": _names(paths),
    }
    with open(target, "wb") as file:
        file.write(b"!<arch>\n")
        for name, content in parts.items():
            file.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}".encode())
            file.write(f"{len(content):<10}`\n".encode() + content)
            file.write(b"\n" * (len(content) % 2))


def _md5sums(paths):
    return "".join(
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}"
        f"  {str(path).lstrip('/')}\n"
        for path in paths
        if path.is_file() and not path.is_symlink()
    )


def _texts(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, text in members.items():
            data = text.encode()
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _names(paths):
    """Return a tar of folders, links and empty files: names alone."""
    buffer = io.BytesIO()
    parents = [*reversed(Path(paths[0]).parents)][1:]
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in [*parents, *paths]:
            info = archive.gettarinfo(path, arcname=f".{path}")
            info.uid = info.gid = 0
            info.uname = info.gname = "root"
            if info.isfile() or info.islnk():
                # Hard links to the layer before are files of their own here.
                info.type, info.linkname, info.size = tarfile.REGTYPE, "", 0
            archive.addfile(info)
    return buffer.getvalue()


def lock_file():
    """Return the file whose lock dpkg's users here take: dpkg itself does not wait."""
    return Path(names.STATE, "packages.lock")
