"""Commits of a git repository, from a mirror kept on the builder."""

import hashlib
import os
from pathlib import Path

from holodeck import names
from holodeck_io import errors, lock, process

CACHE = Path("/var/cache/holodeck")
# Nobody can answer a question here: a missing credential is an error at once.
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -o BatchMode=yes"}


def locked(name):
    """Hold the builder's lock of that name."""
    return lock.held(CACHE / "locks" / name)


def resolve(repository, ref):
    """
    Return the full commit id that ``ref`` (branch, tag or commit) stands for.

    The newest state is fetched unless ``ref`` is a commit that is known here.
    """
    with locked(_mirror_name(repository)):
        mirror = _mirror(repository)
        if not (names.is_commit(ref) and _has(mirror, ref)):
            _fetch(mirror, repository)
        for candidate in (f"refs/heads/{ref}", f"refs/tags/{ref}", ref):
            done = _git(
                mirror, "rev-parse", "--verify", "--quiet", f"{candidate}^{{commit}}",
                check=False,
            )  # fmt: skip
            if done.returncode == 0:
                return done.stdout.strip()
    raise errors.HolodeckError(
        f"Commit {ref}: is no branch, tag or commit of {repository}; push it there, "
        "or give at least 7 digits of a commit that is."
    )


def history(repository, old, new, limit=50):
    """Return ``[{commit, subject}]`` after ``old`` up to ``new``, newest first."""
    with locked(_mirror_name(repository)):
        mirror = _mirror(repository)
        if not (_has(mirror, old) and _has(mirror, new)):
            _fetch(mirror, repository)
        done = _git(
            mirror, "log", f"--max-count={limit}", "--format=%H%x09%s", f"{old}..{new}"
        )
    rows = (line.partition("\t") for line in done.stdout.splitlines())
    return [{"commit": commit, "subject": subject} for commit, _, subject in rows]


def export(repository, commit, target):
    """Write the files of ``commit`` to the folder ``target``; return its time."""
    resolve(repository, commit)
    mirror = _mirror(repository)
    archive = Path(target, ".archive.tar")
    _git(mirror, "archive", "--format=tar", f"--output={archive}", commit)
    process.run(
        ["tar", "--extract", "--file", str(archive), "--directory", str(target)]
    )
    archive.unlink()
    stamp = _git(mirror, "show", "--no-patch", "--format=%ct", commit).stdout
    return int(stamp.strip())


def _mirror_name(repository):
    return hashlib.sha256(repository.encode()).hexdigest()[:16]


def _mirror(repository):
    mirror = CACHE / "git" / _mirror_name(repository)
    if not (mirror / "HEAD").exists():
        mirror.mkdir(parents=True, exist_ok=True)
        process.run(["git", "init", "--quiet", "--bare", str(mirror)])
    return mirror


def _has(mirror, commit):
    done = _git(mirror, "cat-file", "-e", f"{commit}^{{commit}}", check=False)
    return done.returncode == 0


def _fetch(mirror, repository):
    _git(
        mirror, "fetch", "--quiet", "--prune", "--force", "--", repository,
        "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*",
    )  # fmt: skip


def _git(mirror, *words, check=True):
    return process.run(
        ["git", f"--git-dir={os.fspath(mirror)}", *words],
        env=_ENVIRONMENT,
        check=check,
        timeout_s=300,
    )
