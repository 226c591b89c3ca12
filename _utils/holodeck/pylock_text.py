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
_PACKAGE = ("name", "version", "marker", "requires-python", "index", "vcs")
_FILE = ("name", "url", "hashes", "subdirectory")
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
    packages = [_package(entry) for entry in data.get("packages", ())]
    bare = sorted({entry["name"] for entry in packages if not _hashed(entry)})
    if bare and not allow_unhashed:
        raise UnfitLockError(
            f"has no hash for every file of {', '.join(bare[:5])}, so a build could "
            "not be repeated; lock a release of it from an index, or let the "
            "definition allow it."
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
    for entry in data.get("package", ()):
        source = entry.get("source", {})
        for kind in ("path", "directory", "editable", "virtual"):
            where = source.get(kind, ".")
            if kind in source and (kind == "path" or _leads_out(where)):
                raise _local(entry.get("name"), where)


def _leads_out(where):
    return where.startswith("/") or ".." in where.split("/")


def _local(name, where):
    return UnfitLockError(
        f"takes {name} from {where}, a place on disk; a bundle has the project and "
        "what indexes have: publish it to an index, or make it part of the project."
    )


def _package(entry):
    """Return what decides about one package, its files sorted."""
    name = lock_text.normalised(entry["name"])
    for kind in ("directory", "archive"):
        if "path" in entry.get(kind, {}):
            raise _local(name, entry[kind]["path"])
    kept = _pick(entry, _PACKAGE) | {"name": name}
    if "vcs" in entry:
        kept["vcs"] = _pick(entry["vcs"], _VCS)
        commit = kept["vcs"].get("commit-id", "")
        if not _COMMIT.fullmatch(commit) or "url" not in kept["vcs"]:
            raise UnfitLockError(
                f"takes {name} from no one commit of a URL; lock again, so that "
                "`commit-id` is the commit's 40 hexadecimal digits."
            )
    for kind in ("archive", "sdist"):
        if kind in entry:
            kept[kind] = _file(name, entry[kind])
    if entry.get("wheels"):
        wheels = [_file(name, wheel) for wheel in entry["wheels"]]
        kept["wheels"] = sorted(wheels, key=lambda wheel: wheel["url"])
    if not kept.keys() & {"vcs", "archive", "sdist", "wheels"}:
        raise UnfitLockError(f"has no file for {name}; lock again.")
    return kept


def _file(name, file):
    if not str(file.get("url", "")).startswith(("https://", "http://")):
        raise _local(name, file.get("path") or file.get("url"))
    kept = _pick(file, _FILE)
    kept["hashes"] = {
        key: str(value).lower() for key, value in file.get("hashes", {}).items()
    }
    return kept


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


def _pick(mapping, keys):
    return {key: mapping[key] for key in keys if key in mapping}


def _toml(value):
    """Return text, lists and mappings as TOML on one line."""
    if isinstance(value, dict):
        parts = (f"{_key(key)} = {_toml(part)}" for key, part in value.items())
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    if not isinstance(value, str):
        raise UnfitLockError(f"has {value!r:.80} where a text should stand.")
    # JSON's strings are TOML's, but for one control character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key):
    plain = key.replace("-", "").replace("_", "")
    return key if plain.isascii() and plain.isalnum() else _toml(key)
