"""
Mirrors of the master's store: what may be one, and who asks which first.

A mirror is plain HTTP with the store's layout below its URL: ``SHA256/FILENAME``.
"""

import hashlib
import re
import urllib.parse

_URL = re.compile(
    r"https?://([\w-]{1,63}(\.[\w-]{1,63})*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
    r"(/[A-Za-z0-9._~!$&'()*+,;=:%/-]*)?",
    re.ASCII,
)
_PORT_MAX = 65535
_MENDED = "write it as http://mirror.example.org/bundles, or https://"


def check(value, path, faults):
    """Add a fault for each member that is no mirror; a password is not shown."""
    if not isinstance(value, list):
        faults.add(path, f"should be a list of URLs, not {type(value).__name__}")
        return []
    for number, url in enumerate(value):
        if fault := _fault(url):
            faults.add(f"{path}/{number}", fault)
    return value


def in_turn(mirrors, host):
    """Return the mirrors in a host's order: each host begins at one of its own."""
    if not mirrors:
        return []
    digest = hashlib.sha256(host.encode()).digest()
    first = int.from_bytes(digest, "big") % len(mirrors)
    return [*mirrors[first:], *mirrors[:first]]


def url(mirror, artefact):
    """Return where a mirror has a file of the store."""
    name = urllib.parse.quote(artefact["filename"])
    return f"{mirror.rstrip('/')}/{artefact['sha256']}/{name}"


def _fault(url):
    if not isinstance(url, str):
        return f"should be a URL, not {type(url).__name__}; {_MENDED}"
    if "@" in url:
        return (
            "has a user or a password, which is not shown: hosts ask a mirror as "
            "nobody. Take it out, and let the mirror know them by their addresses"
        )
    if not _URL.fullmatch(url) or not _has_port(url):
        return (
            f"{url[:80]!r} is no http:// or https:// URL of a folder, without query "
            f"and fragment; {_MENDED}"
        )
    return None


def _has_port(url):
    try:
        return (urllib.parse.urlsplit(url).port or 1) <= _PORT_MAX
    except ValueError:
        return False
