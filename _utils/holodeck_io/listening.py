"""Where the processes of this host listen, as the kernel tells it."""

import contextlib
import ipaddress
import re
from pathlib import Path

_PROC = Path("/proc")
_LISTENS = "0A"
_SOCKET = re.compile(r"socket:\[(\d+)\]")


def places(pid):
    """
    Return where a process, or one that it started, listens, sorted.

    ``"9000"`` for a port of all addresses, else ``"127.0.0.1:9000"``.
    """
    inodes = {inode for each in _family(str(pid)) for inode in _inodes(each)}
    found = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            text = Path(_PROC, str(pid), "net", table).read_text(encoding="ascii")
            found |= set(listed(text, inodes))
    return sorted(found)


def listed(text, inodes):
    """Return the places of a table of ``/proc/net`` that are of some sockets."""
    for row in text.splitlines()[1:]:
        _, local, _, state, *rest = row.split()
        if state == _LISTENS and rest[5] in inodes:
            address, port = local.split(":")
            yield _place(address, int(port, 16))


def _place(address, port):
    # Words of four bytes, each in this machine's order: the last byte first.
    words = re.findall(".{8}", address)
    where = ipaddress.ip_address(b"".join(bytes.fromhex(word)[::-1] for word in words))
    if where.is_unspecified:
        return str(port)
    is_long = isinstance(where, ipaddress.IPv6Address)
    return f"[{where}]:{port}" if is_long else f"{where}:{port}"


def _family(pid):
    yield pid
    with contextlib.suppress(OSError):
        for file in Path(_PROC, pid, "task").glob("*/children"):
            for child in file.read_text(encoding="ascii").split():
                yield from _family(child)


def _inodes(pid):
    with contextlib.suppress(OSError):
        for link in Path(_PROC, pid, "fd").iterdir():
            with contextlib.suppress(OSError):
                if found := _SOCKET.fullmatch(str(link.readlink())):
                    yield found[1]
