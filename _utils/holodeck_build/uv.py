"""uv, which fills virtualenvs on a builder, with a cache of the builder's own."""

import logging
import time

from holodeck_build import source, tree
from holodeck_io import errors, process

log = logging.getLogger(__name__)
_TIMEOUT_S = 1800
_WEEK_S = 7 * 24 * 3600
# Debugging information would name the folder that something was compiled in.
COMPILER_FLAGS = dict.fromkeys(("CFLAGS", "CXXFLAGS"), "-g0")


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
            **COMPILER_FLAGS,
            **(env or {}),
        },
    )


def tidy():
    """Let uv remove what its cache no longer needs, once a week."""
    note = source.CACHE / "uv-tidied"
    age_s = time.time() - note.stat().st_mtime if note.exists() else 0
    if age_s > _WEEK_S:
        try:
            run("cache", "prune", "--quiet")
        except errors.CommandError as error:
            log.warning("uv's cache: was not tidied: %s", error)
    if age_s > _WEEK_S or not note.exists():
        note.touch()
