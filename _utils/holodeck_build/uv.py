"""uv, which fills virtualenvs on a builder, with a cache of the builder's own."""

from holodeck_build import source, tree
from holodeck_io import process

_TIMEOUT_S = 1800


def run(*words, cwd=None, env=None):
    """
    Run uv without anybody's configuration; raise when it fails.

    words
        uv's arguments.
    cwd
        The folder to run in.
    env
        Variables over those that every call has, such as ``NETRC``.

    Files are copied out of the cache, which stays as it is.
    """
    return process.run(
        ["uv", *words],
        cwd=cwd,
        timeout_s=_TIMEOUT_S,
        # What it makes is read by the users of sandboxes.
        umask=0o022,
        env={
            "UV_CACHE_DIR": str(source.CACHE / "uv"),
            "UV_LINK_MODE": "copy",
            "UV_NO_CONFIG": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "SOURCE_DATE_EPOCH": str(tree.EPOCH),
            "VIRTUAL_ENV": None,
            # What builds projects is compiled by its first use, and kept.
            "PYTHONDONTWRITEBYTECODE": None,
            **(env or {}),
        },
    )
