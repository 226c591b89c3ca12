"""What stands in both layers: native code, inventories, whatever wraps them."""

import json
import os
import shutil
import subprocess

import builder
import bundle_builder
import package_index
import pytest
from bundle_builder import ALPHA, BETA, Place, depends, locked, prefix

from holodeck_bundle import inventory
from holodeck_io import files

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

_INVENTORIES = {inventory.SBOM, inventory.PROVENANCE}
_LINKED = "const char *zlibVersion(void); const char *f(void) { return zlibVersion(); }"
# Builds an extension module in C as real backends do: by the builder's compiler.
_BACKEND = """
import pathlib, platform, subprocess, sys, sysconfig, zipfile
SOURCE = r'''
#include <Python.h>
static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, "native", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_native(void) { return PyModule_Create(&def); }
'''
def build_wheel(folder, config_settings=None, metadata_directory=None):
    pathlib.Path("native.c").write_text(SOURCE)
    module = "native" + sysconfig.get_config_var("EXT_SUFFIX")
    include = "-I" + sysconfig.get_paths()["include"]
    subprocess.run(["cc", "-shared", "-fPIC", include, "-o", module, "native.c"],
                   check=True)
    python = "cp%d%d" % sys.version_info[:2]
    name = f"native-1.0-{python}-{python}-linux_{platform.machine()}.whl"
    info = "native-1.0.dist-info"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as archive:
        archive.write(module)
        archive.writestr(f"{info}/METADATA",
                         "Metadata-Version: 2.1\\nName: native\\nVersion: 1.0\\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nTag: "
                         f"{python}-{python}-linux_{platform.machine()}\\n")
        archive.writestr(f"{info}/RECORD", f"{module},,\\n{info}/RECORD,,\\n")
    return name
"""
_SDIST = package_index.sdist("native", "1.0", _BACKEND)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A shared library that is linked to zlib."""
    home = tmp_path_factory.mktemp("linked")
    (home / "linked.c").write_text(_LINKED)
    subprocess.run(
        ["cc", "-shared", "-o", "linked.so", "linked.c", "-l:libz.so.1"],
        cwd=home, check=True,
    )  # fmt: skip
    return (home / "linked.so").read_bytes()


@pytest.fixture(scope="module")
def linked(library):
    """A wheel with that library."""
    parts = {"linked/__init__.py": "", "linked/linked.so": library}
    return bundle_builder.wheel("linked", "1.0", parts)


@pytest.fixture(scope="module")
def index(linked):
    """The index that every builder here asks."""
    with bundle_builder.serving(ALPHA, BETA, linked, _SDIST) as running:
        yield running


@pytest.fixture
def project(tmp_path, index):
    """A repository that is a plain folder of modules."""
    return bundle_builder.plain_project(tmp_path / "git" / "sample", index)


def _names(entries):
    return {entry.split()[0] for entry in entries}


def test_packages_of_a_wheel_stand_in_the_dependencies(here, index, linked):
    """What a native wheel links to and what the definition names: each in its layer."""
    recipe = {
        **locked(index, ALPHA, linked),
        "packages": {"run": ["tzdata", "adduser"]},
    }
    deps, app = here.build(recipe)["layers"]
    assert "zlib1g" in _names(depends(deps))
    assert depends(app) == [deps["package"], "tzdata", "adduser"]
    assert "zlib1g" in _names(deps["needs"])
    assert list(app["needs"]) == ["tzdata", "adduser"]


def test_packages_of_native_code_stand_in_the_application(here, project, library):
    """What the service's own compiled files link to, its own package depends on."""
    commit = project.changed(lambda home: (home / "service.so").write_bytes(library))
    deps, app = here.build(builder.spec(project), commit)["layers"]
    assert "zlib1g" in _names(depends(app)) - _names(depends(deps))


def test_sdist_is_compiled_on_the_builder(here, index, tmp_path):
    """A package without a wheel is built by the compiler here, and runs."""
    recipe = {
        "requirements": index.requirement(_SDIST[0]),
        "packages": {"build": ["gcc", "libpython3-dev | python3-dev"]},
    }
    manifest = here.build(recipe)
    builder.unpacked(manifest, tmp_path / "root")
    python = f"{manifest['layers'][1]['root']}/bin/python"
    code = "import native; print(native.__file__)"
    shown = builder.run_inside(tmp_path / "root", python, "-c", code)
    assert shown.startswith(manifest["layers"][0]["root"])
    assert shown.strip().endswith(".so")


def _components(bill):
    return {
        f"{part['name']} {part.get('version', '')}".strip()
        for part in bill["components"]
    }


def test_inventories_name_every_part(here, tmp_path, index, linked):
    """
    Both layers have a bill of what is in them; two builders write the same bytes.

    The application's is of the whole bundle, and beside it stands where it came from.
    """
    recipe = locked(index, ALPHA, linked)
    manifest = here.build(recipe)
    python = f"Python {manifest['provenance']['python'].split()[1]}"
    parts = {"alpha 1.0", "linked 1.0", python}
    deps, app = manifest["layers"]
    bill = json.loads((prefix(deps) / inventory.SBOM).read_text())
    assert _components(bill) == parts | {"zlib1g"}
    found = inventory.read(prefix(app))
    assert _components(found["sbom"]) == parts | {"zlib1g"}
    assert found["provenance"] == manifest["provenance"]
    hashes = [
        one["content"]
        for part in bill["components"]
        for reference in part.get("externalReferences", ())
        for one in reference["hashes"]
    ]
    assert {f"sha256:{value}" for value in hashes} == {
        package_index.sha256(content) for _, content in (ALPHA, linked)
    }
    other = Place(tmp_path / "other").build(recipe)
    for mine, theirs in zip(manifest["layers"], other["layers"], strict=True):
        for name in _INVENTORIES:
            if (prefix(mine) / name).exists():
                there = (prefix(theirs) / name).read_bytes()
                assert (prefix(mine) / name).read_bytes() == there


def _without_inventories(layer):
    return [e for e in files.tree_entries(prefix(layer)) if e[0] not in _INVENTORIES]


def _member(layer):
    return subprocess.run(
        ["ar", "p", layer["file"], "data.tar.zst"], check=True, capture_output=True
    ).stdout


@pytest.mark.skipif(not shutil.which("fpm"), reason="needs Ruby's fpm on PATH")
def test_fpm_wraps_the_same_files_as_nfpm(here, index, linked, project):
    """
    The dependencies are the same archive by either packager, with the same Depends.

    The application's differ in the two files that say which packager it was.
    """
    recipe = builder.spec(project, packages={"run": ["tzdata"]})
    commit = project.with_files(
        {"requirements.txt": locked(index, ALPHA, linked)["requirements"]}
    )
    by_nfpm, by_fpm = (
        here.build({**recipe, "packager": packager}, commit)["layers"]
        for packager in ("nfpm", "fpm")
    )
    assert _member(by_nfpm[0]) == _member(by_fpm[0])
    assert by_nfpm[0]["tree"] == by_fpm[0]["tree"]
    for one, other in zip(by_nfpm, by_fpm, strict=True):
        assert depends(one) == depends(other)
        assert _without_inventories(one) == _without_inventories(other)


def _rpm(layer, *words):
    return subprocess.run(
        ["rpm", "-qp", *words, layer["file"]],
        check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip


@pytest.mark.skipif(not shutil.which("rpm"), reason="needs rpm to read the package")
def test_rpm_has_the_tree_of_the_deb(here, project):
    """The other format has the same dependencies, and the same application in it."""
    deb, rpm = (
        here.build(builder.spec(project, kind=kind), project.first)["layers"]
        for kind in ("deb", "rpm")
    )
    assert rpm[0]["tree"] == deb[0]["tree"]
    assert _without_inventories(rpm[1]) == _without_inventories(deb[1])
    for layer in rpm:
        packed = {path.removeprefix(layer["root"]) for path in _rpm(layer, "-l")}
        assert {f"/{name}" for name in files.names_below(prefix(layer))} <= packed
    assert rpm[0]["package"] in _names(_rpm(rpm[1], "--requires"))
    needed = _rpm(rpm[0], "--requires")
    assert any(entry.startswith("/usr/bin/python3.") for entry in needed)
