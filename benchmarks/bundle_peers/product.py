"""
The product's own build, install and transport, measured in this process.

The only file here that imports the product: when its way changes, this follows.
A minion has the product loaded, so the clock runs around its functions and not
around Python's start.

    product.py build REPOSITORY NAME COMMIT STORE
    product.py install MANIFEST
    product.py moved OLD_MANIFEST NEW_MANIFEST
    product.py bare TREE DEB
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

from holodeck_bundle import install, layers, recipe  # noqa: E402 - needs the path
from holodeck_io import files  # noqa: E402

_KIND = "deb"


def build(repository, name, commit, store):
    """Build as ``bundle.build`` does; keep what a master would in ``store``."""
    spec = {"repository": repository, "lock": "requirements.txt", "project": True}
    packer = layers.Packer(_KIND, "nfpm", _fpm().package)
    with _clock() as report:
        built = recipe.build(name, commit, spec, packer)
    for layer in built["layers"]:
        layer["file"] = shutil.copy(layer["file"], store)
    Path(store, "manifest.json").write_text(json.dumps(built), encoding="utf-8")
    return {**report, "bytes": sum(layer["size"] for layer in built["layers"])}


def installed(manifest):
    """Install a bundle as ``bundle.install`` does, its packages being here."""
    bundle = _read(manifest)
    fetched = {
        layer["package"]: install.download_path(layer)
        for layer in install.missing(bundle["layers"], _KIND)
    }
    for layer in bundle["layers"]:
        if layer["package"] in fetched:
            shutil.copy(layer["file"], fetched[layer["package"]])
    files.sync_filesystem("/")
    with _clock() as report:
        absent = install.missing(bundle["layers"], _KIND)
        checked = [
            install.checked_download(layer, fetched[layer["package"]], arrived=True)
            for layer in absent
        ]
        install.unpack(_KIND, checked)
        install.proven(bundle["name"], bundle["commit"], bundle["layers"], _KIND)
    return report


def moved(old, new):
    """Return the bytes that a host with ``old`` is sent to have ``new``."""
    have = {layer["sha256"] for layer in _read(old)["layers"]}
    wanted = _read(new)["layers"]
    return {"bytes": sum(x["size"] for x in wanted if x["sha256"] not in have)}


def bare(tree, package):
    """Wrap a tree as the product would, and return the package's size."""
    _fpm().package("holodeck-bare", "1.0", tree, package, kind=_KIND)
    return {"bytes": Path(package).stat().st_size}


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
