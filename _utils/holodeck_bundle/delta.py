"""
A tree as the difference from another: the files that changed, in one archive.

The rest are hard links to the base, so a commit costs a host neither the bytes
nor the disk nor the page cache of what it shares with the one before. Binary
deltas of the changed files would save a few kilobytes more and ask every host for
the same tool in the same version.
"""

import filecmp
import io
import json
import os
import shutil
import stat
import tarfile
from pathlib import Path

from holodeck_io import files

# No path of a tree has a space in front.
_REMOVED = " removed.json"
_FOLDERS = ("folder", "folder")


def create(base, new, target):
    """
    Write what turns the tree ``base`` into ``new`` to the file ``target``.

    The same two trees make the same bytes.
    """
    old, wanted = _facts(base), _facts(new)
    changed = [
        name
        for name, facts in wanted.items()
        if _differs(name, old.get(name), facts, base, new)
    ]
    gone = set(changed)
    # What changes from one kind to another is removed first, as what is gone; a
    # folder that stays one keeps what is in it.
    removed = [
        name
        for name, (kind, *_) in old.items()
        if name not in wanted or (name in gone and (kind, wanted[name][0]) != _FOLDERS)
    ]
    with tarfile.open(target, "w:xz", format=tarfile.GNU_FORMAT, preset=6) as archive:
        _add_text(archive, _REMOVED, json.dumps(sorted(removed)))
        for name in changed:
            archive.add(Path(new, name), arcname=name, recursive=False, filter=_by_root)


def apply(base, archive, target):
    """
    Build a tree in the new folder ``target`` from ``base`` and an archive.

    The caller proves the result by its digest: the base may be damaged.
    """
    with tarfile.open(archive, "r:xz") as bundle:
        removed = set(json.load(bundle.extractfile(_REMOVED)))
        files.link_tree(base, target, removed.__contains__)
        top = os.path.realpath(target)
        for member in bundle:
            if member.name != _REMOVED:
                _put(bundle, member, top)


def _put(bundle, member, top):
    """
    Write one entry, and nothing but what a layer has: owner root, two modes.

    It is refused where it would be written elsewhere: the digest is proven later.
    """
    path = f"{top}/{member.name}"
    parent, _, name = path.rpartition("/")
    if name in {"", ".", ".."} or os.path.realpath(parent) != parent:
        raise tarfile.ExtractError(f"{member.name}: leads out of the tree")
    if member.isdir():
        if not os.path.isdir(path) or os.path.islink(path):  # noqa: PTH112, PTH114
            os.mkdir(path)  # noqa: PTH102  # for one of hundreds of entries
        os.chmod(path, member.mode)  # noqa: PTH101
    elif member.issym():
        os.symlink(member.linkname, path)  # noqa: PTH211
    elif member.isfile():
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with open(os.open(path, flags, 0o600), "wb") as file:
            shutil.copyfileobj(bundle.extractfile(member), file)
            os.fchmod(file.fileno(), member.mode)
    else:
        raise tarfile.ExtractError(f"{member.name}: is no file, folder or link")


def _facts(root):
    """Return ``{path: (type, mode, size or target, inode)}`` of all below ``root``."""
    facts = {}
    for name in files.names_below(root):
        found = os.lstat(f"{root}/{name}")
        mode = stat.S_IMODE(found.st_mode)
        if stat.S_ISLNK(found.st_mode):
            facts[name] = ("link", "", os.readlink(f"{root}/{name}"), None)  # noqa: PTH115
        elif stat.S_ISDIR(found.st_mode):
            facts[name] = ("folder", mode, "", None)
        else:
            inode = (found.st_dev, found.st_ino)
            facts[name] = ("file", mode, found.st_size, inode)
    return facts


def _differs(name, old, new, base, tree):
    """Tell whether an entry of two trees differs; one inode is the same bytes."""
    if old is None or old[:3] != new[:3]:
        return True
    return old[3] != new[3] and not filecmp.cmp(
        f"{base}/{name}", f"{tree}/{name}", shallow=False
    )


def _add_text(archive, name, text):
    data = text.encode()
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def _by_root(info):
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    return info
