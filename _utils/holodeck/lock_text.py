"""
Hashed requirements as one text: the same for every lock that installs the same.

Comments, order, line breaks and spellings of names are taken out, so that they
make no new layer. What could not be installed again the same is refused.
"""

import re

_LISTED = 5
_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_HEX = set("0123456789abcdef")
_COMMENT = re.compile(r"(^|\s)#.*$")
_HASH = re.compile(r"\s--hash[=\s]\s*(\S+)")
_FRAGMENT = re.compile(r"#(sha256|sha384|sha512)=([0-9a-fA-F]+)$")
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[(?P<extras>[^\]]*)\])?"
    r"\s*(?:(?P<pin>===?\s*[^\s;,*@]+)|@\s*(?P<url>[^\s;]+(?:;[^\s]+)*))"
    r"\s*(?:;\s*(?P<marker>.+))?"
)
# A password may have quotes, "?" and "@": it ends at the last "@" before a slash.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/\s]*)@([^/\s\"',;]*)")
_GIT_COMMIT = re.compile(r"git\+[a-z]+://[^/]+/[^#]*@[0-9a-f]{40}(#.*)?")
# A line of a canonical text, requirements or pylock.
_NAMED = re.compile(r'(?:\{name = ")?([a-z0-9-]+)(?="|==|\[| @ )')
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
# What decides where files come from stays, what pins make pointless goes.
_KEPT = {
    "-i": "--index-url", "--index-url": "--index-url",
    "--extra-index-url": "--extra-index-url",
    "-f": "--find-links", "--find-links": "--find-links",
    "--no-binary": "--no-binary", "--only-binary": "--only-binary",
}  # fmt: skip
_DROPPED = {"--pre", "--prefer-binary", "--require-hashes", "--trusted-host"}
_INCLUDES = {"-r", "--requirement"}


class UnfitLockError(ValueError):
    """A lock that does not say which files to install."""


def refuse_credentials(text):
    """
    Raise for a password or token in a URL, in comments too, without showing it.

    A bare user of ssh (``git@``) is none.
    """
    for number, line in enumerate(text.splitlines(), 1):
        for scheme, user, host in _URL.findall(line):
            if not scheme.lower().endswith("ssh") or ":" in user:
                raise UnfitLockError(
                    f"line {number} has a credential in a URL of {host or 'a host'}; "
                    "take it out, revoke it, and give it to the builder in its own "
                    "pillar instead."
                )


def requirements(text, *, allow_unhashed=False, include=None):
    """
    Return ``(canonical text, hashed)`` of a requirements file.

    text
        The file's content.
    allow_unhashed
        Take requirements without a hash; they must be pinned all the same, to a
        version, a URL, or a commit by its 40 digits.
    include
        Called with the path in a ``-r`` line, returns that file's content.

    Raises :class:`UnfitLockError`, which names what is wrong.
    """
    options, found = [], {}
    for line in _expanded(text, include, ()):
        if line.startswith("-"):
            options += _option(line)
        else:
            entry, hashes = _requirement(line)
            found.setdefault(entry, set()).update(hashes)
    bare = sorted(entry for entry, hashes in found.items() if not hashes)
    if not found:
        raise UnfitLockError("names no package; a lock names each one.")
    if bare and not allow_unhashed:
        raise UnfitLockError(
            f"has no hash for {_listing(bare)}, so a build could not be repeated; "
            "lock with `uv pip compile --generate-hashes`, or set `allow_unhashed: "
            "true` in the service's definition."
        )
    lines = [
        " ".join([entry, *(f"--hash={value}" for value in sorted(hashes))])
        for entry, hashes in sorted(found.items())
    ]
    return "\n".join([*dict.fromkeys(options), *lines, ""]), not bare


def pins(text):
    """Return the requirements alone: what may constrain the build of a package."""
    return "".join(
        f"{line}\n"
        for line in text.splitlines()
        if not line.startswith("-") and " @ " not in line
    )


def changed(old, new):
    """
    Return the packages in both canonical texts that are not the same files.

    uv compares names and versions: a version whose files are others now, rebuilt
    or from another index, would stay as it was.
    """
    before, after = _by_name(old), _by_name(new)
    return sorted(
        name for name in before.keys() & after.keys() if before[name] != after[name]
    )


def normalised(name):
    """Return a package's name as indexes spell it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_digest(value):
    """Tell whether ``algorithm:hex`` is a hash that proves a file."""
    algorithm, _, digits = value.partition(":")
    return len(digits) == _DIGITS.get(algorithm) and set(digits) <= _HEX


def _by_name(text):
    found = {}
    for line in text.splitlines():
        if match := _NAMED.match(line):
            found.setdefault(match[1], []).append(line)
    return found


def _expanded(text, include, open_files):
    """Yield the logical lines of a file and of those that it includes."""
    refuse_credentials(text)
    for line in _logical_lines(text):
        if variable := _VARIABLE.search(line):
            # uv fills it in, so the lock alone would not decide.
            raise UnfitLockError(
                f"asks for {variable[0]} of the environment; write what it stands for, "
                "and give credentials to the builder in its own pillar."
            )
        word, _, rest = line.replace("=", " ", 1).partition(" ")
        if word not in _INCLUDES:
            yield line
            continue
        path = rest.strip()
        if include is None or path in open_files:
            raise UnfitLockError(
                f"includes {path}, which "
                + ("includes it again." if path in open_files else "is not at hand.")
            )
        yield from _expanded(include(path), include, (*open_files, path))


def _logical_lines(text):
    """Yield lines without comments, those that end in a backslash joined."""
    held = ""
    for raw in [*text.splitlines(), ""]:
        line = _COMMENT.sub("", raw)
        if line == raw and line.rstrip().endswith("\\"):
            held += line.rstrip()[:-1] + " "
        elif joined := (held + line).strip():
            held = ""
            yield joined
        else:
            held = ""


def _option(line):
    word, _, value = re.sub(r"[=\s]+", " ", line, count=1).partition(" ")
    if word in _DROPPED:
        return []
    if word in {"-e", "--editable"}:
        raise UnfitLockError(
            f"installs the folder {value} itself; export it with `--no-emit-project`: "
            "the application is installed from the commit."
        )
    if word not in _KEPT:
        raise UnfitLockError(f"has the option {word}, which no lock needs; remove it.")
    if word in {"-f", "--find-links"} and not re.match(r"https?://", value):
        raise UnfitLockError(f"looks for files in {value}; name a URL.")
    return [f"{_KEPT[word]} {value.strip()}"]


def _requirement(line):
    """Return ``(requirement without hashes, hashes)``."""
    hashes = {value.lower() for value in _HASH.findall(line)}
    bare = _HASH.sub("", line).strip()
    match = _REQUIREMENT.fullmatch(bare)
    if not match or re.search(r"\s--", bare):
        raise UnfitLockError(
            f"has {bare!r:.80}, which is no package of one version; lock with "
            "`uv pip compile --generate-hashes`."
        )
    name = normalised(match["name"])
    if match["extras"]:
        extras = sorted(
            normalised(extra.strip()) for extra in match["extras"].split(",")
        )
        name += f"[{','.join(extras)}]"
    source, found = _source(name, match)
    hashes |= found
    if weak := sorted(value for value in hashes if not is_digest(value)):
        raise UnfitLockError(f"has for {name} {weak[0]!r:.80}, which is no SHA-2 hash.")
    marker = f" ; {' '.join(match['marker'].split())}" if match["marker"] else ""
    return f"{name}{source}{marker}", hashes


def _source(name, match):
    """Return the pin or the URL as written to the lock, and the hash in the URL."""
    if match["pin"]:
        return re.sub(r"\s+", "", match["pin"]), set()
    url = match["url"]
    if not re.match(r"(https?|git\+(https|ssh))://", url):
        raise UnfitLockError(
            f"takes {name} from {url!r:.80}; only URLs of http and git can be had by "
            "every builder."
        )
    if url.startswith("git+") and not _GIT_COMMIT.fullmatch(url):
        raise UnfitLockError(
            f"takes {name} from {url!r:.120}, which names no one commit: branches and "
            "tags move; end the URL in `@` and the commit's 40 hexadecimal digits."
        )
    found = {":".join(part).lower() for part in _FRAGMENT.findall(url)}
    return f" @ {_FRAGMENT.sub('', url)}", found


def _listing(values):
    more = len(values) - _LISTED
    return ", ".join(values[:_LISTED]) + (f" and {more} more" if more > 0 else "")
