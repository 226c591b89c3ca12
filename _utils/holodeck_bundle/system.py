"""The system packages of this host: which of those that are asked for are not there."""

from holodeck import system_packages
from holodeck_io import process
from holodeck_io.errors import HolodeckError


def missing(packages, kind):
    """
    Return which of ``packages`` are not installed, in their order, by one command.

    packages
        Entries as in Depends or Requires: names, with a version relation or
        alternatives where wanted; what other packages provide counts.
    kind
        ``deb`` or ``rpm``.

    Raises :class:`HolodeckError` for what is no entry.
    """
    packages = list(packages)
    wanted = {entry: system_packages.parse(entry, kind) for entry in packages}
    bad = [entry for entry, alternatives in wanted.items() if not alternatives]
    if bad:
        raise HolodeckError(
            f"System package {bad[0]!r}: is no entry of a {kind}'s dependencies; write "
            "a package's name, and its version in that format's words if need be."
        )
    if not packages:
        return []
    names = sorted({one.name for group in wanted.values() for one in group})
    return system_packages.missing(packages, _installed(names, kind), kind)


def versions(packages, kind):
    """Return the installed versions of named packages, as ``("name version", …)``."""
    names = sorted(set(packages))
    providers = _installed(names, kind).providers if names else {}
    return tuple(
        f"{name} {version}"
        for name in names
        for version in sorted({number for _, number in providers.get(name, ())})
    )


def _installed(names, kind):
    # rpm's status counts the names that nobody provides.
    done = process.run(
        system_packages.installed_argv(kind, names),
        check=kind == "deb",
        env=process.PLAIN,
    )
    return system_packages.parse_installed(done.stdout, kind)
