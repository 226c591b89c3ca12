"""Builders with caches of their own, and small wheels and projects for them."""

import base64
import contextlib
import hashlib
import io
import json
import os
import re
import subprocess
import zipfile
from pathlib import Path

import builder
import package_index
import pytest

from holodeck_build import source

# A bundle of a lock alone has no repository: any commit names it.
COMMIT = "a" * 40
_INDEXES = ("NETRC", "UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL")


@contextlib.contextmanager
def environment(default_index=None):
    """Run with the tools on PATH, and no index but PyPI or ``default_index``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{builder.PACK}/.venv/bin:{os.environ['PATH']}")
        for name in _INDEXES:
            patch.delenv(name, raising=False)
        if default_index:
            patch.setenv("UV_DEFAULT_INDEX", default_index)
        yield patch


class Place:
    """A builder: ``bundle.build`` as Salt loads it, with a cache of its own."""

    def __init__(self, home, indexes=()):
        self.home, self.cache = home, home / "cache"
        home.mkdir(parents=True, exist_ok=True)
        loaded = builder.functions(home)
        loaded.opts["pillar_roots"] = {"base": [str(home / "pillar")]}
        if indexes:
            _write_pillar(home / "pillar", {"holodeck": {"indexes": list(indexes)}})
        self._build = loaded["bundle.build"]

    def build(self, recipe, commit=COMMIT, bases=(), name="sample"):
        """Build a bundle here; return its manifest."""
        with self.used():
            return self._build(
                name, commit, recipe, stored=builder.Everything(), bases=bases
            )

    @contextlib.contextmanager
    def used(self):
        """Let the builder's functions work in this place's cache."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(source, "CACHE", self.cache)
            yield


class Project(builder.Repository):
    """The sample's repository with other files, in a first commit of its own."""

    def __init__(self, home, files, remove=("requirements.txt", "pyproject.toml")):
        super().__init__(home)

        def change(home):
            for name in remove:
                (home / name).unlink()
            write(home, files)

        self.first = self.changed(change)

    def with_files(self, files):
        """Return the id of a commit that is the first one with these files."""
        return self.changed(lambda home: write(home, files))


def write(home, files):
    """Write ``{path: text}`` below a folder."""
    for path, text in files.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(text)


def wheel(name, version, files, build="", scripts="", tag="py3-none-any"):
    """
    Return ``(file name, bytes)`` of a wheel with ``{path: text or bytes}``.

    build
        The build number, which tells two files of one version apart.
    scripts
        Lines of console scripts.
    """
    info = f"{name}-{version}.dist-info"
    parts = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\n"
        f"Version: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
        f"Root-Is-Purelib: true\nTag: {tag}\n",
    }
    if scripts:
        parts[f"{info}/entry_points.txt"] = f"[console_scripts]\n{scripts}\n"
    parts = {p: t.encode() if isinstance(t, str) else t for p, t in parts.items()}
    rows = [f"{path},{_recorded(part)},{len(part)}" for path, part in parts.items()]
    parts[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, part in parts.items():
            archive.writestr(zipfile.ZipInfo(path), part)
    number = f"-{build}" if build else ""
    return f"{name}-{version}{number}-{tag}.whl", buffer.getvalue()


def locked(index, *wheels):
    """Return the recipe of a bundle that is a lock of these wheels."""
    lines = [index.requirement(filename) for filename, _ in wheels]
    return {"requirements": "".join(lines)}


def digests(manifest):
    """Return what two builds of the same must agree on, layer by layer."""
    keys = ("role", "package", "sha256", "tree", "needs")
    # Salt's transport makes lists of tuples; so does the builder's own note.
    layers = json.loads(json.dumps(manifest["layers"]))
    return [{key: layer[key] for key in keys} for layer in layers]


def prefix(layer):
    """Return the layer's tree in its builder's cache."""
    return Path(f"{Path(layer['file']).parent}/root{layer['root']}")


def depends(layer):
    """Return a package's Depends, as dpkg reads it."""
    done = subprocess.run(
        ["dpkg-deb", "--field", layer["file"], "Depends"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return re.split(r",\s*", done.stdout.strip())


def _write_pillar(root, data):
    top = {"base": {"*": ["sample"]}}
    write(root, {"top.sls": json.dumps(top), "sample.sls": json.dumps(data)})


def _recorded(content):
    digest = hashlib.sha256(content).digest()
    return f"sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


# Small packages for an index of the test's own.
LINES = "".join(f"LINE_{n} = {n}\n" for n in range(200))
ALPHA, ALPHA_2 = (
    wheel("alpha", v, {"alpha/__init__.py": f"V = {v!r}\n",
                       f"alpha/of{v[0]}.py": LINES}, scripts="alpha = alpha:main")
    for v in ("1.0", "2.0")
)  # fmt: skip
BETA = wheel("beta", "1.0", {"beta/__init__.py": LINES, "beta/notes.txt": "notes\n"})
REBUILT = wheel("beta", "1.0", {"beta/__init__.py": f"{LINES}A = 1\n"}, build="1")


def plain_project(home, index):
    """Return a repository that is a plain folder of modules, with a small lock."""
    lock = locked(index, ALPHA, BETA)["requirements"]
    made = {"requirements.txt": lock, "service/web.py": LINES, "service/db.py": LINES}
    return Project(home, made)


@contextlib.contextmanager
def serving(*wheels):
    """Serve wheels to the builders of this process, which ask no other index."""
    with package_index.serving(*wheels, users=()) as index, environment(index.url):
        yield index
