"""
dpkg's database: what ``dpkg -L``, ``-S``, ``-V`` and ``--purge`` know of a bundle.

dpkg learns of a layer by a package whose files it is told to leave alone
(``--path-exclude``).
"""

import contextlib
import gzip
import hashlib
import io
import shutil
import tarfile
import tempfile
import time
from pathlib import Path

from holodeck import deb_words
from holodeck_io import errors, files, process

_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
_UMASK = 0o022
# Seconds that another user of dpkg may take; an upgrade of a host is one.
LOCK_S = 300
_POLL_S = 0.5
_LOCKED = "locked by another process"
_MAGIC = b"!<arch>\n"
_SIZE = "Installed-Size:"
_MODES = (0o755, 0o644)


def packages():
    """Return ``{name: version}`` of this pack's packages; a half one has no version."""
    done = process.run(deb_words.installed_argv(), check=False)
    return deb_words.parse_installed(done.stdout)


def extract(package_file, folder):
    """Unpack a package's files below the new folder ``folder``."""
    Path(folder).mkdir(parents=True)
    process.pipe(
        deb_words.stream_argv(str(package_file)), deb_words.unpack_argv(str(folder)),
        umask=_UMASK,
    )  # fmt: skip


def label(folder):
    """Do nothing: Debian's kernels label files by AppArmor's paths, if at all."""


def register(entries):
    """Enter ``[(package file, root), …]``: the files are in place, or will be."""
    _dpkg(deb_words.register_argv([(str(file), root) for file, root in entries]))


def differences(layer):
    """Return which files of a layer are not its package's, and how they differ."""
    query = ["dpkg-query", "--control-show", layer["package"], "md5sums"]
    sums = process.run(query, check=False)
    if sums.returncode:
        return ["not in the package database, so its files are not known one by one"]
    root = Path(layer["root"])
    listed = process.run(["dpkg-query", "--listfiles", layer["package"]]).stdout
    known = deb_words.parse_sums(sums.stdout, str(root))
    names = [Path(line) for line in listed.splitlines()]
    below = (str(path.relative_to(root)) for path in names if root in path.parents)
    whole = {**dict.fromkeys(below, ""), **known}
    return list(_differences(root, whole)) or _suspects(root, whole)


def _suspects(root, known):
    """Return the links, one of which is to blame: dpkg keeps no link's target."""
    links = [
        name
        for name in sorted(known)
        if not known[name]
        and ((root / name).is_symlink() or not (root / name).is_dir())
    ]
    return [f"{', '.join(links)}: one of these links points elsewhere"] if links else []


def _differences(root, known):
    """Yield a text for each file that is missing, changed or nobody's."""
    there = set(files.names_below(root))
    for name in sorted(known.keys() | there):
        path = root / name
        if name not in there:
            yield f"{name} is missing"
        elif name not in known:
            yield f"{name} belongs to no package"
        elif known[name] and (path.is_symlink() or known[name] != _md5(path)):
            yield f"{name} has other content"
        elif not path.is_symlink() and path.stat().st_mode & 0o7777 not in _MODES:
            yield f"{name} has the mode {path.stat().st_mode & 0o7777:o}"


def forget(packages_):
    """
    Remove packages from the database and leave their files alone.

    One of another content, or that dpkg did not finish, goes so before it is entered
    anew: dpkg would remove the files that it knew, and is now to leave alone.
    """
    with tempfile.TemporaryDirectory(prefix="holodeck-empty-") as empty:
        _dpkg(deb_words.forget_argv(packages_, empty))


def remove(doomed):
    """Remove packages and their files."""
    _dpkg(deb_words.remove_argv(doomed))


def _dpkg(argv):
    """Run dpkg, and wait for whoever has its lock, such as unattended upgrades."""
    end = time.monotonic() + LOCK_S
    while True:
        try:
            return process.run(argv, env=_ENVIRONMENT)
        except errors.CommandError as error:
            if _LOCKED not in str(error) or time.monotonic() > end:
                raise
        time.sleep(_POLL_S)


def control_of(package_file):
    """Return a package's control fields as text."""
    return process.run(["dpkg-deb", "--field", str(package_file)]).stdout


def write_index(layer, target):
    """
    Write a deb that names a layer's files without their content.

    It is made where the files are, from the control fields of the real package:
    a host that got a layer as a difference never had that.
    """
    root = Path(layer["root"])
    paths = [root, *sorted(root.rglob("*"))]
    plain = [path for path in paths if path.is_file() and not path.is_symlink()]
    control = {"control": layer["control"], "md5sums": _md5sums(plain, "/")}
    with _names(paths) as data:
        write(target, control, "data.tar", data)


def write(target, control, name, data):
    """
    Write a deb.

    control
        ``{name: text}`` of the files for dpkg itself.
    name, data
        The name of the member with the package's files, and an open file with it.
    """
    members = {
        "debian-binary": io.BytesIO(b"2.0\n"),
        "control.tar.gz": io.BytesIO(gzip.compress(_texts(control), mtime=0)),
        name: data,
    }
    with open(target, "wb") as file:
        file.write(_MAGIC)
        for member, content in members.items():
            size = content.seek(0, io.SEEK_END)
            content.seek(0)
            file.write(
                f"{member:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{size:<10}`\n".encode()
            )
            shutil.copyfileobj(content, file, 1 << 20)
            file.write(b"\n" * (size % 2))


def control_files(fields, top):
    """
    Return ``{name: text}`` of what dpkg is told of the files below ``top``.

    fields
        The control fields that a packager wrote.
    top
        The folder that stands for the host's root folder.
    """
    paths = [Path(top, name) for name in files.names_below(top)]
    plain = [path for path in paths if path.is_file() and not path.is_symlink()]
    kilobytes = sum(-(-path.stat().st_size // 1024) for path in plain)
    lines = [line for line in fields.splitlines() if not line.startswith(_SIZE)]
    lines.insert(1, f"{_SIZE} {kilobytes + len(paths) - len(plain)}")
    return {"control": "\n".join(lines) + "\n", "md5sums": _md5sums(plain, top)}


def _md5sums(paths, top):
    return "".join(f"{_md5(path)}  {path.relative_to(top)}\n" for path in paths)


def _md5(path):
    """Return the sum that dpkg keeps; a folder in a file's place has none."""
    if not path.is_file():
        return ""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _texts(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, text in members.items():
            data = text.encode()
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@contextlib.contextmanager
def _names(paths):
    """Yield a tar of folders, links and empty files: names alone."""
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
    yield buffer
