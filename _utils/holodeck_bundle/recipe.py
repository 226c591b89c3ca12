"""How one commit of a repository, or a bare lock, becomes a bundle."""

import hashlib
import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

from holodeck.spec import FORMAT
from holodeck_bundle import layers, source, tree, uv
from holodeck_io import errors, process


def build(name, commit, spec, pack, bases=()):
    """
    Build both layers of ``commit`` and return the bundle's manifest.

    ``bases`` are the layers that hosts have already, for differences.
    """
    interpreter = layers.Interpreter.find(spec.get("python", ""))
    with tempfile.TemporaryDirectory(prefix="holodeck-source-") as folder:
        checkout = Path(folder)
        epoch = _checkout(spec, commit, checkout)
        lock = _lock(spec, checkout)
        key, dependencies = layers.dependencies(lock, interpreter, pack)
        provenance = _provenance(name, commit, lock, interpreter, pack)

        def fill(prefix, python):
            _fill(prefix, python, checkout, spec, lock, provenance)
            return epoch

        application = layers.application(name, commit, key, interpreter, fill, pack)
    return {
        "name": name,
        "commit": commit,
        "layers": [
            asdict(layers.with_delta(layer, bases))
            for layer in (dependencies, application)
        ],
        "provenance": provenance,
    }


def _checkout(spec, commit, checkout):
    if not spec.get("repository"):
        return tree.EPOCH
    return source.export(spec["repository"], commit, checkout)


def _lock(spec, checkout):
    """Return the text of the hashed lock; refuse one without hashes."""
    if spec.get("requirements"):
        return spec["requirements"]
    path = checkout / spec["lock"]
    if not path.is_file():
        raise errors.HolodeckError(
            f"Lock {spec['lock']}: is not in the commit; lock the dependencies with "
            f"`uv pip compile --generate-hashes -o {spec['lock']} pyproject.toml`, "
            "or name the file in the definition's `lock`."
        )
    text = path.read_text(encoding="utf-8")
    if "--hash=" not in text:
        raise errors.HolodeckError(
            f"Lock {spec['lock']}: has no hashes, so a build could not be repeated; "
            "lock with `--generate-hashes`."
        )
    return text


def _provenance(name, commit, lock, interpreter, pack):
    version = process.run(["uv", "--version"]).stdout.split()
    return {
        "name": name,
        "commit": commit,
        "lock_sha256": hashlib.sha256(lock.encode()).hexdigest(),
        "python": interpreter.banner,
        "uv": version[1] if len(version) > 1 else "unknown",
        "packager": pack.packager,
        "format": FORMAT,
    }


def _fill(prefix, interpreter, checkout, spec, lock, provenance):
    """Put the application into its virtualenv."""
    if spec.get("project"):
        _install_project(prefix, checkout, interpreter, lock)
    for origin, target in spec.get("copy", {}).items():
        _copy(checkout / origin, prefix / target, origin)
    note = json.dumps(provenance, indent=2, sort_keys=True) + "\n"
    (prefix / "holodeck.json").write_text(note, encoding="utf-8")


def _install_project(prefix, checkout, interpreter, lock):
    """
    Install the repository's own package, or put its files on the path.

    A repository without packaging is legal: a plain folder of modules. What
    builds the package (setuptools, hatchling) is of the lock's version where the
    lock has it.
    """
    if any((checkout / name).exists() for name in ("pyproject.toml", "setup.py")):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
            constraints.write(lock)
            constraints.flush()
            uv.run(
                "pip", "install", "--quiet", "--no-deps", "--python",
                str(prefix / "bin" / "python"),
                "--build-constraints", constraints.name, str(checkout),
            )  # fmt: skip
        return
    shutil.copytree(checkout, prefix / "app", symlinks=True)
    pth = interpreter.site(prefix) / "_holodeck_app.pth"
    pth.write_text("../../../app\n", encoding="utf-8")


def _copy(origin, target, name):
    if not origin.is_dir():
        raise errors.HolodeckError(
            f"Folder {name}: is not in the commit; the definition names it as the "
            "HTTP suite."
        )
    shutil.copytree(origin, target, symlinks=True)
