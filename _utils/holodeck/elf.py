"""
What compiled files need from the system, read from ``readelf``'s words.

dpkg-shlibdeps fails on the private libraries that auditwheel puts beside a wheel
under made-up names; one scan by readelf says the same.
"""

import re
from dataclasses import dataclass, field

_FILE = re.compile(r"^File: (.+)$", re.MULTILINE)
_NEEDED = re.compile(r"\(NEEDED\)\s+Shared library: \[([^\]]+)\]")
_SONAME = re.compile(r"\(SONAME\)\s+Library soname: \[([^\]]+)\]")
_GLIBC = re.compile(r"Name: GLIBC_(\d+(?:\.\d+)+)\b")
# The dynamic loader comes with libc and is no package of its own.
_LOADER = re.compile(r"^ld-linux.*\.so\.\d+$")


@dataclass(frozen=True)
class Needs:
    """Shared libraries from outside, and the newest GLIBC symbol version."""

    libraries: tuple = ()
    glibc: str = ""
    files: int = field(default=0, compare=False)


def readelf_argv(files):
    """Return the command that prints what the files need."""
    return ["readelf", "--dynamic", "--version-info", "--wide", *files]


def parse(text, files):
    """
    Return the :class:`Needs` in readelf's output for ``files``.

    A library that one of the files provides, by its name or its soname, is not
    needed from outside.
    """
    provided = {path.rpartition("/")[2] for path in files} | set(_SONAME.findall(text))
    needed = {
        name
        for name in _NEEDED.findall(text)
        if name not in provided and not _LOADER.match(name)
    }
    versions = sorted(set(_GLIBC.findall(text)), key=_numbers)
    return Needs(tuple(sorted(needed)), versions[-1] if versions else "", len(files))


def debian_depends(packages, needs):
    """
    Return Depends entries.

    packages
        ``{library: Debian package}`` of those that were found.
    """
    names = sorted(set(packages.values()))
    floor = f" (>= {needs.glibc})" if needs.glibc else ""
    return [f"libc6{floor}" if name == "libc6" else name for name in names]


def rpm_requires(needs):
    """Return Requires entries; RPM knows libraries by their own names."""
    entries = [f"{name}()(64bit)" for name in needs.libraries]
    if needs.glibc:
        entries.append(f"libc.so.6(GLIBC_{needs.glibc})(64bit)")
    return entries


def _numbers(version):
    return tuple(int(part) for part in version.split("."))
