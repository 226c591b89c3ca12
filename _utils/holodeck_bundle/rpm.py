"""
RPM's package database: what ``rpm -q``, ``-V`` and ``-e`` know of a bundle.

A layer's files are put in place by us; the database is entered alone
(``--justdb``), from the package or from an index: a header without payload, made
on a host that got a layer as a difference and never had its package.
"""

import shutil
import stat
from pathlib import Path

from holodeck import names, rpm_header, rpm_words
from holodeck_io import files, process
from holodeck_io.errors import HolodeckError

SELINUX = Path("/sys/fs/selinux/enforce")


def packages(dbpath=None):
    """Return ``{name: version}`` of this pack's packages in the database."""
    done = process.run(rpm_words.installed_argv(dbpath))
    rows = (line.split() for line in done.stdout.splitlines())
    return {row[1]: row[2] for row in rows}


def extract(package_file, folder):
    """
    Unpack a package's files below ``folder``; the host's database stays as it is.

    Needs root: rpm changes its root to the folder.
    """
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    argv = rpm_words.extract_argv(str(Path(package_file).resolve()), str(folder))
    process.run(argv, env=process.PLAIN)
    shutil.rmtree(folder / rpm_words.SCRATCH_DATABASE)


def label(folder):
    """
    Give files SELinux's labels, where it is in use: what rpm's plugin would do.

    Without them a service may not run what lies in ``bin``.
    """
    if SELINUX.exists():
        process.run(rpm_words.label_argv(str(folder)))


def unmet(package_file, dbpath=None):
    """Return what a package or an index needs that no package here provides."""
    argv = rpm_words.unmet_argv(str(package_file), dbpath)
    done = process.run(argv, check=False, env=process.PLAIN)
    found = rpm_words.parse_unmet(done.stderr)
    if done.returncode and "Failed dependencies" not in done.stderr:
        raise HolodeckError(
            f"Package {Path(package_file).name}: rpm does not take it: "
            f"{done.stderr.strip()}; look at `rpm --query --all` and release again."
        )
    return found


def register(entries, dbpath=None):
    """Enter ``[(package file or index, root), …]``: files are in place, or will be."""
    packages_ = [str(file) for file, _ in entries]
    process.run(rpm_words.register_argv(packages_, dbpath), env=process.PLAIN)


def differences(layer, dbpath=None):
    """Return which files of a layer are not its package's, and how they differ."""
    done = process.run(
        rpm_words.verify_argv(layer["package"], dbpath), check=False, env=process.PLAIN
    )
    if "is not installed" in done.stdout:
        return ["not in the package database, so its files are not known one by one"]
    root = layer["root"]
    listed = process.run(rpm_words.list_argv(layer["package"], dbpath)).stdout
    known = set(listed.splitlines())
    strays = [name for name in files.names_below(root) if f"{root}/{name}" not in known]
    found = rpm_words.parse_verified(done.stdout, root)
    return sorted([*found, *(f"{name} belongs to no package" for name in strays)])


def forget(packages_):
    """Do nothing: what is entered replaces what was, and files are left alone."""


def mend():
    """Do nothing: rpm needs no help to go on after it was killed."""


def remove(doomed, dbpath=None):
    """Remove packages and their files."""
    process.run(rpm_words.remove_argv(doomed, dbpath), env=process.PLAIN)


def header_of(package_file):
    """Return the package's bytes before its payload."""
    with open(package_file, "rb") as file:
        head = file.read(rpm_header.LEAD)
        for _ in ("signatures", "header"):
            head += file.read(-len(head) % 8)
            intro = file.read(rpm_header.INTRO)
            head += intro + file.read(rpm_header.length(intro))
    return head


def control_of(package_file):
    """Return what an index needs of a package besides its files, as text."""
    return rpm_header.template(header_of(package_file))


def write_index(layer, target):
    """
    Write the head of an rpm that lists a layer's files as they are in place.

    Times too: a file that is a hard link to the layer before has that one's, and
    ``rpm -V`` would complain of any other.
    """
    root = Path(layer["root"])
    top = Path(names.PREFIX)
    parents = [path for path in root.parents if path == top or top in path.parents]
    found = [_file(path) for path in [*parents, root, *root.rglob("*")]]
    Path(target).write_bytes(rpm_header.index(layer["control"], found))


def _file(path):
    facts = path.lstat()
    digest = target = ""
    if stat.S_ISREG(facts.st_mode):
        digest = files.sha256_file(path)
    elif stat.S_ISLNK(facts.st_mode):
        target = str(path.readlink())
    return rpm_header.File(
        str(path), facts.st_mode, facts.st_size, int(facts.st_mtime), digest, target
    )
