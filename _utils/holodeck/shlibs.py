"""
Which Debian package, from which version on, has what a compiled file uses.

The libraries' packages say it themselves, in the files ``symbols`` (a version for
each symbol) and ``shlibs`` (one for all); dpkg-shlibdeps reads the same ones.
"""

import re
from dataclasses import dataclass

from holodeck import elf, system_packages

_SONAME = re.compile(r"(.+)\.so\.(.+)|(.+)-(\d.*)\.so")
_OWNED = re.compile(r"^(?!diversion by )(\S[^/]*): (/.*)$", re.MULTILINE)
_SYMBOL = re.compile(r" (?:\([^)]*\))?(\S+) (\S+)(?: (\d+))?$")
_SIMPLE = re.compile(r"([a-z0-9][a-z0-9+.-]*)(?: \(>= (\S+)\))?")
_MINIMUM = "#MINVER#"
_UNVERSIONED = frozenset({"", "0"})


@dataclass(frozen=True)
class Symbols:
    """
    One library's part of a ``symbols`` file.

    templates
        Dependencies with ``#MINVER#`` in the place of the version.
    versions
        ``{name@version: (minimal package version, number of the template)}``.
    oldest
        The version from which the package has the library at all.
    """

    templates: tuple
    versions: dict
    oldest: str


def owners_argv(paths):
    """Return the command that names the packages of files."""
    return ["dpkg-query", "--search", *paths]


def parse_owners(text):
    """Return ``{path: package}``, the package with its architecture where it says."""
    return {path: names.split(", ")[0] for names, path in _OWNED.findall(text)}


def aliases(path):
    """
    Return the names that dpkg may know a file by, on a system with merged ``/usr``.

    What was packed into ``/lib`` is listed there, though the file is in ``/usr/lib``.
    """
    for top in ("/lib", "/bin", "/sbin"):
        if path.startswith((f"/usr{top}/", f"/usr{top}64/", f"/usr{top}32/")):
            return [path, path.removeprefix("/usr")]
        if path.startswith((f"{top}/", f"{top}64/", f"{top}32/")):
            return [path, f"/usr{path}"]
    return [path]


def parse_symbols(text, library):
    """Return the :class:`Symbols` of one library in a ``symbols`` file, or None."""
    templates, versions, here = [], {}, False
    for line in text.splitlines():
        if line[:1] not in {" ", "#", "*", "|", ""}:
            name, _, template = line.partition(" ")
            here = name == library
            templates += [template] if here else []
        elif here and line.startswith("|"):
            templates.append(line[1:].strip())
        elif here and (match := _SYMBOL.match(line)):
            versions[match[1]] = (match[2], int(match[3] or 0))
    every = {version for version, _ in versions.values()}
    oldest = min(every, key=system_packages.debian_key, default="")
    return Symbols(tuple(templates), versions, oldest) if templates else None


def parse_shlibs(text, library):
    """Return the dependency of one library in a ``shlibs`` file, or None."""
    match = _SONAME.fullmatch(library)
    if not match:
        return None
    wanted = [match[1] or match[3], match[2] or match[4]]
    found = None
    for line in text.splitlines():
        words = line.split(None, 3)
        if words[:1] == ["deb:"] and words[1:3] == wanted:
            return line.split(None, 3)[3] if words[3:] else ""
        if words[:2] == wanted and found is None:
            found = " ".join(words[2:])
    return found


def depends(files, tree, packages):
    """
    Return Depends entries, each package once with the highest version needed.

    files
        Of :class:`holodeck.elf.File`.
    tree
        The libraries that the tree brings, as for :func:`holodeck.elf.needs`.
    packages
        ``{library: (package, Symbols or None, dependency from shlibs or None)}``.
    """
    floors = {}
    for file in files:
        names = [name for name in elf.outside(file, tree) if name in packages]
        known = {name: packages[name][1] for name in names if packages[name][1]}
        for name in names:
            package, symbols, dependency = packages[name]
            if symbols:
                _raise(floors, symbols.templates[0], symbols.oldest)
            else:
                _raise(floors, dependency or package.partition(":")[0], "")
        for template, version in _used(file, known):
            _raise(floors, template, version)
    return _strongest(_filled(part, version) for part, version in floors.items())


def _used(file, known):
    """Return ``{(template, version)}`` of what ``file`` uses of its libraries."""
    found = set()
    for symbol in file.symbols:
        found.update(_lookup(symbol, known.values()))
    # The loader looks for these, whether or not a symbol of theirs is used.
    for library, version in file.versions:
        own = [known[library]] if library in known else []
        found.update(_lookup(f"{version}@{version}", own))
    return found


def _lookup(symbol, candidates):
    for symbols in candidates:
        if symbol in symbols.versions:
            version, number = symbols.versions[symbol]
            return [(template, version) for template in symbols.templates[number:][:1]]
    return []


def _raise(floors, template, version):
    for part in template.split(","):
        name = part.strip()
        if name and _height(version) >= _height(floors.get(name, "")):
            floors[name] = version


def _height(version):
    """Order minimums: any is more than none, though ``0~1`` is before the empty one."""
    return bool(version), system_packages.debian_key(version)


def _filled(template, version):
    floor = "" if version in _UNVERSIONED else f"(>= {version})"
    return " ".join(template.replace(_MINIMUM, floor).split())


def _strongest(entries):
    """Keep the highest minimum of each package, and what says more as it is."""
    floors, others = {}, set()
    for entry in entries:
        match = _SIMPLE.fullmatch(entry)
        if match:
            _raise(floors, match[1], match[2] or "")
        else:
            others.add(entry)
    simple = {_filled(f"{name} {_MINIMUM}", floor) for name, floor in floors.items()}
    return sorted(simple | others)
