"""
dpkg's database: what ``dpkg -L``, ``-S``, ``-V`` and ``--purge`` know of a bundle.

dpkg learns of a layer by a package whose files it is told to leave alone
(``--path-exclude``).
"""

import errno
import hashlib
import io
import os
import time
from pathlib import Path

from holodeck import deb_words, packaging
from holodeck_bundle import deb_format, downloads
from holodeck_io import errors, files, process

_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", **process.PLAIN}
_UMASK = 0o022
# Seconds that another user of dpkg may take; an upgrade of a host is one.
LOCK_S = 300
_POLL_S = 0.5
# Of whom: "another process" by Debian 12's dpkg, the program by Debian 13's.
_LOCKED = "lock was locked by "
_MODES = (0o755, 0o644)


def packages():
    """Return ``{name: version}`` of this pack's packages; a half one has no version."""
    done = process.run(deb_words.installed_argv(), check=False)
    return deb_words.parse_installed(done.stdout)


def extract(package_file, folder):
    """Unpack a package's files below the new folder ``folder``."""
    Path(folder).mkdir(parents=True)
    unpack = deb_words.unpack_argv(str(folder))
    try:
        process.pipe(
            deb_words.stream_argv(str(package_file)), unpack,
            env=process.PLAIN, umask=_UMASK,
        )  # fmt: skip
    except errors.CommandError as error:
        if deb_words.WROTE_LESS not in str(error):
            raise
        why = os.strerror(errno.ENOSPC)
        raise errors.CommandError(f"{error}\n{why}") from error


def label(folder):
    """Do nothing: Debian's kernels label files by AppArmor's paths, if at all."""


def register(entries):
    """Enter ``[(package file, root), …]``: the files are in place, or will be."""
    with downloads.scratch() as folder:
        indexed = []
        for number, (file, root) in enumerate(entries):
            index = folder / f"{number}.deb"
            named = deb_format.write_names_alone(file, index)
            indexed.append((str(index if named else file), root))
        _dpkg(deb_words.register_argv(indexed))


def differences(layer):
    """Return which files of a layer are not its package's, and how they differ."""
    query = ["dpkg-query", "--control-show", layer["package"], "md5sums"]
    sums = process.run(query, check=False)
    if sums.returncode:
        return ["not in the package database, so its files are not known one by one"]
    if packages().get(layer["package"]) != packaging.layer_version(layer["tree"]):
        return ["the package database has other content by its name; install it again"]
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
    with downloads.scratch() as empty:
        _dpkg(deb_words.forget_argv(packages_, str(empty)))


def mend():
    """
    Finish what a dpkg that was killed has left, as apt asks for before anything else.

    Half-entered layers of ours are forgotten: they are entered anew with their files.
    """
    if halves := [name for name, version in packages().items() if not version]:
        forget(halves)
    _dpkg(deb_words.CONFIGURE)


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
    sums = {name: _md5(root / name) for name in files.names_below(root)
            if (root / name).is_file() and not (root / name).is_symlink()}  # fmt: skip
    control = {
        "control": layer["control"],
        "md5sums": deb_format.md5sums(layer["root"], sums),
    }
    data = io.BytesIO(deb_format.names_archive("/", layer["root"]))
    deb_format.write(target, control, {"data.tar": data})


def _md5(path):
    """Return the sum that dpkg keeps; a folder in a file's place has none."""
    if not path.is_file():
        return ""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
