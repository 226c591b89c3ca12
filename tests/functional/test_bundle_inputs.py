"""What a bundle is made from: locks, private indexes, build commands, packages."""

import json
import os
import subprocess

import builder
import bundle_builder
import package_index
import pytest
from bundle_builder import (
    ALPHA,
    ALPHA_2,
    BETA,
    Place,
    Project,
    locked,
    prefix,
)
from package_index import PASSWORD, USER

from holodeck_io import files
from holodeck_io.errors import HolodeckError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module")
def index():
    """The index that every builder here asks, but for those with a private one."""
    with bundle_builder.serving(ALPHA, ALPHA_2, BETA) as running:
        yield running


_PROJECT = """\
[project]
name = "svc"
version = "1"
requires-python = ">=3.10"
dependencies = ["alpha<2", "beta"]
[[tool.uv.index]]
url = "{url}"
default = true
"""


@pytest.fixture
def several_locks(tmp_path, index):
    """A repository that has the same lock in three forms."""
    home = tmp_path / "git" / "sample"
    project = Project(home, {"pyproject.toml": _PROJECT.format(url=index.url)}, ())

    def lock(home):
        for words in (
            ["lock"],
            ["export", "--format=pylock.toml", "-o", "pylock.toml"],
            ["export", "--no-emit-project", "-o", "requirements.txt"],
        ):
            subprocess.run(["uv", "-q", *words], cwd=home, check=True)

    bundle_builder.write(home, {"pyproject.toml": _PROJECT.format(url=index.url)})
    project.first = project.changed(lock)
    return project


def test_build_of_each_lock_has_the_same_dependencies(several_locks, here, tmp_path):
    """
    uv.lock and pylock.toml are one and the same layer.

    requirements.txt names no URLs, so its key is another; what it installs is not.
    """
    made = {
        name: here.build(
            builder.spec(several_locks, lock=name, project=False), several_locks.first
        )
        for name in ("requirements.txt", "pylock.toml", "uv.lock")
    }
    deps = {name: manifest["layers"][0] for name, manifest in made.items()}
    first, other = deps["uv.lock"], deps["requirements.txt"]
    assert first["root"] == deps["pylock.toml"]["root"] != other["root"]
    entries = [
        [e for e in files.tree_entries(prefix(d)) if e[0] != "sbom.cdx.json"]
        for d in (first, other)
    ]
    assert entries[0] == entries[1]
    builder.unpacked(made["uv.lock"], tmp_path / "root")
    python = f"{made['uv.lock']['layers'][1]['root']}/bin/python"
    code = "import alpha, beta; print(alpha.V)"
    assert builder.run_inside(tmp_path / "root", python, "-c", code) == "1.0\n"


def test_build_by_a_private_index_keeps_no_password(tmp_path):
    """The pillar's index is asked, and its password is in no file and no answer."""
    with (
        bundle_builder.environment(),
        package_index.serving(ALPHA, BETA) as private,
    ):
        entry = {"url": private.url, "username": USER, "password": PASSWORD}
        place = Place(tmp_path / "builder", [{**entry, "default": True}])
        manifest = place.build(locked(private, ALPHA, BETA))
    builder.unpacked(manifest, tmp_path / "root")
    (tmp_path / "builder" / "pillar" / "sample.sls").unlink()
    texts = [json.dumps(manifest).encode()]
    texts += [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()]
    secrets = (PASSWORD, package_index.basic(USER, PASSWORD))
    assert len(texts) > 50
    assert not [text for text in texts for one in secrets if one.encode() in text]


_MAKE = """\
import alpha, os, pathlib, socket, sys, urllib.request
pathlib.Path("web/css").mkdir(parents=True)
pathlib.Path("web/css/site.css").write_text("made with alpha " + alpha.V)
pathlib.Path("svc/made.txt").write_text(os.environ["HOLODECK_COMMIT"])
try:
    answer = urllib.request.urlopen(sys.argv[1], timeout=5).status
except OSError as error:
    answer = type(error).__name__
pathlib.Path("web/answer.txt").write_text(str(answer))
"""
_BACKEND = """\
import pathlib, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    info, name = "svc-1.dist-info", "svc-1-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as archive:
        for path in sorted(pathlib.Path("svc").iterdir()):
            archive.write(path)
        archive.writestr(f"{info}/METADATA",
                         "Metadata-Version: 2.1\\nName: svc\\nVersion: 1\\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        archive.writestr(f"{info}/RECORD", "")
    return name
"""
_OWN_BACKEND = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


@pytest.fixture
def packaged(tmp_path, index):
    """A repository with a package, built by a backend of its own, and a command."""
    made = {
        "requirements.txt": locked(index, ALPHA)["requirements"],
        "pyproject.toml": _OWN_BACKEND,
        "backend.py": _BACKEND,
        "make.py": _MAKE,
        "fail.sh": "seq 1 100; echo the end >&2; exit 3",
        "svc/__init__.py": "",
    }
    return Project(tmp_path / "git" / "sample", made)


@pytest.mark.parametrize("network", [False, True])
def test_build_command_makes_files_of_the_bundle(here, packaged, index, network):
    """
    What the command makes is in share/ and in the wheel.

    It runs with the bundle's dependencies, and by default without any network.
    """
    wanted = {"command": f"python make.py {index.url}/alpha/", "artefacts": ["web"]}
    if network:
        wanted["network"] = True
    recipe = builder.spec(packaged, build=wanted)
    _, app = here.build(recipe, packaged.first)["layers"]
    made = prefix(app)
    assert (made / "share/web/css/site.css").read_text() == "made with alpha 1.0"
    [note] = made.rglob("site-packages/svc/made.txt")
    assert note.read_text() == packaged.first
    answer = (made / "share/web/answer.txt").read_text()
    assert answer == ("200" if network else "URLError")
    assert not list(made.rglob("make.py"))


def test_build_command_that_fails_shows_its_last_lines(here, packaged):
    """The error names the command, its status and the end of what it said."""
    recipe = builder.spec(packaged, build={"command": "sh fail.sh"})
    with pytest.raises(HolodeckError) as failed:
        here.build(recipe, packaged.first)
    said = str(failed.value)
    assert said.startswith("sh fail.sh: ended with status 3 in the sandbox: ")
    assert said.endswith("\n99\n100\nthe end")
    assert "\n50\n" not in said
    assert not list(here.cache.rglob(".build-*"))


def test_build_command_without_its_artefacts_is_refused(here, packaged):
    """A folder that the command did not make is no empty folder of the bundle."""
    recipe = builder.spec(packaged, build={"command": "true", "artefacts": ["web"]})
    with pytest.raises(HolodeckError, match=r"Folder web: is not in the commit, nor m"):
        here.build(recipe, packaged.first)


def test_build_without_its_system_packages_fetches_nothing(here):
    """Packages that a build needs are named before the repository is even asked."""
    recipe = {
        "repository": "file:///nowhere",
        "packages": {"build": ["coreutils", "no-such-compiler (>= 2)"]},
    }
    with pytest.raises(HolodeckError) as refused:
        here.build(recipe)
    assert str(refused.value).startswith(
        "System packages no-such-compiler (>= 2): are not on this builder"
    )
    assert not here.cache.exists()
