"""
What rpm is told, and what it says: argv and parsers, as data.

Each command takes the folder of the database; without one it is the host's own.
The words are those that rpm has had since 4.14 and still has in 6.
"""

import re

# rpm's own look at the bytes: ours are proven by the record's SHA-256 before, an
# index has no payload, and rpm 6 refuses by default what no key has signed.
_PROVEN = ("--nodigest", "--nosignature")
# "Install" would leave an older package of the same name beside the new one.
_ENTER = ("--upgrade", "--justdb", "--replacepkgs", "--oldpackage", "--ignoresize")
_NEEDED = re.compile(r"^\s*(?P<what>\S.*?) is needed by ", re.MULTILINE)
_VERIFIED = re.compile(r"^(missing|[.?A-Z0-9]{9}) +(?:[a-z] +)?(/.*)$", re.MULTILINE)
_OWN = "holodeck-"
# Within the folder that a package is unpacked into; gone afterwards.
SCRATCH_DATABASE = ".rpmdb"


def extract_argv(package, folder):
    """
    Return the command that unpacks an rpm's files below ``folder``.

    rpm2archive has other options in each release, and cpio is no part of minimal
    systems; rpm itself unpacks wherever it is, and checks the payload's digest.
    A database in the folder takes the entry, and with it goes rpm's lock.
    """
    return [
        "rpm", "--root", folder, "--dbpath", f"/{SCRATCH_DATABASE}", "--install",
        "--nodeps", "--noplugins", "--nosignature", package,
    ]  # fmt: skip


def register_argv(packages, dbpath=None):
    """
    Return the command that enters packages and touches no file.

    A package may be an index: a header without payload. What is entered already
    is entered anew, and an older one of the same name is forgotten, files left
    alone. A layer's own dependencies may be entered later than the layer.
    """
    return [*_rpm(dbpath), *_ENTER, "--nodeps", *_PROVEN, *packages]


def unmet_argv(package, dbpath=None):
    """Return the command that complains of a package's missing dependencies."""
    return [*_rpm(dbpath), *_ENTER, "--test", *_PROVEN, package]


def parse_unmet(text):
    """
    Return the missing capabilities from rpm's complaint, sorted.

    Without this pack's own packages, which are placed together, in any order.
    """
    found = {match["what"] for match in _NEEDED.finditer(text)}
    return sorted(what for what in found if not what.startswith(_OWN))


def remove_argv(packages, dbpath=None):
    """Return the command that removes packages and their files."""
    return [*_rpm(dbpath), "--erase", "--allmatches", *packages]


def installed_argv(dbpath=None):
    """Return the command that lists this pack's packages, one a line."""
    line = "ii %{NAME} %{VERSION}\\n"
    return [*_rpm(dbpath), "--query", "--all", "--queryformat", line, f"{_OWN}*"]


def verify_argv(package, dbpath=None):
    """Return the command that names the files of a package that differ from it."""
    return [*_rpm(dbpath), "--verify", "--nodeps", package]


def list_argv(package, dbpath=None):
    """Return the command that lists a package's files."""
    return [*_rpm(dbpath), "--query", "--list", package]


def parse_verified(text, root):
    """Return a sentence for each file below ``root`` that the verification names."""
    found = []
    for marks, path in (match.groups() for match in _VERIFIED.finditer(text)):
        name = path.removeprefix(f"{root}/")
        if name == path:
            # A folder above the layer, which packages share.
            continue
        if marks == "missing":
            found.append(f"{name} is missing")
        elif "5" in marks or "L" in marks or "S" in marks:
            found.append(f"{name} has other content")
        elif "M" in marks:
            found.append(f"{name} has another mode")
    return found


def label_argv(folder):
    """
    Return the command that gives files their SELinux labels by their names.

    The policy's rules for ``/opt`` look at names like ``bin`` and ``lib`` at any
    depth, so the labels of a folder beside its place are those of its place.
    """
    return ["restorecon", "-R", "-F", folder]


def _rpm(dbpath):
    return ["rpm", "--dbpath", dbpath] if dbpath else ["rpm"]
