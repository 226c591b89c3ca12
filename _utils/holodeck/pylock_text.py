"""
pylock.toml (PEP 751) as one text: the same for every lock that installs the same.

What only informs (sizes, times of upload, who wrote it) is taken out, and each
package is one line.
"""

import json
import re

from holodeck import lock_text
from holodeck.lock_text import UnfitLockError

_TOP = ("lock-version", "environments", "requires-python", "extras",
        "dependency-groups", "default-groups")  # fmt: skip
_TEXTS = ("version", "marker", "requires-python", "index")
_KINDS = {dict: "a table", list: "a list", str: "a text"}
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_VCS = ("type", "url", "requested-revision", "commit-id", "subdirectory")


def canonical(data, *, allow_unhashed=False):
    """
    Return ``(canonical text, hashed)`` of a parsed pylock.

    allow_unhashed
        Take a git commit, which has no hash but cannot change either, and files
        without a hash.

    Raises :class:`~holodeck.lock_text.UnfitLockError`.
    """
    if str(data.get("lock-version", "")).split(".")[0] != "1":
        raise UnfitLockError(
            f"has the lock-version {data.get('lock-version')!r}; known is '1.0'."
        )
    entries = _tables(data.get("packages", []), "its packages")
    packages = [_package(*item) for item in enumerate(entries, 1)]
    bare = sorted({entry["name"] for entry in packages if not _hashed(entry)})
    if bare and not allow_unhashed:
        raise UnfitLockError(
            f"has no hash for every file of {', '.join(bare[:5])}, so a build could "
            "not be repeated; lock a release of it from an index, or set "
            "`allow_unhashed: true` in the service's definition."
        )
    head = [f"{key} = {_toml(data[key])}" for key in _TOP if key in data]
    rows = sorted(_toml(entry) for entry in packages)
    # PEP 751 asks for the key.
    text = [*head, 'created-by = "holodeck"', "packages = ["]
    return "\n".join([*text, *(f"{row}," for row in rows), "]", ""]), not bare


def pins(data):
    """Return the packages with a version as hashed requirements, one a line."""
    lines = set()
    for entry in data.get("packages", ()):
        if "version" not in entry or "vcs" in entry or "archive" in entry:
            continue
        marker = f" ; {entry['marker']}" if entry.get("marker") else ""
        hashes = sorted({value for file in _files(entry) for value in _digests(file)})
        words = [f"{lock_text.normalised(entry['name'])}=={entry['version']}{marker}"]
        lines.add(" ".join([*words, *(f"--hash={value}" for value in hashes)]))
    return "".join(f"{line}\n" for line in sorted(lines))


def refuse_outside(data):
    """
    Raise for packages of a parsed uv.lock that are files beside the commit's own.

    Folders within the commit may be members that the project does not need: what
    :func:`canonical` meets of them is refused there.
    """
    for entry in _tables(data.get("package", []), "its packages"):
        name = entry.get("name")
        source = of_kind(entry.get("source", {}), dict, f"the source of {name}")
        for kind in ("path", "directory", "editable", "virtual"):
            where = of_kind(source.get(kind, "."), str, f"the {kind} of {name}")
            if kind in source and (kind == "path" or _leads_out(where)):
                raise _local(name, where)


def of_kind(value, kind, what):
    """
    Return a value of a TOML document when it is a ``dict``, ``list`` or ``str``.

    what
        What it was read as, for the error.

    Raises :class:`~holodeck.lock_text.UnfitLockError` for one of another kind.
    """
    if not isinstance(value, kind):
        raise UnfitLockError(
            f"has {value!r:.80} for {what}, where {_KINDS[kind]} should stand; correct "
            "it, or lock again."
        )
    return value


def _tables(value, what):
    parts = of_kind(value, list, what)
    return [of_kind(part, dict, f"one of {what}") for part in parts]


def _leads_out(where):
    return where.startswith("/") or ".." in where.split("/")


def _local(name, where):
    return UnfitLockError(
        f"takes {name} from {where}, a place on disk; a bundle has the project and "
        "what indexes have: publish it to an index, or make it part of the project."
    )


def _package(number, entry):
    """Return what decides about one package, its files sorted."""
    name = _name(number, entry)
    # The name comes first: the lines of two locks are told apart by it.
    kept = {"name": name, **_texts(name, entry, _TEXTS)}
    for kind in ("directory", "archive"):
        table = of_kind(entry.get(kind, {}), dict, f"the {kind} of {name}")
        if "path" in table:
            raise _local(name, table["path"])
    if "vcs" in entry:
        kept["vcs"] = _vcs(name, of_kind(entry["vcs"], dict, f"the vcs of {name}"))
    for kind in ("archive", "sdist"):
        if kind in entry:
            file = of_kind(entry[kind], dict, f"the {kind} of {name}")
            kept[kind] = _file(name, file)
    if wheels := _tables(entry.get("wheels", []), f"the wheels of {name}"):
        found = [_file(name, wheel) for wheel in wheels]
        kept["wheels"] = sorted(found, key=lambda wheel: wheel["url"])
    if not kept.keys() & {"vcs", "archive", "sdist", "wheels"}:
        raise UnfitLockError(f"has no file for {name}; lock again.")
    return kept


def _name(number, entry):
    name = of_kind(entry.get("name", ""), str, f"the name of package {number}")
    if not _NAME.fullmatch(name):
        raise UnfitLockError(
            f"has {name!r:.80} for the name of package {number}; a name is of letters, "
            "digits, `.`, `-` and `_`: lock again."
        )
    return lock_text.normalised(name)


def _texts(name, table, keys):
    """Return those of ``keys`` that are in a package's table."""
    return {
        key: of_kind(table[key], str, f"the {key} of {name}")
        for key in keys
        if key in table
    }


def _vcs(name, table):
    kept = _texts(name, table, _VCS)
    if not _COMMIT.fullmatch(kept.get("commit-id", "")) or "url" not in kept:
        raise UnfitLockError(
            f"takes {name} from no one commit of a URL; lock again, so that "
            "`commit-id` is the commit's 40 hexadecimal digits."
        )
    return kept


def _file(name, file):
    kept = _texts(name, file, ("name", "url"))
    if not kept.get("url", "").startswith(("https://", "http://")):
        raise _local(name, file.get("path") or kept.get("url") or "no URL")
    hashes = of_kind(file.get("hashes", {}), dict, f"the hashes of {name}")
    kept["hashes"] = {key: str(value).lower() for key, value in hashes.items()}
    return kept | _texts(name, file, ("subdirectory",))


def _files(entry):
    singles = [entry[kind] for kind in ("archive", "sdist") if kind in entry]
    return [*singles, *entry.get("wheels", ())]


def _digests(file):
    values = (
        f"{kind}:{digits}".lower() for kind, digits in file.get("hashes", {}).items()
    )
    return [value for value in values if lock_text.is_digest(value)]


def _hashed(entry):
    return "vcs" not in entry and all(_digests(file) for file in _files(entry))


def _toml(value):
    """Return text, lists and mappings as TOML on one line."""
    if isinstance(value, dict):
        parts = (f"{_key(key)} = {_toml(part)}" for key, part in value.items())
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    if not isinstance(value, str):
        raise UnfitLockError(
            f"has {value!r:.80} where a text should stand; correct it, or lock again."
        )
    # JSON's strings are TOML's, but for one control character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key):
    plain = key.replace("-", "").replace("_", "")
    return key if plain.isascii() and plain.isalnum() else _toml(key)
