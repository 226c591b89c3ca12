"""
A tree as the difference from another: the files that changed, in one archive.

The rest are hard links to the base, so a commit costs a host neither the bytes
nor the disk nor the page cache of what it shares with the one before. Binary
deltas of the changed files would save a few kilobytes more and ask every host for
the same tool in the same version.
"""

import io
import json
import os
import tarfile
from pathlib import Path

from holodeck_io import files

# No path of a tree has a space in front.
_REMOVED = " removed.json"
_FOLDERS = ("folder", "folder")
# From Python 3.12 on a choice is asked for; Debian 12's 3.11.2 knows none.
_FILTER = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}


def create(base, new, target):
    """
    Write what turns the tree ``base`` into ``new`` to the file ``target``.

    The same two trees make the same bytes.
    """
    old = {entry[0]: entry[1:] for entry in files.tree_entries(base)}
    wanted = {entry[0]: entry[1:] for entry in files.tree_entries(new)}
    changed = [name for name, facts in wanted.items() if old.get(name) != facts]
    # What changes from one kind to another is removed first, as what is gone; a
    # folder that stays one keeps what is in it.
    removed = [
        name
        for name, (kind, *_) in old.items()
        if name not in wanted
        or (old[name] != wanted[name] and (kind, wanted[name][0]) != _FOLDERS)
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
    target = Path(target)
    with tarfile.open(archive, "r:xz") as bundle:
        removed = set(json.load(bundle.extractfile(_REMOVED)))
        _link(Path(base), target, removed)
        for member in bundle:
            if member.name != _REMOVED:
                _check_inside(member, target)
                bundle.extract(member, target, **_FILTER)


def _check_inside(member, target):
    """Refuse what would be written elsewhere: the digest is proven only later."""
    path = Path(member.name)
    parent = (target / path).parent.resolve()
    if (
        path.is_absolute()
        or ".." in path.parts
        or (parent != target.resolve() and target.resolve() not in parent.parents)
    ):
        raise tarfile.ExtractError(f"{member.name}: leads out of the tree")


def _link(base, target, removed):
    """Repeat the tree ``base`` by hard links, without what is removed."""
    target.mkdir(mode=0o755, parents=True)
    target.chmod(0o755)
    for folder, folders, names in os.walk(base):
        here = Path(folder).relative_to(base)
        for name in folders + names:
            path = here / name
            if str(path) in removed:
                continue
            origin = base / path
            if origin.is_dir() and not origin.is_symlink():
                (target / path).mkdir()
                (target / path).chmod(origin.stat().st_mode & 0o7777)
            else:
                os.link(origin, target / path, follow_symlinks=False)
        folders[:] = [name for name in folders if str(here / name) not in removed]


def _add_text(archive, name, text):
    data = text.encode()
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def _by_root(info):
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    return info
