"""
The head of an rpm, read and written: all that its database learns of a package.

An rpm is a lead (96 bytes), a header of signatures, the header, and the payload.
A header is a list of tags, each with a type, a count, and its place in a store of
values. See `the format
<https://rpm.org/docs/latest/manual/format_v4.html>`_.
"""

import hashlib
from dataclasses import dataclass

LEAD = 96
INTRO = 16
_ENTRY = 16
_MAGIC = b"\x8e\xad\xe8\x01\x00\x00\x00\x00"
# Regions: the entry that says which tags belong to the package as it was built.
_SIGNATURES, _IMMUTABLE = 62, 63
_INT16, _INT32, _STRING, _BINARY, _STRINGS, _TRANSLATED = 3, 4, 6, 7, 8, 9
# The width of a number is also what its place in the store is a multiple of.
_WIDTHS = {1: 1, 2: 1, _INT16: 2, _INT32: 4, 5: 8, _BINARY: 1}
_SHA256_HEADER = 273
_SIZE = 1009
_PAYLOAD_DIGESTS = {5092, 5093, 5097}
# What rpmbuild, and so fpm, says of each file besides: colours, classes,
# capabilities, signatures. Another count of files would not fit to it.
_RPMBUILDS = {1140, 1141, 1142, 1143, 1144, 1145, 5010, 5090, 5091}
_SHA256 = 8
# The tags that list files, as rpm's tag table has them.
_FILES = {
    "sizes": 1028, "modes": 1030, "devices of nodes": 1033, "times": 1034,
    "digests": 1035, "links": 1036, "flags": 1037, "users": 1039, "groups": 1040,
    "checks": 1045, "devices": 1095, "inodes": 1096, "languages": 1097,
    "folder of each": 1116, "names": 1117, "folders": 1118, "digest": 5011,
}  # fmt: skip


@dataclass(frozen=True)
class File:
    """One file, link or folder, with its whole path."""

    path: str
    mode: int
    size: int = 0
    mtime: int = 0
    digest: str = ""
    target: str = ""


def length(intro):
    """Return how many bytes of a header follow its first :data:`INTRO`."""
    if intro[:4] != _MAGIC[:4]:
        raise ValueError("no rpm header")
    return _ENTRY * _number(intro, 8) + _number(intro, 12)


def template(head):
    """Return a package's head without its list of files, as hex digits."""
    lead, tags = _parse(head)
    dropped = _PAYLOAD_DIGESTS | _RPMBUILDS | {_SIZE, _IMMUTABLE, *_FILES.values()}
    kept = {tag: value for tag, value in tags.items() if tag not in dropped}
    return _build(lead, kept).hex()


def index(text, files):
    """Return the head that :func:`template` made, with a list of files."""
    lead, tags = _parse(bytes.fromhex(text))
    tags.pop(_IMMUTABLE)
    return _build(lead, tags | _file_tags(sorted(files, key=lambda file: file.path)))


def _parse(head):
    """Return the lead and ``{tag: (type, count, bytes)}`` of the header."""
    signatures = LEAD + INTRO + length(head[LEAD : LEAD + INTRO])
    start = signatures + -signatures % 8
    count = _number(head, start + 8)
    store = start + INTRO + _ENTRY * count
    tags = {}
    for place in range(start + INTRO, store, _ENTRY):
        tag, kind, offset, amount = (
            _number(head, at) for at in range(place, place + _ENTRY, 4)
        )
        at = store + offset
        tags[tag] = (kind, amount, head[at : _end(head, at, kind, amount)])
    return head[:LEAD], tags


def _end(head, at, kind, amount):
    if kind in _WIDTHS:
        return at + _WIDTHS[kind] * amount
    for _ in range(amount):
        at = head.index(b"\0", at) + 1
    return at


def _build(lead, tags):
    header = _header(_IMMUTABLE, tags)
    digest = _text(hashlib.sha256(header).hexdigest())
    signatures = _header(_SIGNATURES, {_SHA256_HEADER: digest})
    return lead + signatures + bytes(-len(signatures) % 8) + header


def _header(region, tags):
    """Write a header whose tags all lie in one region."""
    entries, store = b"", b""
    for tag, (kind, amount, value) in sorted(tags.items()):
        store += bytes(-len(store) % _WIDTHS.get(kind, 1))
        entries += _numbers([tag, kind, len(store), amount])
        store += value
    first = _numbers([region, _BINARY, len(store), _ENTRY])
    # The region ends with the distance back to its first entry.
    back = -_ENTRY * (len(tags) + 1) % (1 << 32)
    store += _numbers([region, _BINARY, back, _ENTRY])
    size = _numbers([len(tags) + 1, len(store)])
    return _MAGIC + size + first + entries + store


def _file_tags(files):
    folders = list(dict.fromkeys(_split(file.path)[0] for file in files))
    places = {folder: place for place, folder in enumerate(folders)}
    values = {
        "sizes": _int32(file.size for file in files),
        "modes": _int16(file.mode for file in files),
        "devices of nodes": _int16(0 for _ in files),
        "times": _int32(file.mtime for file in files),
        "digests": _strings(file.digest for file in files),
        "links": _strings(file.target for file in files),
        "flags": _int32(0 for _ in files),
        "users": _strings("root" for _ in files),
        "groups": _strings("root" for _ in files),
        # All bits: rpm checks whatever can differ.
        "checks": _int32(0xFFFFFFFF for _ in files),
        "devices": _int32(1 for _ in files),
        # Equal numbers would be hard links within the package.
        "inodes": _int32(range(1, len(files) + 1)),
        "languages": _strings("" for _ in files),
        "folder of each": _int32(places[_split(file.path)[0]] for file in files),
        "names": _strings(_split(file.path)[1] for file in files),
        "folders": _strings(folders),
        "digest": _int32([_SHA256]),
    }
    total = _int32([sum(file.size for file in files)])
    return {_FILES[name]: value for name, value in values.items()} | {_SIZE: total}


def _split(path):
    folder, _, name = path.rpartition("/")
    return f"{folder}/", name


def _number(content, at):
    return int.from_bytes(content[at : at + 4], "big")


def _numbers(values):
    return b"".join(value.to_bytes(4, "big") for value in values)


def _int32(values):
    content = _numbers(values)
    return _INT32, len(content) // 4, content


def _int16(values):
    content = b"".join(value.to_bytes(2, "big") for value in values)
    return _INT16, len(content) // 2, content


def _text(value):
    return _STRING, 1, value.encode() + b"\0"


def _strings(values):
    parts = [value.encode(errors="surrogateescape") + b"\0" for value in values]
    return _STRINGS, len(parts), b"".join(parts)
