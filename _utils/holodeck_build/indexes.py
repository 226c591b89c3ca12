"""
Private package indexes on a builder: uv learns their credentials, nothing keeps them.

The credentials stand in the builder's own pillar. uv reads them once, from a file
without a name in this process's memory: it is on no disk, only this process's user
can open it, and it is gone when the process is, however that ends.

What builds a package from source runs as the same user while uv runs, and could
read the file, as it could read the minion's key: only a sandbox keeps it out. A lock
whose packages all have wheels runs nobody's code.
"""

import contextlib
import os
from pathlib import Path

from holodeck import index_text
from holodeck_io.errors import HolodeckError


@contextlib.contextmanager
def environment(entries):
    """
    Yield the variables that let uv read from private indexes.

    entries
        ``[{url, username, password, default}]``; ``default: true`` takes the place
        of PyPI, the others are asked before it. Without entries there are no
        variables, and an administrator's own settings count alone.

    An error that leaves the block shows no credential; one of uv about credentials
    names the index.

    Raises :class:`~holodeck_io.errors.HolodeckError` for entries that are none.
    """
    if not entries:
        yield {}
        return
    try:
        entries = index_text.checked(entries)
    except index_text.InvalidIndexError as error:
        raise HolodeckError(str(error)) from None
    with _in_memory(index_text.netrc(entries, _own_netrc())) as path:
        try:
            yield {**index_text.variables(entries, os.environ), "NETRC": path}
        except HolodeckError as error:
            raise _without_credentials(error, entries) from None


def _without_credentials(error, entries):
    text = str(error)
    if entry := index_text.refused(text, entries):
        user = entry.get("username")
        return HolodeckError(
            f"Package index {entry['url']}: "
            + (f"refuses the user {user}" if user else "asks for a user")
            + "; correct the credentials in the builder's pillar."
        )
    return type(error)(index_text.masked(text, entries))


def _own_netrc():
    """Return the netrc that uv would read without ours, whatever bytes it has."""
    path = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""


@contextlib.contextmanager
def _in_memory(text):
    """Yield the path of a nameless file; programs started here do not inherit it."""
    descriptor = os.memfd_create("netrc")
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, text.encode())
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)
