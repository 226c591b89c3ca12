"""Locks of a checkout: read by uv's own eyes, and installed from exactly."""

import os
import subprocess
import sys
from pathlib import Path

import builder
import package_index
import pytest

from holodeck_build import lockfile, source, uv
from holodeck_io import files
from holodeck_io.errors import HolodeckError

_PYTHON = "/usr/bin/python3"
_PROJECT = """\
[project]
name = "svc"
version = "1"
requires-python = ">=3.10"
dependencies = ["alpha<2"]
[project.optional-dependencies]
fast = ["beta"]
[dependency-groups]
dev = ["gamma"]
"""
_BACKEND = """
import zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    info, name = "delta-1.0.dist-info", "delta-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as z:
        z.writestr("delta.py", "BUILT = True")
        z.writestr(f"{info}/METADATA",
                   "Metadata-Version: 2.1\\nName: delta\\nVersion: 1.0\\n")
        z.writestr(f"{info}/WHEEL",
                   "Wheel-Version: 1.0\\nGenerator: x\\nTag: py3-none-any\\n")
        z.writestr(f"{info}/RECORD", f"delta.py,,\\n{info}/RECORD,,\\n")
    return name
"""


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{builder.PACK}/.venv/bin:{os.environ['PATH']}")
    monkeypatch.setattr(source, "CACHE", tmp_path / "cache")


@pytest.fixture(scope="module")
def index():
    """A public index with two versions of alpha."""
    made = [package_index.wheel("alpha", version) for version in ("1.0", "2.0")]
    made += [package_index.wheel(name, "1.0") for name in ("beta", "gamma")]
    made.append(package_index.sdist("delta", "1.0", _BACKEND))
    with package_index.serving(*made, users=()) as running:
        yield running


@pytest.fixture
def checkout(tmp_path):
    """An empty commit."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    return folder


def _locked(folder, index, project=_PROJECT, **texts):
    """Make a project with a uv.lock by uv."""
    for name, text in {"pyproject.toml": project, **texts}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    uv.run("lock", "--python", _PYTHON, cwd=folder,
           env={"UV_DEFAULT_INDEX": index.url, "UV_NO_CONFIG": None})  # fmt: skip
    return folder


def _virtualenv(folder):
    uv.run("venv", "--relocatable", "--no-project", "--python", _PYTHON, str(folder))
    return folder / "bin" / "python"


def _sync(lock, python, index, since=None):
    file = python.parents[2] / lock.filename
    file.write_text(lock.text)
    words = lockfile.sync_words(lock, file, python, since)
    uv.run(*words, env={"UV_DEFAULT_INDEX": index.url})


def _installed(python):
    [site] = python.parents[1].glob("lib/python*/site-packages")
    return sorted(path.name.split(".dist")[0] for path in site.glob("*.dist-info"))


def _refusal(*args, **options):
    with pytest.raises(HolodeckError) as caught:
        lockfile.read(*args, **options)
    return str(caught.value)


def test_read_takes_the_first_lock_there_is(checkout, index):
    """uv.lock counts before pylock.toml, and that before requirements.txt."""
    line = index.requirement("alpha-1.0-py3-none-any.whl")
    (checkout / "requirements.txt").write_text(line)
    assert lockfile.read(checkout).name == "requirements.txt"
    _locked(checkout, index)
    lock = lockfile.read(checkout)
    (checkout / "pylock.toml").write_text(lock.text)
    assert (lock.name, lock.form, lock.hashed) == ("uv.lock", "pylock", True)
    (checkout / "uv.lock").unlink()
    assert lockfile.read(checkout).name == "pylock.toml"
    assert lockfile.read(checkout).text == lock.text
    assert lockfile.read(checkout, "requirements.txt").form == "requirements"
    assert lock.pins == line.replace(" \\", "")


def test_read_without_any_lock_says_what_to_commit(checkout):
    """The names that are looked for are in the error."""
    assert "uv.lock, pylock.toml, requirements.txt" in _refusal(checkout)


@pytest.mark.parametrize("wanted", ["/etc/hostname", "../secret.txt", "link.txt"])
def test_read_stays_within_the_commit(checkout, wanted):
    """No path and no link leads to the builder's own files, nor shows them."""
    (checkout.parent / "secret.txt").write_text("hunter22==1\n")
    (checkout / "link.txt").symlink_to("../secret.txt")
    assert "is no file of the commit" in _refusal(checkout, wanted)
    (checkout / "requirements.txt").write_text(f"-r {wanted}\n")
    refusal = _refusal(checkout, allow_unhashed=True)
    assert f"includes {wanted}, which is no file of the commit" in refusal
    assert "hunter22" not in refusal


def test_read_follows_includes_beside_the_lock(checkout, index):
    """A -r is read from the folder of the lock, as pip and uv do."""
    line = index.requirement("alpha-1.0-py3-none-any.whl")
    (checkout / "locks").mkdir()
    (checkout / "locks" / "base.txt").write_text(line)
    (checkout / "locks" / "all.txt").write_text("-r base.txt\n")
    (checkout / "plain.txt").write_text(f"# by hand\r\n{line.strip()}\r\n")
    both = [lockfile.read(checkout, name) for name in ("locks/all.txt", "plain.txt")]
    assert both[0].text == both[1].text


def test_from_text_names_the_definition():
    """A lock in pillar has no name; the error says where to look."""
    with pytest.raises(HolodeckError, match="Requirements in the definition: has no"):
        lockfile.from_text("flask==3\n")
    assert lockfile.from_text("flask==3", allow_unhashed=True).text == "flask==3\n"


def test_uv_lock_is_read_without_the_network(checkout, index):
    """Neither a registry nor a cache is asked, and the commit's files stay as is."""
    _locked(checkout, index)
    before = files.tree_digest(checkout)
    index.asked.clear()
    source.CACHE = source.CACHE.with_name("empty")
    lock = lockfile.read(checkout)
    assert index.file_url("alpha-1.0-py3-none-any.whl") in lock.text
    assert not index.asked
    assert files.tree_digest(checkout) == before


def test_uv_lock_text_is_independent_of_the_place(checkout, index, tmp_path):
    """Two checkouts, one with comments and CRLF, give the same text."""
    _locked(checkout, index)
    other = tmp_path / "else" / "where"
    other.mkdir(parents=True)
    for name in ("uv.lock", "pyproject.toml"):
        text = "# by hand\n" + (checkout / name).read_text()
        (other / name).write_text(text, newline="\r\n")
    assert lockfile.read(checkout).text == lockfile.read(other).text


def test_uv_lock_leaves_development_out_and_takes_extras(checkout, index):
    """A group like dev is never in a bundle; an extra is when asked for."""
    _locked(checkout, index)
    plain, fast = lockfile.read(checkout), lockfile.read(checkout, extras=["fast"])
    assert ["beta-1.0" in lock.text for lock in (plain, fast)] == [False, True]
    assert "gamma" not in plain.text + fast.text
    assert "Lock uv.lock: uv refuses it: " in _refusal(checkout, extras=["slow"])
    assert "slow" in _refusal(checkout, extras=["slow"])


@pytest.mark.parametrize(
    "change",
    [("alpha<2", "alpha<3"), ('"alpha<2"', '"alpha<2", "zeta"'), ("3.10", "3.11")],
)
def test_uv_lock_that_does_not_fit_its_project_is_refused(checkout, index, change):
    """A dependency or a Python that the lock does not know is never left out."""
    _locked(checkout, index)
    (checkout / "pyproject.toml").write_text(_PROJECT.replace(*change))
    assert "does not fit its pyproject.toml; run `uv lock`" in _refusal(checkout)


def test_uv_lock_is_compared_under_the_settings_of_its_project(
    checkout, index, monkeypatch
):
    """[tool.uv] counts, an administrator's way of resolving does not."""
    extra = '[tool.uv]\nresolution = "lowest"\nconstraint-dependencies = ["alpha>=1"]\n'
    _locked(checkout, index, _PROJECT + extra)
    monkeypatch.setenv("UV_EXCLUDE_NEWER", "2020-01-01")
    assert "alpha-1.0" in lockfile.read(checkout).text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("place", ["/etc/uv/uv.toml", "cache/uv.toml", "own.toml"])
def test_uv_lock_is_compared_without_the_settings_of_the_machine(
    checkout, index, tmp_path, monkeypatch, place
):
    """No uv.toml in /etc, further up or in a variable makes a good lock unfit."""
    _locked(checkout, index)
    if place == "own.toml":
        monkeypatch.setenv("UV_CONFIG_FILE", str(tmp_path / place))
    monkeypatch.setenv("PYTHONPATH", str(builder.PACK / "_utils"))
    code = (
        "import pathlib, sys; from holodeck_build import lockfile, source\n"
        "source.CACHE = pathlib.Path('cache').resolve()\n"
        "print(lockfile.read('checkout').text)"
    )
    # With an /etc of its own, which ends with the process.
    script = (
        "mount -t tmpfs none /etc && mkdir /etc/uv && "
        f"echo 'resolution = \"lowest\"' > {place} && "
        'exec "$@"'
    )
    done = subprocess.run(
        ["unshare", "--mount", "--propagation=private", "sh", "-c", script, "sh",
         sys.executable, "-c", code],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert "alpha-1.0" in done.stdout, done.stderr


def test_uv_lock_of_a_dynamic_project_is_taken_as_it_is(checkout, index):
    """What only a build would say is not found out by running the commit's code."""
    _locked(checkout, index)
    dynamic = _PROJECT.replace(
        'dependencies = ["alpha<2"]', 'dynamic = ["dependencies"]'
    )
    (checkout / "pyproject.toml").write_text(
        dynamic + '[build-system]\nrequires = []\nbuild-backend = "x"\n'
        'backend-path = ["."]\n'
    )
    (checkout / "x.py").write_text(f"open({str(checkout / 'ran')!r}, 'w')\n")
    assert "alpha-1.0" in lockfile.read(checkout).text
    assert not (checkout / "ran").exists()


def test_uv_lock_ignores_a_workspace_above_the_checkout(checkout, index):
    """What others leave in a shared folder further up does not become the lock."""
    _locked(checkout, index)
    wanted = lockfile.read(checkout).text
    bait = _PROJECT.replace('"svc"', '"bait"') + (
        "[tool.uv]\noverride-dependencies = ['alpha==2.0']\n"
        "[tool.uv.workspace]\nmembers = ['check*']\n"
    )
    _locked(checkout.parent, index, bait)
    assert lockfile.read(checkout).text == wanted


def test_uv_lock_of_a_workspace(checkout, index):
    """A member that the project needs is refused; one that it does not is no matter."""
    workspace = _PROJECT + "[tool.uv.workspace]\nmembers = ['members/*']\n"
    member = {"members/m/pyproject.toml": '[project]\nname = "m"\nversion = "1"\n'}
    _locked(checkout, index, workspace, **member)
    assert "alpha-1.0" in lockfile.read(checkout).text
    needed = (
        workspace.replace("alpha<2", "m") + "[tool.uv.sources]\nm.workspace = true\n"
    )
    _locked(checkout, index, needed, **member)
    assert "takes m from members/m, a place on disk" in _refusal(checkout)


def test_uv_lock_with_a_path_out_of_the_commit_is_refused(checkout, index):
    """The error names package and path, not what uv could not find."""
    (checkout.parent / "out").mkdir()
    (checkout.parent / "out" / "pyproject.toml").write_text(
        '[project]\nname = "out"\nversion = "1"\n'
    )
    text = _PROJECT.replace("alpha<2", "out")
    _locked(checkout, index, f'{text}[tool.uv.sources]\nout.path = "../out"\n')
    assert "Lock uv.lock: takes out from ../out, a place on disk" in _refusal(checkout)


def test_uv_lock_needs_its_project_and_a_python_that_fits(checkout, index):
    """Both errors say what is missing."""
    _locked(checkout, index)
    text = (checkout / "uv.lock").read_text().replace(">=3.10", ">=3.99")
    (checkout / "uv.lock").write_text(text)
    (checkout / "pyproject.toml").write_text(_PROJECT.replace("3.10", "3.99"))
    assert ">=3.99" in _refusal(checkout)
    (checkout / "pyproject.toml").unlink()
    assert "has no pyproject.toml beside it" in _refusal(checkout)


@pytest.mark.parametrize("name", ["uv.lock", "pylock.toml", "requirements.txt"])
def test_credentials_in_any_lock_are_refused(checkout, name):
    """The password is not in the error."""
    (checkout / "pyproject.toml").write_text(_PROJECT)
    (checkout / name).write_text("\n# https://ci:hunter22@index.example.org/simple\n")
    refusal = _refusal(checkout)
    assert f"Lock {name}: line 2 has a credential" in refusal
    assert "hunter22" not in refusal


@pytest.mark.parametrize("name", ["uv.lock", "pylock.dev.toml"])
def test_broken_toml_is_named(checkout, name):
    """A half lock is no traceback."""
    (checkout / name).write_text("[[package")
    assert f"Lock {name}: is no TOML" in _refusal(checkout, name)


@pytest.mark.parametrize(
    ("project", "named"),
    [
        ("project = 'x'", "has 'x' for `project` in its pyproject.toml, where a table"),
        ("[project]\ndynamic = 'dependencies'", "has 'dependencies' for `project.dyna"),
    ],
)
def test_pyproject_of_another_shape_is_named(checkout, project, named):
    """The error names the value, where it stands and what should stand there."""
    (checkout / "uv.lock").write_text("version = 1\n")
    (checkout / "pyproject.toml").write_text(f"{project}\n")
    assert f"Lock uv.lock: {named}" in _refusal(checkout)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uv.lock", "version = 1\npackage = 'x'\n"),
        ("pylock.toml", "lock-version = '1.0'\npackages = 'x'\n"),
    ],
)
def test_locks_of_another_shape_are_named(checkout, name, text):
    """A text where tables should stand is one clear error."""
    (checkout / name).write_text(text)
    assert _refusal(checkout) == (
        f"Lock {name}: has 'x' for its packages, where a list should stand; correct "
        "it, or lock again."
    )


@pytest.mark.parametrize("form", ["pylock", "requirements"])
def test_sync_brings_a_predecessor_exactly_to_the_lock(checkout, index, tmp_path, form):
    """A virtualenv that had another lock is file by file as one made anew."""
    old = _lock(form, index, "alpha-1.0-py3-none-any.whl", "beta-1.0-py3-none-any.whl")
    new = _lock(form, index, "alpha-2.0-py3-none-any.whl", "delta-1.0.tar.gz")
    used, fresh = _virtualenv(tmp_path / "a" / "v"), _virtualenv(tmp_path / "b" / "v")
    _sync(old, used, index)
    assert _installed(used) == ["alpha-1.0", "beta-1.0"]
    _sync(new, used, index, since=old)
    _sync(new, fresh, index)
    assert _installed(used) == ["alpha-2.0", "delta-1.0"]
    trees = [_content(python) for python in (used, fresh)]
    assert trees[0] == trees[1]


@pytest.mark.parametrize("form", ["pylock", "requirements"])
def test_sync_leaves_what_stays_alone(checkout, index, tmp_path, form):
    """What both locks have is not written again."""
    old = _lock(form, index, "alpha-1.0-py3-none-any.whl", "beta-1.0-py3-none-any.whl")
    new = _lock(form, index, "alpha-2.0-py3-none-any.whl", "beta-1.0-py3-none-any.whl")
    python = _virtualenv(tmp_path / "v")
    _sync(old, python, index)
    [module] = python.parents[1].rglob("beta.py")
    before = module.stat().st_ino, module.stat().st_ctime_ns
    _sync(new, python, index, since=old)
    assert (module.stat().st_ino, module.stat().st_ctime_ns) == before


@pytest.mark.parametrize("form", ["pylock", "requirements"])
def test_sync_replaces_a_version_that_has_other_bytes(checkout, index, tmp_path, form):
    """By itself uv would take the version for the file."""
    twin = package_index.wheel("alpha", "1.0", "REBUILT = True\n")
    python = _virtualenv(tmp_path / "v")
    with package_index.serving(twin, users=()) as other:
        old, new = (_lock(form, place, twin[0]) for place in (index, other))
        _sync(old, python, index)
        _sync(new, python, other, since=old)
    [module] = python.parents[1].rglob("alpha.py")
    assert "REBUILT" in module.read_text()


@pytest.mark.parametrize("form", ["pylock", "requirements"])
def test_sync_refuses_other_bytes_than_locked(checkout, index, tmp_path, form):
    """What the index serves is proven by the lock."""
    twin = package_index.wheel("alpha", "1.0", "EVIL = True\n")
    lock = _lock(form, index, twin[0])
    with package_index.serving(twin, users=()) as evil:
        text = lock.text.replace(index.url[:-7], evil.url[:-7])
        forged = lockfile.Lock("", form, text, hashed=True, pins="")
        with pytest.raises(HolodeckError, match="Hash mismatch"):
            _sync(forged, _virtualenv(tmp_path / "v"), evil)
    assert not list((tmp_path / "v").rglob("alpha.py"))


def test_sync_to_nothing_empties_the_virtualenv(checkout, index, tmp_path):
    """A project without dependencies is one, too."""
    python = _virtualenv(tmp_path / "v")
    _sync(_lock("requirements", index, "alpha-1.0-py3-none-any.whl"), python, index)
    _locked(checkout, index, _PROJECT.replace('"alpha<2"', ""))
    _sync(lockfile.read(checkout), python, index)
    assert _installed(python) == []


def test_unhashed_requirements_install_where_allowed(index, tmp_path):
    """The exception that a definition can ask for works."""
    lock = lockfile.from_text("alpha==1.0\n", allow_unhashed=True)
    python = _virtualenv(tmp_path / "v")
    _sync(lock, python, index)
    assert _installed(python) == ["alpha-1.0"]


def _lock(form, index, *names):
    if form == "requirements":
        return lockfile.from_text("".join(index.requirement(name) for name in names))
    rows = [
        f"{{name = '{name.split('-')[0]}', version = '{name.split('-')[1][:3]}', "
        f"{_files(index, name)}}},"
        for name in names
    ]
    text = "\n".join(['lock-version = "1.0"', "packages = [", *rows, "]"])
    folder = Path(source.CACHE, "made")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pylock.toml").write_text(text)
    return lockfile.read(folder)


def _files(index, name):
    digest = package_index.sha256(index.files[name]).removeprefix("sha256:")
    file = f"{{url = '{index.file_url(name)}', hashes = {{sha256 = '{digest}'}}}}"
    return f"wheels = [{file}]" if name.endswith("whl") else f"sdist = {file}"


def _content(python):
    """Return the files of a virtualenv, but uv's notes that no bundle keeps."""
    notes = ("uv_cache.json", "uv_build.json", "RECORD")
    return [
        entry
        for entry in files.tree_entries(python.parents[1] / "lib")
        if not entry[0].endswith(notes)
    ]


def test_toml_is_read_on_a_python_without_a_parser_of_its_own():
    """Salt's pip brings one along for Python 3.10."""
    code = (
        "import sys; sys.modules['tomllib'] = sys.modules['tomli'] = None\n"
        "from holodeck_io import toml\nprint(toml.parsed('a = 1'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[2] / "_utils",
    )  # fmt: skip
    assert done.stdout == "{'a': 1}\n"
