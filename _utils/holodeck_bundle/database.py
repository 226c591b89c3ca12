"""
The native package database: what Debian's and RPM's own tools know of a bundle.

A layer's files are put in place by us, at once and durably; the database learns of
them without touching them. After that ``dpkg -L``, ``-S``, ``-V`` and ``--purge``,
or ``rpm -ql``, ``-qf``, ``-V`` and ``-e``, work as with any package.
"""

from pathlib import Path

from holodeck import names
from holodeck_bundle import deb, rpm

_FORMATS = {"deb": deb, "rpm": rpm}


def of(kind):
    """
    Return the module of one format.

    Both have ``packages()``, ``extract(package, folder)``, ``register(entries)``,
    ``remove(packages)``, ``forget(packages)``, ``mend()``, ``control_of(package)``,
    ``write_index(layer, target)``, ``differences(layer)`` and ``label(folder)``.
    """
    return _FORMATS[kind]


def lock_file():
    """Return the file whose lock this pack takes: dpkg's own does not wait."""
    return Path(names.STATE, "packages.lock")
