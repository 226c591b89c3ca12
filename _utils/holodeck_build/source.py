"""Commits of a git repository, from a mirror kept on the builder."""

import hashlib
import os
import shutil
from pathlib import Path

from holodeck import names
from holodeck_build import commit_files
from holodeck_io import errors, files, lock, process

CACHE = Path("/var/cache/holodeck")
# Nobody can answer a question here: a missing credential is an error at once.
_FETCH = {
    **process.PLAIN, "GIT_TERMINAL_PROMPT": "0",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
}  # fmt: skip
# What git says last of any server that did not let it in; why stands before.
_ADVICE = (
    "", "fatal: Could not read from remote repository.",
    "Please make sure you have the correct access rights", "and the repository exists.",
)  # fmt: skip
# Git's collector works while the mirror is locked, or not at all.
_STAY = ("-c", "gc.autoDetach=false", "-c", "maintenance.autoDetach=false")
# What is in the mirror already is read without the administrator's own settings.
_ALONE = {
    "HOME": "/dev/null", "XDG_CONFIG_HOME": None, "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1",
}  # fmt: skip
# These are for archives to be published, and count more than the commit's own: what a
# bundle has is every file as it was committed.
_ATTRIBUTES = "* -export-ignore -export-subst\n"


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
    # A subject may hold what Python alone takes for the end of a line.
    rows = (line.partition("\t") for line in done.stdout.split("\n") if line)
    return [{"commit": commit, "subject": subject} for commit, _, subject in rows]


def export(repository, commit, target):
    """
    Write the files of ``commit`` to the folder ``target``; return its time.

    Raises :class:`~holodeck_io.errors.HolodeckError` when a commit's files are not all
    in the commit, or cannot be in a package.
    """
    resolve(repository, commit)
    mirror = _place(repository)
    listing = _git(mirror, *commit_files.LIST, commit).stdout
    small = commit_files.small(listing)
    process.pipe(
        [*_argv(mirror), "archive", "--format=tar", commit],
        ["tar", "--extract", "--directory", str(target)],
        env=_ALONE,
    )
    commit_files.refuse_pointers(target, small)
    stamp = _git(mirror, "show", "--no-patch", "--format=%ct", commit).stdout
    return int(stamp.strip())


def _mirror_name(repository):
    return hashlib.sha256(repository.encode()).hexdigest()[:16]


def _place(repository):
    return CACHE / "git" / _mirror_name(repository)


def _mirror(repository):
    """Return the mirror, made anew where there is none or half of one; it is locked."""
    mirror = _place(repository)
    if not _is_whole(mirror):
        new = mirror.with_name(f".new-{mirror.name}")
        for half in (new, mirror):
            shutil.rmtree(half, ignore_errors=True)
        new.mkdir(parents=True)
        words = ["git", "init", "--quiet", "--bare", "--template=", str(new)]
        process.run(words, env=_ALONE)
        new.rename(mirror)
    attributes = mirror / "info" / "attributes"
    if not attributes.is_file() or attributes.read_bytes() != _ATTRIBUTES.encode():
        attributes.parent.mkdir(exist_ok=True)
        files.write_atomic(attributes, _ATTRIBUTES)
    return mirror


def _is_whole(mirror):
    if not mirror.is_dir():
        return False
    done = _git(mirror, "rev-parse", "--is-bare-repository", check=False)
    return done.stdout.strip() == "true"


def _has(mirror, commit):
    done = _git(mirror, "cat-file", "-e", f"{commit}^{{commit}}", check=False)
    return done.returncode == 0


def _fetch(mirror, repository):
    """
    Fetch with the administrator's settings: credentials, other names of URLs.

    The mirror is locked, and nothing works on in it after git has ended: a lock file
    of git's is one of a fetch that was killed. An orphan of it that still runs can
    lose what it writes then, and the fetch here writes the same.
    """
    for stale in mirror.rglob("*.lock"):
        stale.unlink(missing_ok=True)
    done = _git(
        mirror, *_STAY, "fetch", "--quiet", "--prune", "--force", "--", repository,
        "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", env=_FETCH,
        check=False,
    )  # fmt: skip
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line not in _ADVICE]
        why = said[-1] if said else f"git ended with status {done.returncode}"
        raise errors.HolodeckError(
            f"cannot fetch {repository}: {why.rstrip('.')}; the URL has to be one that "
            "builders reach."
        )


def _git(mirror, *words, check=True, env=_ALONE):
    return process.run([*_argv(mirror), *words], env=env, check=check, timeout_s=300)


def _argv(mirror):
    return ["git", f"--git-dir={os.fspath(mirror)}"]
