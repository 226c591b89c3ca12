"""
The program that asks a project's build backend for its wheel (PEP 517).

It runs in the sandbox, by the Python of the backend's environment, as a copy in the
build's own folder: nothing of this pack is there.
"""

import importlib
import json
import os
import shutil
import sys

REQUIRES, WHEEL = "requires", "wheel"
SCRATCH = "/tmp/checkout"  # noqa: S108  # the sandbox's own


def main(hook, backend, checkout, folder, target, *paths):
    """
    Call a hook of the backend for the project in ``folder`` of a checkout.

    ``requires`` writes what the backend wants besides, as JSON, to the file
    ``target``; ``wheel`` leaves the wheel in the folder ``target``. A checkout that
    is shown read-only is copied into the sandbox's memory, always to one place.
    """
    if not os.access(checkout, os.W_OK):
        checkout = shutil.copytree(checkout, SCRATCH, symlinks=True)
    folder = os.path.join(checkout, folder)  # noqa: PTH118
    os.chdir(folder)
    # Not the folder of this file: the project's alone where it asks for that.
    sys.path[:1] = [os.path.join(folder, path) for path in paths]  # noqa: PTH118
    module, _, attributes = backend.partition(":")
    hooks = importlib.import_module(module)
    for name in filter(None, attributes.split(".")):
        hooks = getattr(hooks, name)
    if hook == WHEEL:
        hooks.build_wheel(target)
        return
    ask = getattr(hooks, "get_requires_for_build_wheel", list)
    with open(target, "w", encoding="utf-8") as file:
        json.dump(ask(), file)


if __name__ == "__main__":
    main(*sys.argv[1:])
