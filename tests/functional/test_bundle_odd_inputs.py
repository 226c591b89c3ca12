"""Repositories, locks and builders as nobody planned them."""

import os
import shutil
import time
from pathlib import Path

import builder
import bundle_builder
import package_index
import pytest
from bundle_builder import ALPHA, BETA, Place, Project, digests, locked, prefix

from holodeck_build import cache, source, uv, wheels
from holodeck_bundle import system
from holodeck_io import files
from holodeck_io.errors import HolodeckError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
_LOCK = f"alpha==1.0 --hash={package_index.sha256(ALPHA[1])}\n"
_BACKEND = """
import os, zipfile
def build_wheel(target, config_settings=None, metadata_directory=None):
    name = "gamma-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(target, name), "w") as archive:
        def add(path, text):
            archive.writestr(zipfile.ZipInfo(path), text)
        add("gamma.py", {body})
        info = "gamma-1.0.dist-info"
        add(f"{{info}}/METADATA",
            "Metadata-Version: 2.1\\nName: gamma\\nVersion: 1.0\\n")
        add(f"{{info}}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n"
            "Tag: py3-none-any\\n")
        add(f"{{info}}/RECORD", "")
    return name
"""
STEADY = package_index.sdist("gamma", "1.0", _BACKEND.format(body="'X = 1\\n'"))
SHAKY = package_index.sdist(
    "gamma", "1.0", _BACKEND.format(body="f'X = {__import__(\"time\").time_ns()}\\n'")
)


@pytest.fixture
def index():
    """An index with two wheels, which every builder here asks."""
    with bundle_builder.serving(ALPHA, BETA) as running:
        yield running


def _roots(manifest):
    return [layer["root"] for layer in manifest["layers"]]


@pytest.mark.parametrize(("made", "same"), [(STEADY, True), (SHAKY, False)])
def test_sdist_built_to_other_bytes_has_another_place(tmp_path, made, same):
    """Dependencies that come out otherwise never take the place of the first ones."""
    with bundle_builder.serving(made) as index:
        recipe = locked(index, made)
        one, other = (Place(tmp_path / n).build(recipe) for n in ("one", "other"))
        deps = [manifest["layers"][0] for manifest in (one, other)]
        assert (deps[0]["tree"] == deps[1]["tree"]) is same
        assert (deps[0]["root"] == deps[1]["root"]) is same
        for manifest in (one, other):
            root = manifest["layers"][0]["root"]
            pth = next(prefix(manifest["layers"][1]).rglob("_holodeck_deps.pth"))
            assert root in pth.read_text()


def test_sdist_is_built_anew_for_other_system_packages(tmp_path, monkeypatch):
    """What a package found on the builder counts: another tool, another layer."""
    there = {"gcc": "1"}
    monkeypatch.setattr(system, "missing", lambda *_: [])
    monkeypatch.setattr(
        system, "versions", lambda names, _: tuple(f"{n} {there[n]}" for n in names)
    )
    with bundle_builder.serving(SHAKY) as index:
        plain = locked(index, SHAKY)
        tooled = {**plain, "packages": {"build": ["gcc"]}}
        place = Place(tmp_path / "here")
        first = place.build(tooled)
        assert digests(place.build(tooled)) == digests(first)
        there["gcc"] = "2"
        second = place.build(tooled)
        assert _roots(second)[0] != _roots(first)[0]
        assert _roots(place.build(plain))[0] not in {*_roots(first), *_roots(second)}


_EXTENSION = {
    "requirements.txt": (builder.SAMPLE / "requirements.txt").read_text(),
    "pyproject.toml": '[project]\nname = "svc"\nversion = "1"\n'
    '[build-system]\nrequires = ["setuptools"]\n'
    'build-backend = "setuptools.build_meta"\n',
    "setup.py": "from setuptools import Extension, setup\n"
    'setup(ext_modules=[Extension("svc_fast", ["fast.c"])])\n',
    "fast.c": "#include <assert.h>\nint PyInit_svc_fast(void) { return 0; }\n",
}


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc (Debian: gcc)")
def test_extension_compiled_twice_is_the_same(tmp_path):
    """Machine code does not tell in which folder it was compiled."""
    project = Project(tmp_path / "git", _EXTENSION, remove=())
    with bundle_builder.environment():
        recipe = builder.spec(project)
        made = [Place(tmp_path / n).build(recipe, project.first) for n in "ab"]
    assert digests(made[0]) == digests(made[1])
    [library] = prefix(made[0]["layers"][1]).rglob("svc_fast*.so")
    assert str(tmp_path).encode() not in library.read_bytes()


_OWN_BACKEND = (
    '[project]\nname = "svc"\nversion = "1"\n[build-system]\nrequires = []\n'
    'build-backend = "own"\nbackend-path = ["."]\n'
)
_PEEK = """
import json, os, pathlib
def build_wheel(target, config_settings=None, metadata_directory=None):
    told = {"uid": os.getuid(), "env": dict(os.environ),
            "root": os.path.exists("/root"), "var": os.path.exists("/var/lib/dpkg")}
    raise SystemExit("PEEKED " + json.dumps(told))
"""


def test_project_is_built_in_the_sandbox(tmp_path, index):
    """A build script is a user without rights, sees no secret, and its words show."""
    made = {"requirements.txt": _LOCK, "pyproject.toml": _OWN_BACKEND, "own.py": _PEEK}
    project = Project(tmp_path / "git", made, remove=())
    secret = {"url": index.url, "username": "ci-user", "password": "hunter2-s3cret"}
    place = Place(tmp_path / "here", [secret])
    with pytest.raises(HolodeckError, match="PEEKED") as refused:
        place.build(builder.spec(project), project.first)
    said = str(refused.value).split("PEEKED", 1)[1]
    assert '"uid": 60999' in said
    assert '"root": false, "var": false' in said
    assert "NETRC" not in said
    assert "hunter2" not in said


def test_backend_that_leaves_no_wheel_is_named(tmp_path, here):
    """A backend that does nothing is an error that says which, and what is missing."""
    lazy = (
        "def build_wheel(target, settings=None, metadata=None):\n    return 'x.whl'\n"
    )
    made = {"requirements.txt": _LOCK, "pyproject.toml": _OWN_BACKEND, "own.py": lazy}
    project = Project(tmp_path / "git", made, remove=())
    with pytest.raises(HolodeckError, match="its backend own left no wheel"):
        here.build(builder.spec(project), project.first)


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ('requires = "setuptools"', "`requires` of .build-system.: 'setuptools'"),
        ('requires = ["--index-url=http://127.0.0.1:9/x", "setuptools"]', "--index"),
        ("requires = [1]", r"\[1\]; it should be a list"),
        ("requires = []\nbuild-backend = 7", "the backend 7 in"),
        ('requires = []\nbuild-backend = "a"\nbackend-path = "."', r"the backend 'a'"),
    ],
)  # fmt: skip
def test_build_system_that_is_none_is_refused(tmp_path, here, line, match):
    """What a pyproject.toml says wrongly is named, and nothing is asked of an index."""
    text = f'[project]\nname = "svc"\nversion = "1"\n[build-system]\n{line}\n'
    made = {"requirements.txt": _LOCK, "pyproject.toml": text}
    project = Project(tmp_path / "git", made, remove=())
    with pytest.raises(HolodeckError, match=match):
        here.build(builder.spec(project), project.first)


def test_pyproject_with_a_word_for_a_table_is_refused(tmp_path, here):
    """A text where a table belongs is named as the file has it."""
    made = {"requirements.txt": _LOCK, "pyproject.toml": 'build-system = "x"\n'}
    project = Project(tmp_path / "git", made, remove=())
    with pytest.raises(HolodeckError, match="'build-system' is 'x'; it should be a"):
        here.build(builder.spec(project), project.first)


_PLAIN = {"requirements.txt": _LOCK, "app.py": "X = 1\n", "templates/a.html": "hello"}


@pytest.mark.parametrize(
    "pyproject",
    ["[tool.ruff]\nline-length = 88\n", '[project]\nname = "svc"\nversion = "1"\n',
     '[build-system]\nrequires = ["x"]\n[tool.uv]\npackage = false\n'],
)  # fmt: skip
def test_pyproject_alone_makes_no_package(tmp_path, here, pyproject):
    """A service that is a folder of files is shipped whole, whatever its linter has."""
    project = Project(tmp_path / "git", {**_PLAIN, "pyproject.toml": pyproject}, ())
    made = here.build(builder.spec(project), project.first)
    shipped = prefix(made["layers"][1]) / "app"
    assert (shipped / "app.py").read_text() == "X = 1\n"
    assert (shipped / "templates" / "a.html").exists()


def test_package_beside_its_lock_is_the_one_that_is_built(tmp_path, here):
    """Where the lock lies in a folder of its own, so does the project."""
    home = tmp_path / "git" / "sample"
    project = builder.Repository(home)

    def move(home):
        (home / "backend").mkdir()
        for path in list(home.iterdir()):
            if path.name not in {".git", "backend"}:
                path.rename(home / "backend" / path.name)
        (home / "backend" / "pyproject.toml").write_text(
            '[project]\nname = "guestbook"\nversion = "1"\n[build-system]\n'
            'requires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
            '[tool.setuptools]\npackages = ["guestbook"]\n'
        )

    commit = project.changed(move)
    with bundle_builder.environment():
        recipe = builder.spec(project, lock="backend/requirements.txt")
        made = here.build(recipe, commit)
    assert list(prefix(made["layers"][1]).glob("lib/*/site-packages/guestbook"))


def test_damaged_package_in_the_cache_is_packed_anew(index, here):
    """A package is proven before it is handed out: a bad disk is no dead end."""
    recipe = locked(index, ALPHA, BETA)
    before = here.build(recipe)
    file = Path(before["layers"][0]["file"])
    content = file.read_bytes()
    file.write_bytes(b"\0" * len(content))
    after = here.build(recipe)
    assert digests(after) == digests(before)
    for layer in after["layers"]:
        assert files.sha256_file(layer["file"]) == layer["sha256"]


def _artefacts(manifest):
    parts = [*manifest["layers"], *(d for x in manifest["layers"] for d in x["deltas"])]
    return [(Path(part["file"]), part["sha256"]) for part in parts]


def test_files_to_push_are_no_other_build_s(index, here, tmp_path):
    """While one build pushes, another of the same commit or lock replaces nothing."""
    project = bundle_builder.plain_project(tmp_path / "git", index)
    recipe = builder.spec(project)
    first = here.build(recipe, project.first)
    change = {"service/web.py": "A = 1\n", "requirements.txt": locked(index, ALPHA)
              ["requirements"]}  # fmt: skip
    commit = project.with_files(change)
    made = here.build(recipe, commit, bases=first["layers"])
    assert all(layer["deltas"] for layer in made["layers"])
    seen = [(path, path.stat().st_ino, digest) for path, digest in _artefacts(made)]
    here.build(recipe, commit, bases=first["layers"])
    here.build(recipe, commit)
    here.build({**recipe, "copy": {"service": "more"}}, commit)
    here.build(recipe, commit, bases=first["layers"], name="other")
    for path, inode, digest in seen:
        assert files.sha256_file(path) == digest
        assert path.stat().st_ino == inode


def test_bill_of_a_bundle_has_system_packages_and_its_layer_hashes(
    here, index, monkeypatch
):
    """Whoever scans a bundle finds what the host has to bring, and each file's hash."""
    monkeypatch.setattr(system, "missing", lambda *_: [])
    recipe = {**locked(index, ALPHA), "packages": {"run": ["libpq5"]}}
    made = here.build(recipe)
    parts = {part["name"]: part for part in made["sbom"]["components"]}
    assert parts["libpq5"]["purl"].startswith("pkg:deb/debian/libpq5")
    digest = package_index.sha256(ALPHA[1]).removeprefix("sha256:")
    assert digest in (prefix(made["layers"][0]) / "sbom.cdx.json").read_text()


def test_prune_removes_what_killed_builds_left(here, index):
    """Work that nobody goes on with goes; that of a build under way stays."""
    here.build(locked(index, ALPHA))
    left = [here.cache / "layers" / ".build-x", here.cache / "work" / "tmpx",
            here.cache / "bundles" / "sample" / ".build-x"]  # fmt: skip
    for folder in left:
        folder.mkdir(parents=True)
    with here.used():
        cache.prune()
        assert all(folder.exists() for folder in left)
        for folder in left:
            os.utime(folder, (time.time() - 90_000,) * 2)
        cache.prune()
    assert not any(folder.exists() for folder in left)


def test_uv_s_cache_is_tidied_once_a_week(here, index, monkeypatch):
    """What uv keeps for nobody goes, at one build of a week and no other."""
    ran = []
    real = uv.run
    monkeypatch.setattr(
        uv, "run", lambda *words, **more: (ran.append(words), real(*words, **more))[1]
    )
    recipe = locked(index, ALPHA)
    here.build(recipe)
    note = here.cache / "uv-tidied"
    os.utime(note, (time.time() - 8 * 86400,) * 2)
    for _ in range(2):
        here.build(recipe)
    assert [words for words in ran if words[0] == "cache"] == [
        ("cache", "prune", "--quiet")
    ]


def test_prune_removes_backends_that_nobody_asked_for(here, index):
    """Environments of backends are kept as layers are: the newest few, and the new."""
    homes = [here.cache / "backends" / f"{number:016x}" for number in range(8)]
    for age, home in enumerate(homes):
        home.mkdir(parents=True)
        os.utime(home, (time.time() - 30 * 86400 - age,) * 2)
    with here.used():
        cache.prune()
    assert [home.exists() for home in homes] == [True] * 6 + [False] * 2


def test_cache_of_an_older_pack_is_no_donor(index, here):
    """A note that lacks a field of today's is passed over."""
    before = here.build(locked(index, ALPHA))
    facts = Path(before["layers"][0]["file"]).with_name("facts.json")
    facts.write_text('{"lock": {"form": "requirements", "text": ""}}')
    made = here.build(locked(index, ALPHA, BETA))
    assert list(prefix(made["layers"][0]).glob("lib/*/site-packages/beta"))


_ASSETS = {
    "requirements.txt": _LOCK, "node_modules/x/a.js": "A", "assets/own.js": "own",
    "assets/deep/b.js": "B",
}  # fmt: skip


def _linked(tmp_path, links):
    project = Project(tmp_path / "git", _ASSETS)

    def link(home):
        for name, target in links.items():
            (home / name).symlink_to(target)

    return project, project.changed(link)


def test_links_out_of_an_artefact_become_files(tmp_path, here):
    """What a link means elsewhere in the commit is in the bundle; near ones stay."""
    links = {"assets/a.js": "../node_modules/x/a.js", "assets/same.js": "own.js"}
    project, commit = _linked(tmp_path, links)
    recipe = {**builder.spec(project), "project": False, "copy": {"assets": "web"}}
    made = prefix(here.build(recipe, commit)["layers"][1]) / "web"
    assert (made / "a.js").read_text() == "A"
    assert not (made / "a.js").is_symlink()
    assert (made / "same.js").readlink() == Path("own.js")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../x", "../nowhere"])
def test_links_out_of_the_commit_are_refused(tmp_path, here, target):
    """A link that would end elsewhere on hosts is named, with where it leads."""
    project, commit = _linked(tmp_path, {"assets/a.js": target})
    recipe = {**builder.spec(project), "project": False, "copy": {"assets": "web"}}
    with pytest.raises(HolodeckError, match=f"Link assets/a.js: leads to {target}"):
        here.build(recipe, commit)


def test_artefacts_within_each_other_come_once(tmp_path, here):
    """A folder named twice, or with one within it, is no error."""
    project = Project(tmp_path / "git", _ASSETS)
    recipe = {
        **builder.spec(project), "project": False,
        "build": {"command": "true",
                  "artefacts": ["assets/deep", "assets", "assets/"]},
    }  # fmt: skip
    made = prefix(here.build(recipe, project.first)["layers"][1])
    assert (made / "share/assets/deep/b.js").read_text() == "B"


def test_names_with_control_characters_are_refused(tmp_path, here):
    """A name with a newline would be two in a list of files."""
    project = Project(tmp_path / "git", {**_PLAIN, "a\nb.py": "X = 1\n"})
    with pytest.raises(HolodeckError, match="control characters"):
        here.build(builder.spec(project), project.first)


def test_scripts_named_like_uv_s_own_stay(tmp_path, here):
    """A package's script that begins like one of the virtualenv's is kept."""
    scripts = "activate-license = alpha:main\ndeactivate-user = alpha:main"
    made = bundle_builder.wheel("alpha", "1.0", {"alpha.py": ""}, scripts=scripts)
    with bundle_builder.serving(made) as index:
        built = here.build(locked(index, made))
    scripts = {path.name for path in (prefix(built["layers"][1]) / "bin").iterdir()}
    assert {"activate-license", "deactivate-user"} <= scripts
    assert not any(name.startswith("activate.") for name in scripts)


def test_backend_of_the_month_is_asked_for_by_all_its_days(tmp_path, monkeypatch):
    """A commit's backend is never one that another day's commit has brought."""
    monkeypatch.setattr(source, "CACHE", tmp_path)
    asked = []

    def make(home, requires, lock, builder, cutoff=""):
        asked.append(cutoff)
        if cutoff.startswith("2026-03-01"):
            raise wheels.errors.CommandError("No solution found")
        home.mkdir(parents=True)
        (home / "ready").touch()

    monkeypatch.setattr(wheels, "_make", make)

    class Made:
        """What keys are made of."""

        pins, banner = "", "Python 3.11"

    Made.interpreter = Made
    homes = {
        wheels._environment(("x",), Made, Made, when)
        for when in (1773273600, 1774656000, 1773273600)
    }
    assert len(homes) == 2
    assert asked == [
        "2026-03-01T00:00:00Z", "2026-03-12T23:59:59Z", "2026-03-01T00:00:00Z",
        "2026-03-28T23:59:59Z",
    ]  # fmt: skip
