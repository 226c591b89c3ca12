"""What dpkg is told, and what it says: argv and parsers, as data."""

# One that dpkg was killed at is removed only by force.
_HALVES = ("--force-remove-reinstreq",)
# The second letter of a state: not installed, or its configuration files at most.
_ABSENT, _WHOLE = "nc", "i"
# The command that finishes what was unpacked and is not configured.
CONFIGURE = ["dpkg", "--configure", "--pending"]
# tar says no more of a disk that got full within a file.
WROTE_LESS = "Wrote only"


def stream_argv(package):
    """Return the command that writes a deb's files as a tar to its output."""
    return ["dpkg-deb", "--fsys-tarfile", package]


def unpack_argv(folder):
    """
    Return the command that unpacks a tar from its input below ``folder``.

    Modes come from the umask (a layer's are 755 and 644), owners are root and times
    say nothing: without setting them each file costs half the system calls. Large
    records make a file one write instead of ten.
    """
    return [
        "tar", "--extract", "--touch", "--no-same-owner", "--no-same-permissions",
        "--blocking-factor=2048", "--directory", folder,
    ]  # fmt: skip


def register_argv(entries):
    """
    Return the command that enters packages into the database, no more.

    entries
        ``[(package file, folder of its files), …]``.

    dpkg still lists what it excludes, which is why `dpkg -L` knows the files of
    minimal images' documentation. A layer's own dependencies may be entered later
    than the layer, and the release has proven their files.
    """
    left_alone = [
        f"--path-exclude={path}" for _, root in entries for path in (root, f"{root}/*")
    ]
    packages = [package for package, _ in entries]
    return [
        "dpkg", "--force-unsafe-io", "--force-depends", *left_alone, "--install",
        *packages,
    ]  # fmt: skip


def remove_argv(packages):
    """Return the command that removes packages, also those that are half installed."""
    return ["dpkg", *_HALVES, "--purge", *packages]


def forget_argv(packages, empty):
    """
    Return the command that removes packages from the database, and no file.

    empty
        An empty folder: dpkg looks for the files to remove below it.
    """
    return [
        "dpkg", *_HALVES, "--force-depends", f"--instdir={empty}", "--purge", *packages,
    ]  # fmt: skip


def installed_argv():
    """Return the command that lists this pack's packages, one a line."""
    line = "${db:Status-Abbrev} ${Package} ${Version}\\n"
    return ["dpkg-query", "--show", "--showformat", line, "holodeck-*"]


def parse_installed(text):
    """
    Return ``{name: version}`` from the listing.

    A package that dpkg did not finish has no version: ``""``. The first letter, what
    an administrator wants of it, says nothing of that: ``h`` is one on hold.
    """
    rows = [line.split() for line in text.splitlines()]
    return {
        row[1]: row[2] if row[0][1:] == _WHOLE and row[2:] else ""
        for row in rows
        if row[0][1] not in _ABSENT
    }


def parse_sums(text, root):
    """Return ``{path below root: MD5}`` of a package's ``md5sums``."""
    rows = (line.split("  ", 1) for line in text.splitlines())
    prefix = f"{root.lstrip('/')}/"
    return {
        row[1].removeprefix(prefix): row[0]
        for row in rows
        if row[1:] and row[1].startswith(prefix)
    }
