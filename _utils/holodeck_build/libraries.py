"""
The system packages that a virtualenv's compiled files link to.

The builder is of the same system as the hosts, so its own package database says
which package has a library, also where names changed (``libssl3t64``).
"""

import contextlib
import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from holodeck import elf, shlibs
from holodeck_io import process
from holodeck_io.errors import HolodeckError

_INFO = Path("/var/lib/dpkg/info")
_FOLDERS = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")
_EXECUTABLE = 0o111
# Of argv's 128 kB to 2 MB, in characters.
_ARGV_MAX = 60_000
# dpkg-query takes these for a pattern.
_PATTERN = frozenset("*?[\\")


class Found(NamedTuple):
    """
    What compiled files need.

    depends
        Entries of Depends or Requires.
    missing
        A sentence for each library that nobody has, to be recorded as a warning.
        It is no error: wheels carry plug-ins for what may be absent (Tk, CUDA),
        and others load a library first by a path of their own.
    """

    depends: list
    missing: list


def depends(prefix, kind):
    """
    Return what a virtualenv's compiled files need of the system: a :class:`Found`.

    prefix
        The virtualenv's folder, in the build's own place.
    kind
        ``deb`` or ``rpm``.

    Raises :class:`HolodeckError` when the builder has no readelf.
    """
    prefix = Path(prefix)
    interpreter = _interpreter(prefix)
    native = _identity(interpreter)
    paths, links = _compiled(prefix, native)
    if not paths:
        return Found([], [])
    files = _read(prefix, paths, symbols=kind == "deb")
    tree = _names(files, links, interpreter)
    builder = _Builder(native)
    present, missing = elf.needs(files, tree, builder.find)
    sentences = [elf.missing_text(*item) for item in sorted(missing.items())]
    if kind == "rpm":
        bits = elf.bits(native)
        return Found(elf.rpm_requires(files, tree, present, bits), sentences)
    packages, strays = _packages(present)
    return Found(shlibs.depends(files, tree, packages), sentences + strays)


class _Builder:
    """The libraries that this machine's loader finds."""

    def __init__(self, native):
        self._native = native
        # Not on every PATH.
        tool = shutil.which("ldconfig") or "/sbin/ldconfig"
        known = Path(tool).exists()
        text = (
            process.run([tool, "-p"], check=False, env=process.PLAIN).stdout
            if known
            else ""
        )
        self._cached = elf.parse_ldconfig(text)
        triplets = sorted(map(str, Path("/usr/lib").glob("*-linux-*")))
        self._folders = (*triplets, *_FOLDERS)

    def find(self, library, folders):
        """Return the path of a library; ``folders`` of this machine come first."""
        if "/" in library:
            places = [library] if library.startswith("/") else []
        else:
            places = [
                *(f"{folder}/{library}" for folder in folders if folder[:1] == "/"),
                *self._cached.get(library, ()),
                *(f"{folder}/{library}" for folder in self._folders),
            ]
        fitting = (path for path in places if _identity(path) == self._native)
        return next(fitting, "")


def _interpreter(prefix):
    """Return the Python that loads the files: it says which machine's they must be."""
    python = prefix / "bin" / "python"
    return (python if python.exists() else Path(sys.executable)).resolve()


def _identity(path):
    try:
        with open(path, "rb", buffering=0) as file:
            return elf.identity(file.read(20))
    except OSError:
        return b""


def _compiled(prefix, native):
    """
    Return the loadable files of this machine, and the links to them.

    Only what is executable or named like a library is opened: a virtualenv has
    thousands of files, and a hundred of these. Files for other machines are some
    package's data.
    """
    paths, links = [], []
    home = f"{prefix.resolve()}/"
    for path, entry in _walk(str(prefix)):
        if not _may_be_loaded(entry):
            continue
        # A pipe would never be read; Path, for a link to itself is no file either.
        if not Path(entry.path).is_file() or _identity(entry.path) != native:
            continue
        if not entry.is_symlink():
            paths.append(path)
        elif os.path.realpath(entry.path).startswith(home):
            links.append(path)
    return sorted(paths), sorted(links)


def _may_be_loaded(entry):
    if ".so" in entry.name:
        return True
    with contextlib.suppress(FileNotFoundError):
        executable = entry.stat(follow_symlinks=False).st_mode & _EXECUTABLE
        return bool(executable) and not entry.is_symlink()
    return False


def _walk(top):
    """Yield all files; the tree is cleaned meanwhile, and what goes is no library."""
    folders = [""]
    while folders:
        folder = folders.pop()
        with (
            contextlib.suppress(FileNotFoundError),
            os.scandir(f"{top}/{folder}") as entries,
        ):
            for entry in entries:
                path = f"{folder}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{path}/")
                else:
                    yield path, entry


def _read(prefix, paths, *, symbols):
    """Return every :class:`elf.File`; of a damaged one readelf says what it can."""
    if not shutil.which("readelf"):
        raise HolodeckError(
            "readelf: is not on this builder, so nothing says which libraries the "
            "dependencies need; install the package binutils."
        )
    found = {}
    for chunk in _chunks([f"./{path}" for path in paths]):
        argv = elf.readelf_argv(chunk, symbols=symbols)
        done = process.run(argv, cwd=prefix, check=False, env=process.PLAIN)
        found.update(elf.parse(done.stdout))
    return list(found.values())


def _chunks(paths):
    chunk, size = [], 0
    for path in paths:
        if chunk and size + len(path) > _ARGV_MAX:
            yield chunk
            chunk, size = [], 0
        chunk.append(path)
        size += len(path) + 1
    yield chunk


def _names(files, links, interpreter):
    """Return ``{file name or soname: [path, …]}`` of what the tree brings."""
    named = [(file.path.rpartition("/")[2], file.path) for file in files]
    named += [(file.soname, file.path) for file in files if file.soname]
    named += [(link.rpartition("/")[2], link) for link in links]
    if Path("/usr") not in interpreter.parents:
        # An interpreter in a folder of its own has loaded its libpython.
        own = (interpreter.parents[1] / "lib").glob("libpython*.so*")
        named += [(path.name, str(path)) for path in own]
    names = {}
    for name, path in named:
        names.setdefault(name, []).append(path)
    return names


def _packages(present):
    """
    Return ``{library: (package, symbols, shlibs)}`` and sentences on strays.

    Where a link in the library's name is of another package (alternatives do
    that), the package of the file counts.
    """
    places = {
        library: shlibs.aliases(os.path.realpath(path)) + shlibs.aliases(path)
        for library, path in present.items()
    }
    asked = sorted({path for paths in places.values() for path in paths})
    known = owners(asked)
    packages, strays = {}, []
    for library, paths in sorted(places.items()):
        package = next((known[path] for path in paths if path in known), "")
        if package:
            packages[library] = (package, *_information(package, library))
        else:
            strays.append(
                f"Library {library}: {paths[0]} on the builder is of no package, so "
                "hosts may lack it; install it there as a package, or in the image."
            )
    return packages, strays


def owners(paths):
    """Return ``{path: package}`` of those of files that dpkg knows, by one command."""
    paths = [path for path in paths if not _PATTERN & set(path)]
    if not paths:
        return {}
    # The status is 1 when one of the paths is of no package.
    done = process.run(shlibs.owners_argv(paths), check=False, env=process.PLAIN)
    return shlibs.parse_owners(done.stdout)


def _information(package, library):
    symbols = shlibs.parse_symbols(_info(package, "symbols"), library)
    return symbols, shlibs.parse_shlibs(_info(package, "shlibs"), library)


def _info(package, part):
    """Return a control file of a package, which is named with the machine or not."""
    for name in (package, package.partition(":")[0]):
        path = _INFO / f"{name}.{part}"
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace")
    return ""
