"""Files that are whole or absent, and trees whose bytes can be compared."""

import contextlib
import ctypes
import hashlib
import os
import stat
from pathlib import Path

_CHUNK = 1 << 20
_libc = ctypes.CDLL(None, use_errno=True)


def write_atomic(path, content, *, mode=0o644):
    """
    Write ``content`` (text or bytes) so that ``path`` is the old file or the new one.

    The file has ``mode`` from the first byte on, so a secret is never readable
    by others, not even for an instant.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    sync_folder(path.parent)


def link_atomic(link, target):
    """Point the symbolic link ``link`` at ``target`` in one rename."""
    link = Path(link)
    temporary = link.with_name(f".{link.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.rename(link)
    sync_folder(link.parent)


def sync_folder(folder):
    """Make the names in ``folder`` survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_filesystem(path):
    """
    Flush the file system that holds ``path`` with one ``syncfs``.

    One call replaces an fsync for each of thousands of files.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if _libc.syncfs(descriptor):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(path))
    finally:
        os.close(descriptor)


def sha256_file(path):
    """Return the SHA-256 of one file as hex digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def tree_entries(root):
    """
    Yield ``(path, type, mode, content)`` of everything below ``root``, sorted.

    ``content`` is a file's SHA-256, a link's target, or empty for a folder.
    Owners and times are left out: the package sets them.
    """
    root = os.fspath(root)
    for name in sorted(_names_below(root, "")):
        path = os.path.join(root, name)  # noqa: PTH118  # 8,000 times faster matters
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            yield name, "link", "", os.readlink(path)  # noqa: PTH115
        elif stat.S_ISDIR(mode):
            yield name, "folder", oct(stat.S_IMODE(mode)), ""
        else:
            yield name, "file", oct(stat.S_IMODE(mode)), sha256_file(path)


def _names_below(root, prefix):
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for entry in os.scandir(root):
            name = f"{prefix}{entry.name}"
            yield name
            if entry.is_dir(follow_symlinks=False):
                yield from _names_below(entry.path, f"{name}/")


def tree_digest(root):
    """Return one SHA-256 over names, types, modes and bytes below ``root``."""
    digest = hashlib.sha256()
    for entry in tree_entries(root):
        digest.update("\0".join(entry).encode() + b"\n")
    return digest.hexdigest()
