"""
The product's own build, install and transport, measured in this process.

The only file here that imports the product: when its way changes, this follows.
A minion has the product loaded, so the clock runs around its functions and not
around Python's start.

    product.py build REPOSITORY NAME COMMIT STORE
    product.py install MANIFEST
    product.py moved OLD_MANIFEST NEW_MANIFEST
    product.py bare TREE FOLDER
"""

import contextlib
import importlib.util
import json
import platform
import resource
import shutil
import sys
import time
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(CLONE / "_utils"))

from holodeck.spec import artefacts  # noqa: E402 - needs the path
from holodeck_build import packing, recipe, source  # noqa: E402
from holodeck_bundle import downloads, install, proof, receipts  # noqa: E402
from holodeck_io import files  # noqa: E402

_KIND = "deb"


def build(repository, name, commit, store):
    """
    Build as ``bundle.build`` does; keep what a master would in ``store``.

    The first commit built here is what hosts have: later ones are made as
    differences from it too.
    """
    spec = {"repository": repository, "lock": "requirements.txt", "project": True}
    packer = packing.Packer(_KIND, "nfpm", _fpm().package)
    base = source.CACHE / f"{name}.base.json"
    bases = _read(base)["layers"] if base.is_file() else ()
    with _clock() as report:
        built = recipe.build(name, commit, spec, packer, bases)
    if not bases:
        base.write_text(json.dumps(built), encoding="utf-8")
    for artefact in artefacts(built):
        artefact["file"] = shutil.copy(artefact["file"], store)
    Path(store, "manifest.json").write_text(json.dumps(built), encoding="utf-8")
    return {**report, "bytes": sum(layer["size"] for layer in built["layers"])}


def installed(manifest):
    """
    Install a bundle as ``bundle.install`` does, its packages being here.

    What came whole is in the package database at the end. What came as a
    difference is entered after a release's switch, by ``bundle.prune``.
    """
    bundle = _read(manifest)

    def fetch(artefact):
        path = downloads.path_for(artefact)
        return downloads.checked(artefact, path, arrived=True)

    layers = bundle["layers"]
    with install.exclusive():
        for artefact in artefacts(bundle):
            shutil.copy(artefact["file"], downloads.path_for(artefact))
        files.sync_filesystem("/")
        with _clock() as report:
            proven = install.place(proof.absent(layers), _KIND, fetch)
        with _clock() as proving:
            if install.prove(layers, _KIND, fetch, proven):
                raise SystemExit("a layer had to be mended: the figures say nothing")
            receipts.keep(bundle["name"], bundle["commit"], layers)
    return {**report, "proof": proving["cost"]}


def moved(old, new):
    """Return the bytes that a host with ``old`` is sent to have ``new``."""
    have = {layer["tree"] for layer in _read(old)["layers"]}
    roots = {layer["root"] for layer in _read(old)["layers"]}
    total = 0
    for layer in _read(new)["layers"]:
        if layer["tree"] not in have:
            fitting = [d for d in layer["deltas"] if d["base_root"] in roots]
            total += (fitting or [layer])[0]["size"]
    return {"bytes": total}


def bare(tree, home):
    """Pack a tree as the product would, and return the package's size."""
    packer = packing.Packer(_KIND, "nfpm", _fpm().package)
    whole = packing.Tree("bare", "holodeck-bare", "/opt", Path(tree))
    return {"bytes": packer.layer(whole, home, (), (), 0).size}


def _read(manifest):
    return json.loads(Path(manifest).read_text(encoding="utf-8"))


def _fpm():
    """Load the execution module as Salt's loader would."""
    path = CLONE / "_modules" / "fpm.py"
    spec = importlib.util.spec_from_file_location("holodeck_fpm", path)
    module = importlib.util.module_from_spec(spec)
    module.__grains__ = {"cpuarch": platform.machine()}
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _clock():
    report = {}
    begin, used = time.perf_counter(), _cpu()
    yield report
    report["cost"] = {
        "wall_s": time.perf_counter() - begin,
        "cpu_s": _cpu() - used,
        "rss_mb": max(usage.ru_maxrss for usage in _usages()) / 1024,
    }


def _cpu():
    return sum(usage.ru_utime + usage.ru_stime for usage in _usages())


def _usages():
    return [
        resource.getrusage(who)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]


if __name__ == "__main__":
    verb = {"build": build, "install": installed, "moved": moved, "bare": bare}
    sys.stdout.write(json.dumps(verb[sys.argv[1]](*sys.argv[2:])) + "\n")
