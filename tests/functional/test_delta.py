"""Trees as differences: built from another tree, and proven by their digest."""

# ruff: noqa: ARG005 -- changes take the tree that they change

import contextlib
import io
import os
import shutil
import tarfile

import pytest

from holodeck_bundle import delta
from holodeck_io import files
from holodeck_io.errors import HolodeckError


@pytest.fixture
def base(tmp_path):
    """A tree with files, folders, modes and links."""
    root = tmp_path / "base"
    (root / "lib" / "deep").mkdir(parents=True)
    (root / "bin").mkdir()
    (root / "empty").mkdir()
    for name in ("lib/same", "lib/other", "lib/deep/file", "bin/run"):
        (root / name).write_text(name)
    (root / "bin" / "run").chmod(0o755)
    (root / "bin" / "python").symlink_to("/usr/bin/python3.11")
    (root / "lib" / "near").symlink_to("same")
    return root


def _edit(root):
    (root / "lib" / "other").write_text("new")
    (root / "lib" / "added").write_text("added")


def _remove(root):
    (root / "lib" / "same").unlink()
    (root / "lib" / "near").unlink()
    (root / "empty").rmdir()
    shutil.rmtree(root / "lib" / "deep")


def _relink(root):
    (root / "bin" / "python").unlink()
    (root / "bin" / "python").symlink_to("/usr/bin/python3.12")
    (root / "lib" / "folder").symlink_to("deep")


def _file_to_folder(root):
    (root / "lib" / "other").unlink()
    (root / "lib" / "other").mkdir()
    (root / "lib" / "other" / "inner").write_text("inner")


def _folder_to_link(root):
    shutil.rmtree(root / "lib" / "deep")
    (root / "lib" / "deep").symlink_to("../bin")


def _folder_to_file(root):
    shutil.rmtree(root / "lib" / "deep")
    (root / "lib" / "deep").write_text("file")


def _link_to_file(root):
    (root / "lib" / "near").unlink()
    (root / "lib" / "near").write_text("file")


_CHANGES = {
    "nothing": lambda root: None,
    "everything": lambda root: (shutil.rmtree(root), root.mkdir(), _edit_new(root)),
    "edited": _edit,
    "removed": _remove,
    "links": _relink,
    "file mode": lambda root: (root / "lib" / "same").chmod(0o755),
    "file to folder": _file_to_folder,
    "folder to link": _folder_to_link,
    "folder to file": _folder_to_file,
    "link to file": _link_to_file,
    "file to link": lambda root: (
        (root / "lib" / "same").unlink(), (root / "lib" / "same").symlink_to("other"),
    ),
    "names": lambda root: (root / "lib" / "ünï two\nlines").write_text("x"),
    "hard links": lambda root: (root / "lib" / "twin").hardlink_to(root / "bin/run"),
    "folder mode": lambda root: (root / "lib").chmod(0o700),
}  # fmt: skip


def _edit_new(root):
    (root / "only").write_text("only")


@pytest.fixture
def changed(base, tmp_path):
    """Return a copy of the base with one of the changes."""

    def made(name):
        new = tmp_path / "new"
        shutil.copytree(base, new, symlinks=True)
        _CHANGES[name](new)
        return new

    return made


@pytest.mark.parametrize("name", _CHANGES)
@pytest.mark.parametrize("umask", [0o022, 0o077], ids=oct)
def test_apply_builds_what_create_saw(base, changed, tmp_path, name, umask):
    """Base and difference make the new tree, and the base stays as it is."""
    new = changed(name)
    before = files.tree_digest(base)
    delta.create(base, new, tmp_path / "d")
    old = os.umask(umask)
    try:
        delta.apply(base, tmp_path / "d", tmp_path / "made")
    finally:
        os.umask(old)
    assert files.tree_digest(base) == before
    assert list(files.tree_entries(tmp_path / "made")) == list(files.tree_entries(new))


def test_apply_shares_what_is_the_same(base, changed, tmp_path):
    """What did not change is on the disk once; the base is never written to."""
    delta.create(base, changed("edited"), tmp_path / "d")
    delta.apply(base, tmp_path / "d", tmp_path / "made")
    assert (tmp_path / "made/lib/same").samefile(base / "lib/same")
    assert not (tmp_path / "made/lib/other").samefile(base / "lib/other")
    assert (base / "lib" / "other").read_text() == "lib/other"


def test_create_holds_the_changes_alone(base, changed, tmp_path):
    """A difference of one line costs one file."""
    delta.create(base, changed("edited"), tmp_path / "d")
    with tarfile.open(tmp_path / "d") as archive:
        assert archive.getnames() == [delta._REMOVED, "lib/added", "lib/other"]
        assert {(m.uid, m.gid, m.uname) for m in archive.getmembers()[1:]} == {
            (0, 0, "root")
        }


def test_create_again_elsewhere_makes_the_same_bytes(base, changed, tmp_path):
    """The same two trees, unpacked in other folders, make the same bytes."""
    new = changed("edited")
    delta.create(base, new, tmp_path / "d1")
    for name, tree in (("b2", base), ("n2", new)):
        shutil.copytree(tree, tmp_path / name, symlinks=True)
    delta.create(tmp_path / "b2", tmp_path / "n2", tmp_path / "d2")
    assert (tmp_path / "d1").read_bytes() == (tmp_path / "d2").read_bytes()


@pytest.mark.parametrize("name", ["../out", "bin/../../out", "door/out"])
def test_apply_never_leaves_its_folder(base, tmp_path, name):
    """A difference's names and links cannot lead out of the tree."""
    with tarfile.open(tmp_path / "d", "w:xz") as archive:
        delta._add_text(archive, delta._REMOVED, "[]")
        link, info = tarfile.TarInfo("door"), tarfile.TarInfo(name)
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        archive.addfile(link)
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    with contextlib.suppress(tarfile.TarError, HolodeckError):
        delta.apply(base, tmp_path / "d", tmp_path / "made")
    assert not (tmp_path / "out").exists()


def test_apply_to_a_damaged_base_is_noticed(base, changed, tmp_path):
    """The digest of what comes out of a damaged base is not the wanted one."""
    new = changed("edited")
    delta.create(base, new, tmp_path / "d")
    (base / "lib" / "same").write_text("damaged")
    delta.apply(base, tmp_path / "d", tmp_path / "made")
    assert files.tree_digest(tmp_path / "made") != files.tree_digest(new)
