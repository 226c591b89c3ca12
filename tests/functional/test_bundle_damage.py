"""What is damaged on a builder never gets into a bundle."""

import os
import shutil
from pathlib import Path

import builder
import bundle_builder
import pytest
from bundle_builder import ALPHA, BETA, LINES, REBUILT, digests, locked, prefix

from holodeck_build import libraries

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module")
def index():
    """The index that every builder here asks."""
    with bundle_builder.serving(ALPHA, BETA, REBUILT) as running:
        yield running


def _remove(pattern):
    def damage(home):
        found = [path for path in home.rglob(pattern) if not path.is_dir()]
        assert found
        for path in found:
            path.unlink()

    return damage


def _change(pattern):
    def damage(home):
        [path] = home.rglob(pattern)
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    return damage


_DAMAGE = {
    "sources are gone": _remove("of1.py"),
    "data is gone": _remove("notes.txt"),
    "a script is gone": _remove("bin/alpha"),
    "its python is gone": _remove("bin/python*"),
    "RECORD is gone": _remove("RECORD"),
    "compiled files are gone": _remove("*.pyc"),
    "a byte of a source is another": _change("of1.py"),
    "a byte of a compiled file is another": _change("of1.*.pyc"),
    "the tree is gone": lambda home: shutil.rmtree(home / "root"),
    "its note is broken": lambda home: (home / "layer.json").write_text('{"tree": '),
    "its facts are broken": lambda home: (home / "facts.json").write_text('{"lock": '),
    "all is gone": shutil.rmtree,
}


@pytest.mark.parametrize("damage", _DAMAGE)
def test_build_after_a_damaged_predecessor_is_from_scratch(
    index, here, elsewhere, damage
):
    """What is wrong with a predecessor's tree never gets into the next one."""
    old, new = locked(index, ALPHA, BETA), locked(index, ALPHA, REBUILT)
    before = here.build(old)
    _DAMAGE[damage](Path(before["layers"][0]["file"]).parent)
    after = here.build(new, bases=before["layers"])
    assert digests(after) == digests(elsewhere.build(new))


@pytest.mark.parametrize(
    "damage", ["a byte of a source is another", "a script is gone", "the tree is gone"]
)
def test_build_on_damaged_dependencies_heals(index, here, damage):
    """Kept dependencies that were damaged get into no bundle that leans on them."""
    recipe = locked(index, ALPHA, BETA)
    before = here.build(recipe)
    _DAMAGE[damage](Path(before["layers"][0]["file"]).parent)
    assert digests(here.build(recipe)) == digests(before)


@pytest.mark.parametrize("rest", ["layer.json", "facts.json", "*.deb"])
def test_build_after_a_build_that_died_starts_anew(index, here, rest):
    """Dependencies that were never packed to the end count as none, whole or not."""
    recipe = locked(index, ALPHA, BETA)
    before = here.build(recipe)
    home = Path(before["layers"][0]["file"]).parent
    [path] = home.glob(rest)
    path.write_bytes(path.read_bytes()[:10])
    _change("of1.py")(home)
    assert digests(here.build(recipe)) == digests(before)


def test_build_after_a_damaged_application_compiles_anew(
    index, here, elsewhere, tmp_path
):
    """A compiled file is never taken from an application that was damaged."""
    project = bundle_builder.plain_project(tmp_path / "git" / "sample", index)
    recipe = builder.spec(project)
    before = here.build(recipe, project.first)
    _change("service/**/db.*.pyc")(prefix(before["layers"][1]))
    commit = project.with_files({"service/web.py": f"{LINES}ONE_MORE = 1\n"})
    after = here.build(recipe, commit, before["layers"])
    assert digests(after) == digests(elsewhere.build(recipe, commit))


def test_libraries_of_a_tree_that_is_being_cleaned(tmp_path, monkeypatch):
    """What goes while libraries are looked for, file or folder, is no error."""
    bundle_builder.write(tmp_path, {"pyvenv.cfg": "", "bin/activate": "", "d/x": ""})
    walk = libraries._walk

    def cleaned(top):
        for found in walk(top):
            shutil.rmtree(tmp_path / "d", ignore_errors=True)
            Path(found[1].path).unlink()
            yield found

    monkeypatch.setattr(libraries, "_walk", cleaned)
    assert libraries.depends(tmp_path, "deb") == ([], [])
    assert not (tmp_path / "bin" / "activate").exists()
