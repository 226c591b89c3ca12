"""What dpkg is told, and what it says: argv and parsers, as data."""


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


def register_argv(package, root):
    """
    Return the command that enters a package with files below ``root``, no more.

    dpkg still lists what it excludes, which is why `dpkg -L` knows the files of
    minimal images' documentation. A layer's own dependencies may be entered later
    than the layer, and the release has proven their files.
    """
    return [
        "dpkg", "--force-unsafe-io", "--force-depends", f"--path-exclude={root}",
        f"--path-exclude={root}/*", "--install", package,
    ]  # fmt: skip


def remove_argv(packages):
    """Return the command that removes installed packages."""
    return ["dpkg", "--purge", *packages]


def installed_argv():
    """Return the command that lists this pack's packages, one a line."""
    line = "${db:Status-Abbrev} ${Package} ${Version}\\n"
    return ["dpkg-query", "--show", "--showformat", line, "holodeck-*"]


def parse_installed(text):
    """Return ``{name: version}`` of packages that are whole, from the listing."""
    rows = (line.split() for line in text.splitlines())
    return {row[1]: row[2] for row in rows if row[:1] == ["ii"] and row[2:]}


def parse_sums(text, root):
    """Return ``{path below root: MD5}`` of a package's ``md5sums``."""
    rows = (line.split("  ", 1) for line in text.splitlines())
    prefix = f"{root.lstrip('/')}/"
    return {
        row[1].removeprefix(prefix): row[0]
        for row in rows
        if row[1:] and row[1].startswith(prefix)
    }
