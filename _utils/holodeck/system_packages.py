"""
System packages by name: what may be asked for, what is installed, what is missing.

Versions are compared here, as dpkg and rpm compare them: asking their tools would
take a process for each pair.
"""

import re
from collections import defaultdict
from dataclasses import dataclass

# A trailing hyphen makes apt-get remove a package, a leading one is an option.
_PACKAGE = re.compile(r"(?=.{1,128}$)[A-Za-z0-9_][A-Za-z0-9._+-]*(?<!-)", re.ASCII)
_RELATIONS = r"<<|<=|>=|>>|<|>|="
_ENTRY = {
    "deb": re.compile(
        r"(?P<name>[a-z0-9][a-z0-9.+-]*)(?::(?P<machine>[a-z0-9-]+))?"
        rf"(?:\s*\(\s*(?P<relation>{_RELATIONS})\s*(?P<version>[^\s()]+)\s*\))?"
    ),
    "rpm": re.compile(
        r"(?P<name>[A-Za-z0-9_/][^\s|,]*)(?P<machine>)"
        rf"(?:\s+(?P<relation>{_RELATIONS})\s+(?P<version>\S+))?"
    ),
}
_DEB_FORMAT = (
    r"${db:Status-Status}\t${Package}\t${Architecture}\t${Version}\t${Provides}\n"
)
_RPM_FORMAT = r"[provide\t%{PROVIDENAME}\t%{PROVIDEVERSION}\n][file\t%{FILENAMES}\t\n]"
# Configured; a trigger that waits is another package's business.
_WHOLE = frozenset({"installed", "triggers-awaited", "triggers-pending"})
_SIGNS = {
    "<<": {-1}, "<": {-1}, "<=": {-1, 0}, "=": {0}, ">=": {0, 1}, ">": {1}, ">>": {1},
}  # fmt: skip
_END = ((0,), 0)
_RPM_END, _RPM_RANKS = (1,), {"~": (0,), "^": (2,)}


@dataclass(frozen=True)
class Wanted:
    """One alternative of an entry: a package, or what provides it, in a version."""

    name: str
    machine: str = ""
    relation: str = ""
    version: str = ""


@dataclass(frozen=True)
class Installed:
    """
    What a host has.

    native
        The machine in Debian's words; empty on RPM systems.
    providers
        ``{name: [(machine, version), …]}`` of packages and what they provide; the
        version is empty where the provider names none.
    """

    native: str
    providers: dict


def is_package(name):
    """
    Tell whether ``name`` is a Debian or RPM package's name and nothing more.

    It can stand on the command line of apt-get or dnf without being an option, a
    file, a pattern or an order to remove.
    """
    return isinstance(name, str) and bool(_PACKAGE.fullmatch(name))


def parse(entry, kind):
    """
    Return the alternatives of an entry as a tuple of :class:`Wanted`.

    It is empty when the entry is none: ``python3.11``, ``libc6 (>= 2.34)`` and
    ``a | b`` are entries of a deb, ``zlib >= 1.2`` and ``libz.so.1()(64bit)`` of an
    rpm.
    """
    matches = [_ENTRY[kind].fullmatch(part.strip()) for part in entry.split("|")]
    if not all(matches):
        return ()
    return tuple(Wanted(**match.groupdict(default="")) for match in matches)


def installed_argv(kind, names):
    """Return the command that lists what is installed, or what provides ``names``."""
    if kind == "deb":
        return ["dpkg-query", "--show", "--showformat", _DEB_FORMAT]
    return ["rpm", "--query", "--whatprovides", "--queryformat", _RPM_FORMAT, *names]


def parse_installed(text, kind):
    """
    Return the :class:`Installed` in the listing's ``text``.

    Packages that are only half there are left out.
    """
    rows = [row for line in text.splitlines() if (row := line.split("\t"))[2:]]
    found = defaultdict(list)
    if kind == "rpm":
        for mark, name, version, *_ in rows:
            if mark in {"provide", "file"}:
                found[name].append(("", version))
        return Installed("", dict(found))
    native = next((row[2] for row in rows if row[1] == "dpkg"), "")
    for status, name, machine, version, provides in rows:
        if status not in _WHOLE:
            continue
        machine = native if machine == "all" else machine  # noqa: PLW2901
        found[name].append((machine, version))
        for part in filter(None, provides.split(", ")):
            for given in parse(part, kind):
                found[given.name].append((machine, given.version))
    return Installed(native, dict(found))


def missing(entries, installed, kind):
    """Return the ``entries`` that no installed package fulfils."""
    return [
        entry
        for entry in entries
        if not any(_has(wanted, installed, kind) for wanted in parse(entry, kind))
    ]


def debian_key(version):
    """Return a sort key of a Debian version (deb-version(7))."""
    epoch, rest = _epoch(version)
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return epoch, _debian_part(upstream), _debian_part(revision)


def compare(one, other, kind):
    """Return -1, 0 or 1 as version ``one`` is older than, equal to or newer."""
    if kind == "deb":
        first, second = debian_key(one), debian_key(other)
    else:
        first, second = _rpm_parts(one), _rpm_parts(other)
        if not (first[2] and second[2]):
            # A release is compared only where both have one.
            first, second = first[:2], second[:2]
    return (first > second) - (first < second)


def _has(wanted, installed, kind):
    machine = wanted.machine or installed.native
    if machine == "native":
        machine = installed.native
    return any(
        machine in {given, "any"} and _fits(wanted, version, kind)
        for given, version in installed.providers.get(wanted.name, ())
    )


def _fits(wanted, version, kind):
    if not wanted.relation:
        return True
    if not version:
        # Debian wants a version of what fulfils one; RPM takes none for any.
        return kind == "rpm"
    return compare(version, wanted.version, kind) in _SIGNS[wanted.relation]


def _epoch(version):
    """Return ``(epoch, rest)``; without one it is 0."""
    epoch, colon, rest = version.partition(":")
    return (int(epoch), rest) if colon and epoch.isdecimal() else (0, version)


def _debian_part(text):
    """Compare characters and numbers by turns: ``~`` first, then the end, letters."""
    pairs = re.findall(r"([^0-9]*)([0-9]*)", text)
    if text:
        pairs.pop()
    return [
        *(((*map(_rank, word), 0), int(number or 0)) for word, number in pairs),
        _END,
    ]


def _rank(character):
    if character == "~":
        return -1
    return ord(character) + (0 if character.isalpha() else 256)


def _rpm_parts(version):
    epoch, rest = _epoch(version)
    number, _, release = rest.partition("-")
    return epoch, _rpm_key(number), _rpm_key(release) if release else []


def _rpm_key(text):
    found = [_rpm_rank(word) for word in re.findall(r"[0-9]+|[A-Za-z]+|~|\^", text)]
    return [*found, _RPM_END]


def _rpm_rank(word):
    if word in _RPM_RANKS:
        return _RPM_RANKS[word]
    return (4, int(word)) if word.isdecimal() else (3, word)
