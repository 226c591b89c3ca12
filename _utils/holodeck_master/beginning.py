"""A service's first definition, written from its repository."""

import contextlib
import fnmatch
import os
import tempfile
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from holodeck import definition, discovery, rollout
from holodeck_io import files, process, toml
from holodeck_io.errors import CommandError, HolodeckError
from holodeck_master import pillar

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
_OWN_HOSTS = "hosts: name your own, or a profile of salt-cloud; docs/clouds.rst"
# Where a balancer listens, and where from on it looks for what is free.
_BINDS = 80, 8080
_TOP = "top.sls of the pillar: name this file for the id `holodeck`"


@dataclass(frozen=True)
class Place:
    """
    The environment that a service is to be in.

    ``environment`` is there where it is defined already; ``services`` are the names of
    all that are defined, ``ports`` those that its hosts listen on.
    """

    name: str = "staging"
    environment: object = None
    services: tuple = ()
    ports: set = field(default_factory=set)

    @property
    def binds(self):
        """The ports that balancers listen on."""
        placed = self.environment.services.values() if self.environment else ()
        return {rollout.port_of(each.listen) for each in placed if each.listen}

    @property
    def is_balanced(self):
        """Whether balancers stand before its hosts."""
        return not self.environment or bool(self.environment.members("balancer"))


def place(opts, name):
    """Return the :class:`Place` of this name, whether it is defined or not."""
    try:
        known = pillar.load(opts)
    except pillar.UndefinedError:
        return Place(name)
    found = {**known.templates, **known.environments}.get(name)
    ports = {known.services[each].port for each in (found.services if found else ())}
    return Place(name, found, tuple(known.services), ports)


def written(repository, branch="", name="", app="", where=None):
    """
    Return ``(text, what is left to do)`` of a pillar file for a repository's service.

    repository
        Where git clones it from; or a clone on the master, whose origin counts then.
    branch
        Another one than the repository's own.
    name, app
        As for :func:`holodeck.discovery.discover`.
    where
        The :class:`Place`; an environment that shows how one is written by default.

    Raises :class:`~holodeck_io.errors.HolodeckError` where git gives nothing, or where
    the repository does not show enough.
    """
    where = where or Place()
    with _checkout(repository, branch) as (folder, origin):
        try:
            sources = _files(folder)
            project = toml.parsed(sources.get("pyproject.toml", ""))
            port = _free(discovery.PORT, where.ports)
            found = discovery.discover(sources, project, origin, name, app, port)
            document = _document(found, branch, where)
            _check(document["holodeck"], found, where)
        # Of TOML too: it says where.
        except ValueError as error:
            raise HolodeckError(f"Repository {repository}: {error}") from error
    left = [*found.left, _TOP, *([] if where.environment else [_OWN_HOSTS])]
    notes = "".join(f"{_comment(each)}\n" for each in left)
    body = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=78)
    return f"# Left to do:\n{notes}\n{body}", left


def _comment(text):
    return textwrap.fill(
        text, 80, initial_indent="# - ", subsequent_indent="#   ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _check(document, found, where):
    """What is written is a definition without a fault, but for what is left to do."""
    if found.name in where.services:
        raise HolodeckError(
            f"Service {found.name}: is defined already; give another name: name=NAME."
        )
    given = dict.fromkeys(found.settings, "x")
    hosts = {
        role: group
        for role, group in _HOSTS.items()
        if where.is_balanced or role != "balancer"
    }
    placed = document["environments"][where.name]["services"][found.name]
    placed = {**placed, **({"settings": given} if given else {})}
    environment = {"hosts": hosts, "services": {found.name: placed}}
    definition.parse({**document, "environments": {where.name: environment}})


def _free(first, taken):
    """Return the first port that is not taken."""
    return next(port for port in range(first, 65536) if port not in taken)


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


def _listen_by_systemd(service, left):
    """Without a balancer systemd listens: the first process takes its socket over."""
    service["socket"] = True
    first, line = next(iter(service["processes"].items()))
    if line.startswith("uvicorn "):
        line = line.replace("--host 0.0.0.0 --port ${PORT}", "--fd 3")
        service["processes"] = {**service["processes"], first: line}
    elif not line.startswith("gunicorn "):
        left.append(
            f"processes/{first}: let it take file descriptor 3, where systemd listens"
        )


def _document(found, branch, where):
    service = {**found.service, **({"branch": branch} if branch else {})}
    placed = {}
    if where.is_balanced:
        usual = _BINDS[0] if _BINDS[0] not in where.binds else _BINDS[1]
        placed["listen"] = f"*:{_free(usual, where.binds)}"
    else:
        _listen_by_systemd(service, found.left)
    if found.settings:
        placed["settings"] = found.settings
    hosts = {} if where.environment else {"hosts": _HOSTS}
    environment = {**hosts, "services": {found.name: placed}}
    return {
        "holodeck": {
            "services": {found.name: service},
            "environments": {where.name: environment},
        }
    }
