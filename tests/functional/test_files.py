"""Digests of files and trees: what counts as the same bytes."""

import hashlib
import os

from holodeck_io import files


def test_tree_digest_sees_names_types_modes_and_bytes(tmp_path):
    """Every change that a process could notice changes the digest; times do not."""
    file = tmp_path / "tree" / "file"
    file.parent.mkdir()
    file.write_text("x")
    seen = {files.tree_digest(tmp_path / "tree")}
    os.utime(file, (0, 0))
    assert files.tree_digest(tmp_path / "tree") in seen
    for change in (
        lambda: file.write_text("y"), lambda: file.chmod(0o600),
        lambda: file.rename(file.with_name("z")), (tmp_path / "tree/d").mkdir,
        lambda: (tmp_path / "tree/l").symlink_to("z"),
    ):  # fmt: skip
        change()
        digest = files.tree_digest(tmp_path / "tree")
        assert digest not in seen
        seen.add(digest)


def test_sha256_file_is_sha256(tmp_path):
    """The digest is the one that everybody else computes."""
    (tmp_path / "f").write_bytes(b"x" * 3_000_000)
    wanted = hashlib.sha256(b"x" * 3_000_000).hexdigest()
    assert files.sha256_file(tmp_path / "f") == wanted
