"""Bundles really built: the same bytes everywhere, layered, and honest."""

import json
import os
import re
import stat
import subprocess
from pathlib import Path

import builder
import pytest
from salt.exceptions import SaltInvocationError

from holodeck_build import source
from holodeck_io.errors import HolodeckError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module")
def patch():
    """Changes of this process that end with the module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{builder.PACK}/.venv/bin:{os.environ['PATH']}")
        yield patch


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The sample service as a git repository."""
    return builder.Repository(tmp_path_factory.mktemp("git") / "guestbook")


@pytest.fixture(scope="module")
def build(patch, tmp_path_factory):
    """``bundle.build`` on a builder with a cache of its own."""
    home = tmp_path_factory.mktemp("builder")
    patch.setattr(source, "CACHE", home / "cache")
    loaded = builder.functions(home)["bundle.build"]

    def built(commit, recipe, name="guestbook"):
        return loaded(name, commit, recipe, stored=builder.Everything())

    return built


@pytest.fixture(scope="module")
def manifest(build, repository):
    """The manifest of the sample's first commit."""
    return build(repository.first, builder.spec(repository))


@pytest.fixture(scope="module")
def root(manifest, tmp_path_factory):
    """The sample's packages, unpacked as dpkg would below /."""
    target = tmp_path_factory.mktemp("root")
    builder.unpacked(manifest, target)
    return target


def _digests(manifest):
    return [(layer["role"], layer["sha256"]) for layer in manifest["layers"]]


def test_build_two_layers_prove_themselves(manifest, repository):
    """A bundle is its dependencies' layer, then the commit's own."""
    deps, app = manifest["layers"]
    assert (deps["role"], app["role"]) == ("deps", "app")
    assert app["root"] == f"/opt/holodeck/guestbook/{repository.first}"
    assert app["package"] == f"holodeck-guestbook-{repository.first[:12]}"
    assert deps["root"] == "/opt/holodeck/deps/" + deps["package"].split("-")[-1]
    for layer in manifest["layers"]:
        assert Path(layer["file"]).stat().st_size == layer["size"]
    assert app["size"] < deps["size"] / 10


def test_build_packages_depend_downwards(manifest):
    """The application needs its dependencies' package, and that one its Python."""
    deps, app = manifest["layers"]
    found = [
        subprocess.run(["dpkg-deb", "--field", layer["file"], "Depends"],
                       check=True, capture_output=True, text=True).stdout.strip()
        for layer in (deps, app)
    ]  # fmt: skip
    assert re.match(r"python3\.\d+, libc6 \(>= 2\.\d+\)", found[0])
    assert found[1] == deps["package"]


@pytest.mark.parametrize("umask", [0o022, 0o077], ids=oct)
def test_build_elsewhere_gives_the_same_bytes(
    manifest, build, repository, monkeypatch, tmp_path, umask
):
    """Another folder, umask, time zone, locale and hash seed: the same packages."""
    monkeypatch.setattr(source, "CACHE", tmp_path / "deep" / "cache")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONHASHSEED", "12345")
    old = os.umask(umask)
    try:
        foreign = build(repository.first, builder.spec(repository))
    finally:
        os.umask(old)
    assert foreign["layers"][0]["file"].startswith(str(tmp_path))
    assert _digests(foreign) == _digests(manifest)
    assert foreign["provenance"] == manifest["provenance"]


def test_build_after_a_new_setuptools_gives_the_same_bytes(
    manifest, build, repository, monkeypatch
):
    """What PyPI published since another day's build does not change the bytes."""
    monkeypatch.setenv("UV_EXCLUDE_NEWER", "2025-04-01T00:00:00Z")
    again = build(repository.first, builder.spec(repository))
    assert _digests(again) == _digests(manifest)


def test_build_one_line_changes_the_application_alone(manifest, build, repository):
    """A change of one line leaves the dependencies' package as it is."""

    def change(home):
        path = home / "guestbook" / "app.py"
        path.write_text(path.read_text() + "# one line\n")

    other = build(repository.changed(change), builder.spec(repository))
    assert _digests(other)[0] == _digests(manifest)[0]
    assert _digests(other)[1] != _digests(manifest)[1]
    assert other["layers"][1]["root"] != manifest["layers"][1]["root"]


def test_build_runs_from_its_final_place(root, manifest):
    """Installed, the application imports, and a dependency's script runs."""
    home = manifest["layers"][1]["root"]
    shown = builder.run_inside(
        root, f"{home}/bin/python", "-c",
        "import flask, guestbook; print(flask.__file__, guestbook.__file__)",
    )  # fmt: skip
    deps = manifest["layers"][0]["root"]
    assert shown.split()[0].startswith(deps)
    assert shown.split()[1].startswith(home)
    assert "gunicorn" in builder.run_inside(root, f"{home}/bin/gunicorn", "--version")


def test_build_leaves_no_trace_of_the_builder(root):
    """No file says where, when or from which folder it was built."""
    traces = [str(source.CACHE).encode(), b"holodeck-source-", b"/.build-"]
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            assert not [t for t in traces if t in content], path


@pytest.mark.parametrize(
    "name",
    ["direct_url.json", "uv_cache.json", "uv_build.json", "activate", ".lock",
     "CACHEDIR.TAG", "lib64"],
)  # fmt: skip
def test_build_leaves_no_note_of_uv(root, name):
    """What uv writes for itself is not part of the bundle."""
    assert list(root.rglob(name)) == []


def test_build_is_normal_in_times_and_modes(root, manifest):
    """Every file has the commit's time, and one of two modes."""
    home = Path(f"{root}{manifest['layers'][1]['root']}")
    times = {path.lstat().st_mtime for path in home.rglob("*")}
    assert times == {1767225600}  # 2026-01-01T00:00:00Z, the commit's
    modes = {stat.S_IMODE(p.lstat().st_mode) for p in home.rglob("*") if p.is_file()
             and not p.is_symlink()}  # fmt: skip
    assert modes == {0o755, 0o644}


def test_build_compiles_for_good(root):
    """Every module is compiled, and Python never compares it with a time."""
    modules = list(root.rglob("site-packages/**/*.py"))
    compiled = list(root.rglob("__pycache__/*.pyc"))
    assert len(compiled) >= len(modules) > 100
    unchecked = (1).to_bytes(4, "little")
    assert {path.read_bytes()[4:8] for path in compiled} == {unchecked}


def test_build_records_list_what_is_there(root):
    """RECORD of every distribution names only files that exist."""
    for record in root.rglob("*.dist-info/RECORD"):
        for line in record.read_text().splitlines():
            assert (record.parents[1] / line.split(",")[0]).exists(), line


def test_build_carries_its_provenance(root, manifest, repository):
    """The bundle says which commit, lock and tools it is made of."""
    note = Path(f"{root}{manifest['layers'][1]['root']}", "holodeck.json")
    found = json.loads(note.read_text())
    assert found == manifest["provenance"]
    assert found["commit"] == repository.first
    assert found["packager"] == "nfpm"


def test_build_without_packaging_imports_from_app(build, repository, tmp_path):
    """A repository that is no package lands in app/, and imports from there."""
    commit = repository.changed(lambda home: (home / "pyproject.toml").unlink())
    manifest = build(commit, builder.spec(repository))
    home = builder.unpacked(manifest, tmp_path)
    assert (home / "app" / "guestbook" / "app.py").is_file()
    shown = builder.run_inside(
        tmp_path, f"{manifest['layers'][1]['root']}/bin/python", "-c",
        "import guestbook.app; print(guestbook.app.__file__)",
    )  # fmt: skip
    assert shown.strip() == f"{manifest['layers'][1]['root']}/app/guestbook/app.py"


def test_build_suite_carries_the_folder_alone(build, repository, tmp_path):
    """A suite's bundle has the tests, and not the service."""
    recipe = builder.spec(repository, project=False, copy={"tests/http": "suite"})
    home = builder.unpacked(
        build(repository.first, recipe, "guestbook-suite"), tmp_path
    )
    assert (home / "suite" / "test_guestbook.py").is_file()
    assert list(home.rglob("guestbook/app.py")) == []


def _unhashed(home):
    (home / "requirements.txt").write_text("flask==3.1.0\n")


def _linked(home):
    (home / "pyproject.toml").unlink()
    (home / "static").symlink_to("guestbook/static")


def _pointing(home):
    (home / "model.bin").write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 1\n"
    )


_REFUSALS = {
    "not whole": (
        _pointing,
        {},
        "File model.bin: is a pointer of Git LFS, whose content is not in the commit; ",
    ),
    "no hashes": (
        _unhashed,
        {},
        "Lock requirements.txt: has no hash for flask==3.1.0, so a build could not be ",
    ),
    "no lock": (
        lambda home: (home / "requirements.txt").unlink(),
        {},
        "Lock requirements.txt: is no file of the commit; commit it, or name another ",
    ),
    "no suite": (
        lambda _: None,
        {"project": False, "copy": {"tests/web": "suite"}},
        "Folder tests/web: is not in the commit, nor made by its build command; the ",
    ),
    "folder link": (
        _linked,
        {},
        "Link app/static: points at a folder, which nfpm turns into an empty one; ",
    ),
}


@pytest.mark.parametrize("case", _REFUSALS)
def test_build_refuses_with_guidance(build, repository, case):
    """What cannot become an honest bundle is refused with what to do about it."""
    change, options, message = _REFUSALS[case]
    with pytest.raises(HolodeckError) as refused:
        build(repository.changed(change), builder.spec(repository, **options))
    assert str(refused.value).startswith(message)


def test_build_lock_with_a_wrong_hash_is_refused(build, repository):
    """A wheel with other bytes than the lock says never gets in."""

    def change(home):
        path = home / "requirements.txt"
        path.write_text(re.sub(r"sha256:\w{8}", "sha256:00000000", path.read_text()))

    with pytest.raises(HolodeckError, match=r"Computed:\n +sha256:"):
        build(repository.changed(change), builder.spec(repository))


def test_build_unknown_commit_names_the_repository(build, repository):
    """A commit that the repository does not have is an error, not an empty bundle."""
    with pytest.raises(HolodeckError, match="is no branch, tag or commit of"):
        build("f" * 40, builder.spec(repository))


def test_build_short_commit_is_refused(build, repository):
    """A builder takes full commit ids only."""
    with pytest.raises(SaltInvocationError, match="40 hex digits"):
        build("4f2c1e9", builder.spec(repository))
