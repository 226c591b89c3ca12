"""The two applications, each a git repository with three commits."""

import os
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

LOCKS = Path(__file__).resolve().parent.parent / "locks"
CHANGES = ("first", "line", "lock")
_WORDS = (
    "order", "basket", "price", "stock", "label",
    "parcel", "invoice", "account", "region", "rate",
)  # fmt: skip
_STEMS = (
    "models", "views", "urls", "serializers", "tasks",
    "admin", "forms", "signals", "filters",
)  # fmt: skip
_PACKAGES = 25
_IDENTITY = {
    "GIT_AUTHOR_NAME": "Benchmark", "GIT_AUTHOR_EMAIL": "benchmark@localhost",
    "GIT_COMMITTER_NAME": "Benchmark", "GIT_COMMITTER_EMAIL": "benchmark@localhost",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}  # fmt: skip
_PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "1.0"
requires-python = ">=3.11"

[project.scripts]
{name}-serve = "{module}.main:serve"

[tool.setuptools.packages.find]
where = ["src"]
"""
_MAIN = """\
import {dependency}

RELEASE = 1


def serve():
    print({dependency}.__name__, RELEASE)
"""


@dataclass(frozen=True)
class App:
    """One application: its repository, and the commit of each change."""

    name: str
    module: str
    dependency: str
    repository: Path
    commits: dict

    def checkout(self, change, target):
        """Write the files of one commit to the new folder ``target``."""
        _git(self.repository.parent, "clone", "--quiet", self.repository, target)
        _git(target, "checkout", "--quiet", self.commits[change])


def create(name, folder):
    """
    Make the application ``small`` or ``large`` in ``folder``.

    Its commits: ``first``; ``line``, a change of one line that keeps its length;
    ``lock``, one dependency at another version.
    """
    small = name == "small"
    module, dependency = ("hello", "flask") if small else ("shop", "django")
    repository = Path(folder, "repository")
    source = repository / "src" / module
    source.mkdir(parents=True)
    pyproject = _PYPROJECT.format(name=f"bench-{name}", module=module)
    (repository / "pyproject.toml").write_text(pyproject)
    (source / "__init__.py").write_text("")
    (source / "main.py").write_text(_MAIN.format(dependency=dependency))
    if not small:
        _fill(source)
    return App(name, module, dependency, repository, _commits(repository, source, name))


def _commits(repository, source, name):
    _git(repository, "init", "--quiet", "--initial-branch", "main")
    commits = {}
    for change in CHANGES:
        if change == "line":
            text = (source / "main.py").read_text()
            (source / "main.py").write_text(text.replace("= 1", "= 2"))
        else:
            lock = LOCKS / f"{name}{'-bumped' if change == 'lock' else ''}.txt"
            (repository / "requirements.txt").write_text(lock.read_text())
        _git(repository, "add", "--all")
        _git(repository, "commit", "--quiet", "--message", change)
        commits[change] = _git(repository, "rev-parse", "HEAD").strip()
    return commits


def _fill(source):
    """Write about 250 modules that compress like code, the same each time."""
    chance = random.Random(7)  # noqa: S311 - a text, not a secret
    for number in range(_PACKAGES):
        package = source / f"{_WORDS[number % len(_WORDS)]}{number}"
        package.mkdir()
        (package / "__init__.py").write_text("")
        for stem in _STEMS:
            functions = (_function(chance, index) for index in range(14))
            (package / f"{stem}.py").write_text("\n\n".join(functions))


def _function(chance, index):
    first, second, third = chance.sample(_WORDS, 3)
    return (
        f"def {first}_{second}_{index}({second}, {third}={chance.randrange(10**6)}):\n"
        f'    """Return the {first} of a {second} with its {third}."""\n'
        f"    {first} = [{second} * {chance.random():.6f} for _ in range({third})]\n"
        f"    if not {first}:\n"
        f'        raise ValueError("{first}-{chance.randrange(16**8):08x}")\n'
        f"    return {{'{first}': {first}, '{third}': {third}}}\n"
    )


def _git(folder, *words):
    done = subprocess.run(
        ["git", "-C", str(folder), *map(str, words)],
        env={**os.environ, **_IDENTITY},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout
