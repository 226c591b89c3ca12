"""
What compiled files need from the system, read from ``readelf``'s words.

dpkg-shlibdeps fails on the private libraries that auditwheel puts beside a wheel
under made-up names, and knows no RPM; rpm's elfdeps takes them for system libraries.
"""

import re
from collections import defaultdict
from dataclasses import dataclass

_FILE = re.compile(r"^File: ", re.MULTILINE)
# One pass over all that is of interest. Versions with flags are those that a file
# needs of others; its own (verdef) have none.
_FACT = re.compile(
    r"\(NEEDED\)\s+Shared library: \[(?P<needed>[^\]\s]+)\]"
    r"|\(SONAME\)\s+Library soname: \[(?P<soname>[^\]\s]+)\]"
    r"|\((?:RPATH|RUNPATH)\)\s+Library (?:rpath|runpath): \[(?P<search>[^\]\n]*)\]"
    r"|^\s+(?:0x)?[0-9a-f]+: Version: \d+\s+File: (?P<library>\S+)"
    r"|^\s+0x[0-9a-f]+:\s+Name: (?P<version>[\w.+-]+)\s+Flags: "
    r"|^\s+\d+: [0-9a-f]+ .*\bUND (?P<symbol>[^\s@]+)(?:@+(?P<node>\S+))?",
    re.MULTILINE,
)
_CACHED = re.compile(r"^\s+(\S+) \(.*\) => (/.*)$", re.MULTILINE)
_HEADER = 20
_MAGIC = b"\x7fELF"
_SYSTEMS = frozenset({0, 3})  # System V, and Linux
_LOADABLE = frozenset({2, 3})  # programs and shared objects
_CLASS_64 = 2
_NAMED = 3


@dataclass(frozen=True)
class File:
    """
    What one compiled file says of itself.

    search
        Folders that its libraries are looked for in first, relative to the tree,
        or absolute.
    versions
        ``(library, version)`` pairs that the loader checks.
    symbols
        ``name@version`` of what it takes from others, ``name@Base`` without one.
    """

    path: str
    soname: str = ""
    needed: tuple = ()
    search: tuple = ()
    versions: tuple = ()
    symbols: tuple = ()


def identity(head):
    """
    Return class, byte order and machine of a loadable ELF file; else ``b""``.

    head
        The file's first 20 bytes. Two files that the same process can load have
        the same identity.
    """
    if len(head) < _HEADER or head[:4] != _MAGIC or head[7] not in _SYSTEMS:
        return b""
    kind = int.from_bytes(head[16:18], "little" if head[5] == 1 else "big")
    return head[4:6] + head[18:20] if kind in _LOADABLE else b""


def readelf_argv(files, *, symbols):
    """Return the command that prints what the files need; it names two or more."""
    wanted = ["--dyn-syms"] if symbols else []
    twice = list(files) * 2 if len(files) == 1 else files
    return ["readelf", "--wide", "--dynamic", "--version-info", *wanted, *twice]


def parse(text):
    """Return ``{path: File}`` from readelf's output; a damaged file needs nothing."""
    found = {}
    for section in _FILE.split(text)[1:]:
        path, _, facts = section.partition("\n")
        path = path.removeprefix("./")
        found[path] = _file(path, facts)
    return found


def parse_ldconfig(text):
    """Return ``{soname: [path, …]}`` from ``ldconfig -p``, of every machine."""
    found = defaultdict(list)
    for soname, path in _CACHED.findall(text):
        found[soname].append(path)
    return dict(found)


def needs(files, tree, system):
    """
    Return what the tree's files need from outside it.

    files
        Of :class:`File`.
    tree
        ``{file name or soname: [path, …]}`` of the libraries in the tree.
    system
        Called with a library and the folders to look in first; returns its path
        on this machine, or ``""``.

    Returns ``({library: path}, {library: [file, …]})``: what the system has, and
    what nobody has with the files that want it.
    """
    present, missing = {}, defaultdict(list)
    for file in files:
        for library in file.needed:
            if _is_near(file, tree.get(library, ())):
                continue
            path = present.get(library) or system(library, file.search)
            if path:
                present[library] = path
            elif library not in tree:
                missing[library].append(file.path)
    return present, dict(missing)


def outside(file, tree):
    """Return the libraries of ``file`` that its own package does not bring."""
    return [
        library for library in file.needed if not _is_near(file, tree.get(library, ()))
    ]


def rpm_requires(files, tree, libraries, bits):
    """
    Return Requires entries in the words of rpm's own elfdeps.

    ``rtld(GNU_HASH)`` is left out: every glibc since 2006 provides it.
    """
    mark = "(64bit)" if bits == 64 else ""  # noqa: PLR2004 # as rpm writes it
    entries = set()
    for file in files:
        names = {name for name in outside(file, tree) if name in libraries}
        entries |= {f"{name}(){mark}" if mark else name for name in names}
        entries |= {
            f"{library}({version}){mark}"
            for library, version in file.versions
            if library in names
        }
    return sorted(entries)


def bits(native):
    """Return 64 or 32, from an :func:`identity`."""
    return 64 if native[0] == _CLASS_64 else 32


def missing_text(library, files):
    """Return the sentence of a library that was found nowhere."""
    shown = ", ".join(sorted(files)[:_NAMED])
    more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
    return (
        f"Library {library}: {shown}{more} link it, and no package of the lock or of "
        "the builder has it; if the service uses them, name the library's package "
        "in the definition's `packages: {run: […]}`."
    )


def _file(path, text):
    facts = defaultdict(list)
    library = ""
    for match in _FACT.finditer(text):
        kind = match.lastgroup
        if kind == "library":
            library = match[kind]
        elif kind == "version":
            facts["versions"].append((library, match[kind]))
        elif match["symbol"]:
            facts["symbols"].append(f"{match['symbol']}@{match['node'] or 'Base'}")
        else:
            facts[kind].append(match[kind])
    return File(
        path=path,
        soname=facts["soname"][0] if facts["soname"] else "",
        needed=tuple(dict.fromkeys(facts["needed"])),
        search=_folders(path, ":".join(facts["search"])),
        versions=tuple(facts["versions"]),
        symbols=tuple(facts["symbols"]),
    )


def _folders(path, search):
    """Return the folders of an RPATH; what leads out of the tree is left out."""
    origin = path.rpartition("/")[0]
    found = []
    for folder in search.split(":"):
        here = folder.replace("${ORIGIN}", "$ORIGIN")
        if here.startswith("/"):
            found.append(here)
        elif here == "$ORIGIN" or here.startswith("$ORIGIN/"):
            found.append(_normal(f"{origin}{here.removeprefix('$ORIGIN')}"))
    return tuple(folder for folder in found if folder is not None)


def _normal(path):
    parts = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def _is_near(file, places):
    """
    Tell whether the file's own package brings the library.

    It stands where the file's RPATH leads, or below the same package, which may
    load it first. Another package's library of the same name counts only when the
    system has none, for that is what the loader takes.
    """
    return any(
        place.rpartition("/")[0] in file.search
        or _package(place) == _package(file.path)
        for place in places
    )


def _package(path):
    """Return the part of a path that names the package below site-packages."""
    parts = path.rpartition("site-packages/")[2].split("/")
    return parts[0].removesuffix(".libs") if len(parts) > 1 else path
