"""Bundles built from their predecessors: the bytes of a build from scratch."""

import contextlib
import json
import multiprocessing
import os
import shutil
import tarfile
from pathlib import Path

import builder
import bundle_builder
import package_index
import pytest
from bundle_builder import Place, digests, prefix, wheel

from holodeck_bundle import cache, delta, tree
from holodeck_io import files, process

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

_LINES = "".join(f"LINE_{n} = {n}\n" for n in range(200))
_ALPHA, _ALPHA_2 = (
    wheel("alpha", v, {"alpha/__init__.py": f"V = {v!r}\n", f"alpha/of{v[0]}.py": _LINES},
          scripts="alpha = alpha:main")
    for v in ("1.0", "2.0")
)  # fmt: skip
_BETA = wheel("beta", "1.0", {"beta/__init__.py": _LINES, "beta/notes.txt": "notes\n"})
_REBUILT = wheel("beta", "1.0", {"beta/__init__.py": f"{_LINES}A = 1\n"}, build="1")
_ONE, _TWO = (
    wheel(name, "1.0", {f"{name}.py": _LINES, "shared/page.py": f"OF = {name!r}\n"})
    for name in ("one", "two")
)
_WHEELS = [_ALPHA, _ALPHA_2, _BETA, _REBUILT, _ONE, _TWO]


@pytest.fixture(scope="module")
def index():
    """The index that every builder here asks."""
    with (
        package_index.serving(*_WHEELS, users=()) as running,
        bundle_builder.environment(running.url),
    ):
        yield running


@pytest.fixture
def locked(index):
    """Return the recipe of a bundle that is a lock of these wheels."""

    def recipe(*wheels):
        lines = [index.requirement(filename) for filename, _ in wheels]
        return {"requirements": "".join(lines)}

    return recipe


@pytest.fixture
def here(tmp_path, index):
    """The builder that builds one after the other."""
    return Place(tmp_path / "here")


@pytest.fixture
def elsewhere(tmp_path, index):
    """A builder that has built nothing yet."""
    return Place(tmp_path / "elsewhere")


_CHANGES = {
    "an upgraded package": ([_ALPHA, _BETA], [_ALPHA_2, _BETA]),
    "a downgraded package": ([_ALPHA_2, _BETA], [_ALPHA, _BETA]),
    "a new package": ([_ALPHA], [_ALPHA, _BETA]),
    "a removed package": ([_ALPHA, _BETA], [_BETA]),
    "another file of the same version": ([_ALPHA, _BETA], [_ALPHA, _REBUILT]),
    "a twin that goes": ([_ALPHA, _ONE, _TWO], [_ALPHA, _ONE]),
    "a twin that replaces the other": ([_ONE, _BETA], [_TWO, _BETA]),
}


@pytest.mark.parametrize("change", _CHANGES)
def test_build_after_another_is_a_build_from_scratch(here, elsewhere, locked, change):
    """
    A lock that follows another gives the bytes of a builder that never saw that one.

    What the predecessor had does not change, though files of both are the same ones.
    """
    old, new = (locked(*wheels) for wheels in _CHANGES[change])
    before = here.build(old)
    after = here.build(new, bases=before["layers"], commit="b" * 40)
    assert digests(after) == digests(elsewhere.build(new, commit="b" * 40))
    for layer in before["layers"]:
        assert files.tree_digest(prefix(layer)) == layer["tree"]
        assert files.sha256_file(layer["file"]) == layer["sha256"]
