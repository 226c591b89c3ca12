"""
Debian's package format, as far as bundles need it: deb(5), tar and ar.

A bundle's package carries one more member behind the others, where dpkg looks for
nothing: an archive of its files' names. A host that unpacks the files by itself hands
dpkg a package of these names, which dpkg enters in half the time.
"""

import gzip
import io
import os
import shutil
import stat
import tarfile
from pathlib import Path

from holodeck_io import files

NAMES = "_names.tar.zst"
_MAGIC = b"!<arch>\n"
_HEADER = 60
_SIZE = "Installed-Size:"


def write(target, control, members):
    """
    Write a deb.

    control
        ``{name: text}`` of the files for dpkg itself.
    members
        ``{name: open file}`` of what follows them: the package's files first.
    """
    packed = gzip.compress(_texts(control), mtime=0)
    _write(target, {"control.tar.gz": io.BytesIO(packed), **members})


def write_names_alone(package, target):
    """Write a deb of a package's names; tell whether the package had them."""
    with open(package, "rb") as file:
        found = _members(file)
        if NAMES not in found:
            return False
        parts = {}
        for name, told in (("control.tar.gz", None), (NAMES, "data.tar.zst")):
            start, size = found[name]
            file.seek(start)
            parts[told or name] = io.BytesIO(file.read(size))
    _write(target, parts)
    return True


def control_files(fields, root, sums):
    """
    Return ``{name: text}`` of what dpkg is told of a layer.

    fields
        The control fields that a packager wrote.
    root
        The layer's place on hosts.
    sums
        ``{path: (MD5, size)}`` of its files.
    """
    kilobytes = sum(-(-size // 1024) for _, size in sums.values())
    lines = [line for line in fields.splitlines() if not line.startswith(_SIZE)]
    lines.insert(1, f"{_SIZE} {kilobytes}")
    return {
        "control": "\n".join(lines) + "\n",
        "md5sums": md5sums(root, {path: md5 for path, (md5, _) in sums.items()}),
    }


def md5sums(root, sums):
    """Return dpkg's list of the sums of a layer's files, by ``{path: MD5}``."""
    home = root.lstrip("/")
    return "".join(f"{md5}  {home}/{path}\n" for path, md5 in sorted(sums.items()))


def names_archive(top, root):
    """
    Return a tar of a layer's folders, links and empty files: names alone.

    top
        The folder that stands for the host's root folder.
    root
        The layer's place on hosts; the folders above it are named too.
    """
    place = Path(top, root.lstrip("/"))
    above = [path for path in place.parents if Path(top) in path.parents]
    buffer = io.BytesIO()
    for path in [*reversed(above), place]:
        buffer.write(_entry(path, f"./{path.relative_to(top)}"))
    home = f"./{root.lstrip('/')}"
    for name in files.names_below(place):
        buffer.write(_entry(f"{place}/{name}", f"{home}/{name}"))
    buffer.write(b"\0" * 2 * tarfile.BLOCKSIZE)
    return buffer.getvalue()


def _entry(path, name):
    facts = os.lstat(path)
    info = tarfile.TarInfo(name)
    info.mode, info.mtime = stat.S_IMODE(facts.st_mode), int(facts.st_mtime)
    info.uname = info.gname = "root"
    if stat.S_ISLNK(facts.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)  # noqa: PTH115
    elif stat.S_ISDIR(facts.st_mode):
        info.type = tarfile.DIRTYPE
    return info.tobuf(tarfile.GNU_FORMAT)


def _write(target, members):
    members = {"debian-binary": io.BytesIO(b"2.0\n"), **members}
    with open(target, "wb") as file:
        file.write(_MAGIC)
        for name, content in members.items():
            size = content.seek(0, io.SEEK_END)
            content.seek(0)
            header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{size:<10}`\n"
            file.write(header.encode())
            shutil.copyfileobj(content, file, 1 << 20)
            file.write(b"\n" * (size % 2))


def _members(file):
    """Return ``{name: (start, size)}`` of an ar archive's members."""
    found, position = {}, len(_MAGIC)
    file.seek(position)
    while header := file.read(_HEADER):
        size = int(header[48:58])
        found[header[:16].decode().strip(" /")] = (position + _HEADER, size)
        position += _HEADER + size + size % 2
        file.seek(position)
    return found


def _texts(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, text in members.items():
            data = text.encode()
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
