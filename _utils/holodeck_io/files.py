"""Files that are whole or absent, and trees whose bytes can be compared."""

import contextlib
import ctypes
import hashlib
import os
import shutil
import stat
from pathlib import Path

_CHUNK = 1 << 18
# The type and mode of a folder that everybody may read.
FOLDER = stat.S_IFDIR | 0o755
_libc = ctypes.CDLL(None, use_errno=True)


def write_atomic(path, content, *, mode=0o644, durable=True):
    """
    Write ``content`` (text or bytes) so that ``path`` is the old file or the new one.

    The file has ``mode`` from the first byte on, so a secret is never readable
    by others, not even for an instant.

    durable
        Whether it has to survive a power loss, which takes a while.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    temporary.rename(path)
    if durable:
        sync_folder(path.parent)


def write_anew(path, text):
    """Write a file that may be a hard link to another tree's."""
    path = Path(path)
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")


def link_atomic(link, target):
    """Point the symbolic link ``link`` at ``target`` in one rename."""
    link = Path(link)
    temporary = link.with_name(f".{link.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.rename(link)
    sync_folder(link.parent)


def remove(path):
    """Remove whatever is at ``path``, a link itself; it need not be there."""
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_folder(path):
    """Make a folder that everybody may read, whatever the umask; it may be there."""
    Path(path).mkdir(exist_ok=True)
    Path(path).chmod(0o755)


def sync(path):
    """Make a file and its name survive a power loss."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
    sync_folder(path.parent)


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
    return _sha256(os.fspath(path), _buffer())


def names_below(root):
    """Return the paths of everything below ``root``, relative to it and sorted."""
    return sorted(_names_below(os.fspath(root), ""))


def size_below(root):
    """Return the bytes of everything below a folder."""
    root = os.fspath(root)
    return sum(os.lstat(f"{root}/{name}").st_size for name in _names_below(root, ""))


def tree_entries(root):
    """
    Yield ``(path, type, mode, content)`` of everything below ``root``, sorted.

    ``content`` is a file's SHA-256, a link's target, or empty for a folder. A pipe or
    a socket is ``other`` and never opened. Owners and times are left out: the package
    sets them.
    """
    for name, _, *entry in _entries(root):
        yield name, *entry


def tree_sums(root):
    """
    Return ``(digest, {path: (MD5, size)})`` of a tree, each file being read once.

    The digest is that of :func:`tree_digest`; MD5 is what dpkg keeps of files.
    """
    root, buffer, sums = os.fspath(root), _buffer(), {}
    digest = hashlib.sha256()
    for name in names_below(root):
        md5 = hashlib.md5(usedforsecurity=False)
        _, *entry = _entry(f"{root}/{name}", buffer, md5)
        if entry[0] == "file":
            size = Path(root, name).stat().st_size
            sums[name] = (md5.hexdigest(), size)
        digest.update(_line((name, *entry)))
    return digest.hexdigest(), sums


def _buffer():
    """Return room to read into: one for thousands of files."""
    return memoryview(bytearray(_CHUNK))


def _line(entry):
    return os.fsencode("\0".join(entry)) + b"\n"


def _entries(root):
    root, buffer = os.fspath(root), _buffer()
    for name in names_below(root):
        yield name, *_entry(f"{root}/{name}", buffer)


def _entry(path, buffer, *more):
    facts = os.lstat(path)
    owner, mode = (facts.st_uid, facts.st_gid), facts.st_mode
    if stat.S_ISLNK(mode):
        return owner, "link", "", os.readlink(path)  # noqa: PTH115  # thousands of them
    if stat.S_ISDIR(mode):
        return owner, "folder", oct(stat.S_IMODE(mode)), ""
    if not stat.S_ISREG(mode):
        return owner, "other", oct(stat.S_IMODE(mode)), ""
    return owner, "file", oct(stat.S_IMODE(mode)), _sha256(path, buffer, *more)


def _sha256(path, buffer, *more):
    """Return a file's SHA-256; other hashes are told of its bytes too."""
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while size := os.readv(descriptor, [buffer]):
            for each in (digest, *more):
                each.update(buffer[:size])
            if size < len(buffer):
                break
    finally:
        os.close(descriptor)
    return digest.hexdigest()


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
        digest.update(_line(entry))
    return digest.hexdigest()


def is_tree(root, digest):
    """
    Tell whether ``root`` is a folder of root's that is what :func:`tree_digest` saw.

    It has the mode 755, and all below it is root's too: nobody else may change it.
    """
    try:
        facts = os.lstat(root)
    except FileNotFoundError:
        return False
    if facts.st_mode != FOLDER or facts.st_uid or facts.st_gid:
        return False
    found = hashlib.sha256()
    for name, owner, *entry in _entries(root):
        if any(owner):
            return False
        found.update(_line((name, *entry)))
    return found.hexdigest() == digest


def link_tree(origin, target, skip):
    """
    Repeat the tree ``origin`` as the new folder ``target`` by hard links.

    skip
        Called with a path below ``origin``; true leaves it out, with all below it.

    Each name is resolved from its own folder: a kernel looks up long paths slowly.
    """
    Path(target).mkdir(mode=0o755, parents=True)
    Path(target).chmod(0o755)
    folders = [os.open(top, os.O_RDONLY | os.O_DIRECTORY) for top in (origin, target)]
    try:
        _link_folder(*folders, "", skip)
    finally:
        for descriptor in folders:
            os.close(descriptor)


def _link_folder(origin, target, here, skip):
    with os.scandir(origin) as entries:
        found = [entry for entry in entries if not skip(here + entry.name)]
    for entry in found:
        name = entry.name
        if not entry.is_dir(follow_symlinks=False):
            os.link(
                name, name, src_dir_fd=origin, dst_dir_fd=target, follow_symlinks=False
            )
            continue
        mode = stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode)
        os.mkdir(name, mode, dir_fd=target)
        inner = [
            os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
            for top in (origin, target)
        ]
        try:
            # A change that is none would be written to the journal all the same.
            if stat.S_IMODE(os.fstat(inner[1]).st_mode) != mode:
                os.fchmod(inner[1], mode)
            _link_folder(*inner, f"{here}{name}/", skip)
        finally:
            for descriptor in inner:
                os.close(descriptor)
