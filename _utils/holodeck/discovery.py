"""
A definition for a service that has none yet, from what its repository shows. Pure.

What cannot be known is left to be done, and said; nothing is guessed that would look
as if it worked.
"""

import re
from dataclasses import dataclass, field

from holodeck import fields, names, python_code

_LOCKS = ("uv.lock", "pylock.toml", "requirements.txt")
#: What a service listens on where nobody says otherwise.
PORT = 8000
#: What stands for a value that nobody but the service's owner knows.
UNSET = fields.UNSET
_SUITE = "tests/http"
# How each server that can be in a lock is told where to listen, in the order of choice.
_SERVERS = {
    python_code.WSGI: {
        "gunicorn": "gunicorn --bind 0.0.0.0:${PORT} APP",
        "waitress": "waitress-serve --listen=0.0.0.0:${PORT} APP",
        "granian": "granian --interface wsgi --host 0.0.0.0 --port ${PORT} APP",
    },
    python_code.ASGI: {
        "uvicorn": "uvicorn --host 0.0.0.0 --port ${PORT} APP",
        "hypercorn": "hypercorn --bind 0.0.0.0:${PORT} APP",
        "granian": "granian --interface asgi --host 0.0.0.0 --port ${PORT} APP",
    },
}
_ASGI_PACKAGES = ("fastapi", "starlette", "quart", "litestar", "uvicorn", "hypercorn")
_PROCFILE = re.compile(r"^([A-Za-z][\w-]*):\s*(\S.*)$", re.MULTILINE)
_DOLLAR = re.compile(r"\$(?:PORT\b|\{PORT\})")


class UnknownError(ValueError):
    """The repository does not show what no definition can be without."""


@dataclass
class Found:
    """A definition, and what is left to do before it is released."""

    name: str
    service: dict
    settings: dict
    left: list = field(default_factory=list)


def discover(files, project, repository, name="", app="", port=PORT):
    """
    Return what was :class:`Found`.

    files
        ``{path: text}`` of the repository: Python, locks, a Procfile.
    project
        Its ``pyproject.toml``.
    repository
        Where builders clone from.
    name, app
        The service's name, and the application as ``package.module:variable``, where
        somebody knows better.
    port
        What no other service of the hosts listens on.

    Raises :class:`UnknownError` when there is neither a Procfile nor an application,
    or no name that a service may have.
    """
    code = python_code.Project(files)
    found = Found(_name(name, project, repository), {"repository": repository}, {})
    if fields.is_folder(repository):
        found.left.append(
            "repository: builders look for a folder on themselves; name the URL that "
            "they clone from"
        )
    lock = _lock(files, found)
    found.service["processes"] = _processes(files, project, code, lock, app, found)
    found.service |= {"port": port, "health": code.health() or "/"}
    if found.service["health"] == "/":
        found.left.append(
            "health: name a path that answers 2xx when it can do its work"
        )
    _tests(files, found)
    _python(files, project, found)
    for variable in code.variables():
        found.settings[variable] = UNSET
    if found.settings:
        found.left.append(
            f"settings: give {', '.join(found.settings)}, which the code reads"
        )
    return found


def _name(given, project, repository):
    own = project.get("project", {}).get("name", "")
    last = repository.rstrip("/").rpartition("/")[2].rpartition(":")[2]
    for name in [given] if given else (own, last.removesuffix(".git")):
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        if names.is_name(given or plain):
            return given or plain
    shown = given or own or last
    raise UnknownError(f"{shown!r} is no name of a service; give one: name=NAME.")


def _lock(files, found):
    """Return the text of the lock that a build would take."""
    path = next((path for path in _LOCKS if path in files), "")
    text = files.get(path, "")
    if not path:
        found.left.append("lock: commit a hashed one: `uv lock` makes uv.lock")
    elif path == "requirements.txt" and "--hash=" not in text:
        found.left.append(
            f"lock: {path} has no hashes: `uv pip compile --generate-hashes`, or "
            "`uv lock` for a uv.lock"
        )
    return text


def _has(lock, package):
    """Tell whether a lock has a package, in any form; or a list without hashes."""
    pattern = rf'^(?:name = "{package}"|{package}(?:\[[^]]*\])?\s*(?:[=@<>~!;#]|$))'
    return bool(re.search(pattern, lock, re.MULTILINE | re.IGNORECASE))


def _processes(files, project, code, lock, app, found):
    lines = dict(_PROCFILE.findall(files.get("Procfile", "")))
    if release := lines.pop("release", ""):
        found.left.append(
            f"the Procfile's `release: {release}` is no process; run it by yourself"
        )
    if lines and not app:
        return _of_procfile(lines, found)
    options = project.get("tool", {}).get("pytest", {}).get("ini_options", {})
    known = code.application()
    path = app or options.get("http_app") or (known and known[0])
    if not path:
        raise UnknownError(
            "no WSGI or ASGI application was found, and no Procfile; name it: "
            "app=package.module:variable"
        )
    kind = known[1] if known and known[0] == path else ""
    asgi = any(_has(lock, package) for package in _ASGI_PACKAGES)
    kind = kind or (python_code.ASGI if asgi else python_code.WSGI)
    servers = _SERVERS[kind]
    server = next((each for each in servers if _has(lock, each)), "")
    if not server:
        server = next(iter(servers))
        found.left.append(f"add {server} to the dependencies, and lock them again")
    return {"web": servers[server].replace("APP", path)}


def _of_procfile(lines, found):
    """The first process listens; there it is called web."""
    first = "web" if "web" in lines else next(iter(lines))
    ordered = {first: lines[first], **lines}
    if not _DOLLAR.search(ordered[first]):
        found.left.append(f"processes/{first}: let it listen on 0.0.0.0:${{PORT}}")
    # A bare one systemd would take for a word of its own.
    return {
        re.sub(r"[^a-z0-9]+", "-", name.lower()): _DOLLAR.sub("${PORT}", line)
        for name, line in ordered.items()
    }


def _tests(files, found):
    if any(path.startswith(f"{_SUITE}/") for path in files):
        found.service["suite"] = _SUITE
        return
    found.service["checks"] = [{"path": found.service["health"], "marks": ["smoke"]}]
    found.left.append(
        f"a suite: tests of HTTP in {_SUITE}, docs/tests.rst; until then one check "
        "stands for it"
    )


def _python(files, project, found):
    wanted = files.get(".python-version", "").strip() or project.get("project", {}).get(
        "requires-python", ""
    )
    if wanted:
        found.left.append(
            f"Python {wanted} on hosts; another than the system's own is `python: PATH`"
        )
