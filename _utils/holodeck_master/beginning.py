"""A service's first definition, written from its repository."""

import contextlib
import fnmatch
import os
import tempfile
from pathlib import Path

import yaml

from holodeck import definition, discovery
from holodeck_io import files, process, toml
from holodeck_io.errors import CommandError, HolodeckError

_CLONE_S = 300
# What is read: more, or larger, is nobody's source.
_FILES_MOST, _BYTES_MOST = 3000, 2**20
_PATTERNS = ("*.py", "*.toml", "*.lock", "requirements*.txt", "Procfile",
             ".python-version")  # fmt: skip
# Nobody is there to be asked for a password.
_GIT = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -o BatchMode=yes"}
_HOSTS = {
    "web": {"ids": ["web1.example.org", "web2.example.org"]},
    "balancer": {"ids": ["lb1.example.org"]},
    "tester": {"ids": ["tester1.example.org"]},
    "builder": {"ids": ["builder1.example.org"]},
}


def written(repository, branch="", name="", app=""):
    """
    Return ``(text, what is left to do)`` of a pillar file for a repository's service.

    repository
        Where git clones it from; or a clone on the master, whose origin counts then.
    branch
        Another one than the repository's own.
    name, app
        As for :func:`holodeck.discovery.discover`.

    Raises :class:`~holodeck_io.errors.HolodeckError` where git gives nothing, or where
    the repository does not show enough.
    """
    with _checkout(repository, branch) as (folder, origin):
        try:
            sources = _files(folder)
            project = toml.parsed(sources.get("pyproject.toml", ""))
            found = discovery.discover(sources, project, origin, name, app)
            document = _document(found, branch)
            definition.parse(document["holodeck"])
        # Of TOML too: it says where.
        except ValueError as error:
            raise HolodeckError(f"Repository {repository}: {error}") from error
    left = ["hosts: name your own, or a profile of salt-cloud; docs/clouds.rst"]
    left = [*found.left, *left]
    head = ["# Left to do:", *(f"# - {each}" for each in left), ""]
    body = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=88)
    return "\n".join(head) + "\n" + body, left


def keep(text, file):
    """
    Write a pillar file; one that is there stays.

    Raises :class:`~holodeck_io.errors.HolodeckError` when it cannot be written.
    """
    if Path(file).exists():
        raise HolodeckError(f"File {file}: is there already; choose another one.")
    try:
        files.write_atomic(Path(file), text, mode=0o600)
    except OSError as error:
        raise HolodeckError(f"File {file}: {error.strerror or error}.") from error


@contextlib.contextmanager
def _checkout(repository, branch):
    """Yield a folder with the repository's files, and where builders clone it from."""
    if not repository or repository.startswith("-"):
        raise HolodeckError(f"Repository {repository!r}: give a URL, or a folder.")
    if Path(repository).is_dir() and not branch:
        yield Path(repository), _origin(repository)
        return
    with tempfile.TemporaryDirectory(prefix="holodeck-init-") as home:
        words = ["--branch", branch] if branch else []
        argv = ["git", "clone", "--quiet", "--depth=1", *words, "--", repository, home]
        try:
            process.run(argv, env=_GIT, timeout_s=_CLONE_S)
        except CommandError as error:
            raise HolodeckError(f"Repository {repository}: {error}") from error
        yield Path(home), repository


def _origin(folder):
    argv = ["git", "-C", str(folder), "remote", "get-url", "origin"]
    done = process.run(argv, check=False)
    return done.stdout.strip() or str(Path(folder).resolve())


def _files(folder):
    """Return ``{path: text}`` of a folder's sources, those at its top first."""
    found = {}
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if f[0] != "." and f != "node_modules")
        for path in (Path(place, name) for name in sorted(names) if _is_source(name)):
            if len(found) == _FILES_MOST:
                return found
            if path.is_symlink() or path.stat().st_size >= _BYTES_MOST:
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
            found[str(path.relative_to(folder))] = text
    return found


def _is_source(name):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in _PATTERNS)


def _document(found, branch):
    place = {"listen": "*:80"}
    if found.settings:
        place["settings"] = found.settings
    service = {**found.service, **({"branch": branch} if branch else {})}
    return {
        "holodeck": {
            "services": {found.name: service},
            "environments": {
                "staging": {"hosts": _HOSTS, "services": {found.name: place}}
            },
        }
    }
