"""
The program that asks a project's build backend for its wheel (PEP 517).

It runs in the sandbox, by the Python of the backend's environment, as a copy in the
build's own folder: nothing of this pack is there.
"""

import importlib
import json
import os
import sys

REQUIRES, WHEEL = "requires", "wheel"


def main(hook, backend, folder, target, *paths):
    """
    Call a hook of the backend for the project in ``folder``.

    ``requires`` writes what the backend wants besides, as JSON, to the file
    ``target``; ``wheel`` leaves the wheel in the folder ``target``.
    """
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
