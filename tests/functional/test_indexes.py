"""Private package indexes: used by the real uv, and no trace of the password left."""

import os
import shutil
import subprocess
from pathlib import Path

import builder
import package_index
import pytest
from package_index import PASSWORD, USER

from holodeck_build import indexes, lockfile, source, uv
from holodeck_io.errors import CommandError, HolodeckError

_PYTHON = "/usr/bin/python3"
_WHEEL = "alpha-1.0-py3-none-any.whl"
# Stands before uv on PATH: writes down how it is called, then becomes the real one.
_WITNESS = """\
#!/bin/sh
tr '\\0' ' ' < /proc/$$/cmdline >> {trace}
env >> {trace}
exec {uv} "$@"
"""


@pytest.fixture(autouse=True)
def trace(tmp_path, monkeypatch):
    """Return the file that has the argv and the environment of every uv."""
    monkeypatch.setenv("PATH", f"{builder.PACK}/.venv/bin:{os.environ['PATH']}")
    monkeypatch.setattr(source, "CACHE", tmp_path / "cache")
    for name in ("NETRC", "UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    witness = tmp_path / "bin" / "uv"
    witness.parent.mkdir()
    found = tmp_path / "trace"
    witness.write_text(_WITNESS.format(trace=found, uv=shutil.which("uv")))
    witness.chmod(0o755)
    monkeypatch.setenv("PATH", f"{witness.parent}:{os.environ['PATH']}")
    return found


@pytest.fixture
def index():
    """A private index."""
    with package_index.serving(package_index.wheel("alpha", "1.0")) as running:
        yield running


@pytest.fixture
def python(tmp_path):
    """A new virtualenv's interpreter."""
    uv.run("venv", "--no-project", "--python", _PYTHON, str(tmp_path / "v"))
    return tmp_path / "v" / "bin" / "python"


def _entry(index, **changes):
    return {"url": index.url, "username": USER, "password": PASSWORD, **changes}


def _sync(lock, python, entries, *, verbose=False):
    file = python.parents[2] / lock.filename
    file.write_text(lock.text)
    words = lockfile.sync_words(lock, file, python)
    if verbose:
        words[words.index("--quiet")] = "--verbose"
    with indexes.environment(entries) as env:
        return uv.run(*words, env=env).stderr


def _module(python, name="alpha"):
    return list(python.parents[1].rglob(f"{name}.py"))


def _traces(folder, *values):
    """Return the files below ``folder`` with one of ``values``, in whatever form."""
    words = [word for value in values for word in ("-e", value)]
    done = subprocess.run(
        ["grep", "--recursive", "--files-with-matches", "--text", "--fixed-strings",
         *words, str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("default", [True, False])
def test_requirements_from_a_private_index_leave_no_trace(
    index, python, trace, tmp_path, default
):
    """Nothing in virtualenv, cache, argv, environment or lock has user or password."""
    lock = lockfile.from_text(index.requirement(_WHEEL))
    said = _sync(lock, python, [_entry(index, default=default)], verbose=True)
    assert _module(python)
    assert index.url in said
    assert not any(secret in said for secret in (PASSWORD, USER, _basic()))
    assert "pip sync" in trace.read_text()
    assert index.url in trace.read_text()
    assert (tmp_path / "cache" / "uv").is_dir()
    assert _traces(tmp_path, PASSWORD, USER, _basic()) == []


def test_uv_lock_of_a_private_index_is_installed_by_netrc(
    index, python, tmp_path, trace
):
    """The lock's own URLs get the credentials, though no index is asked."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "pyproject.toml").write_text(
        '[project]\nname = "svc"\nversion = "1"\nrequires-python = ">=3.10"\n'
        'dependencies = ["alpha"]\n[tool.uv.sources]\nalpha = { index = "own" }\n'
        f'[[tool.uv.index]]\nname = "own"\nurl = "{index.url}"\nexplicit = true\n'
    )
    with indexes.environment([_entry(index)]) as env:
        uv.run("lock", "--python", _PYTHON, cwd=checkout, env=env)
    lock = lockfile.read(checkout)
    index.asked.clear()
    _sync(lock, python, [_entry(index)])
    assert _module(python)
    assert set(index.asked) == {f"/files/{_WHEEL}"}
    assert _traces(tmp_path, PASSWORD, USER, _basic()) == []


@pytest.mark.parametrize(
    "password", ['a "b"\\c', "pä#€ss wort", "{x}'%20:@/", "default"]
)
def test_passwords_may_have_any_character(password, tmp_path, python):
    """The netrc says them to uv as they are."""
    made = package_index.wheel("alpha", "1.0")
    with package_index.serving(made, users=[("ci@example.org", password)]) as index:
        entry = _entry(index, username="ci@example.org", password=password)
        _sync(lockfile.from_text(index.requirement(_WHEEL)), python, [entry])
    assert _module(python)


@pytest.mark.parametrize("form", ["requirements", "pylock"])
def test_a_wrong_password_names_the_index_and_not_itself(index, python, tmp_path, form):
    """One clear error, for an index that is asked and for a file of the lock."""
    lock = lockfile.from_text(index.requirement(_WHEEL))
    if form == "pylock":
        lock = _pylock(index, tmp_path)
    wrong = _entry(index, password="wr0ng-s3cret")
    with pytest.raises(HolodeckError) as caught:
        _sync(lock, python, [wrong])
    assert str(caught.value) == (
        f"Package index {index.url}: refuses the user {USER}; correct the credentials "
        "in the builder's pillar."
    )
    assert caught.value.__suppress_context__
    assert _traces(tmp_path, "wr0ng-s3cret") == []


def test_another_failure_of_uv_stays_what_it_is(index, python, tmp_path):
    """The error is uv's, without the password, should uv ever print it."""
    lock = lockfile.from_text(index.requirement(_WHEEL).replace("1.0", "7.0"))
    with pytest.raises(CommandError, match=r"alpha==7.0"):
        _sync(lock, python, [_entry(index)])
    with pytest.raises(CommandError) as caught, indexes.environment([_entry(index)]):
        raise CommandError(f"uv: cannot get http://{USER}:{PASSWORD}@h/x ({PASSWORD})")
    assert PASSWORD not in str(caught.value)
    assert "uv: cannot get http://" in str(caught.value)


@pytest.mark.parametrize("ending", [HolodeckError("x"), KeyboardInterrupt()])
def test_credentials_are_gone_however_the_block_ends(index, ending):
    """The file has no name anywhere, and its descriptor is closed at the end."""
    before = _descriptors()
    seen = []
    with pytest.raises(type(ending)):
        _look_and_end(_entry(index), seen, ending)
    [(content, info)] = seen
    assert PASSWORD in content
    assert (info.st_mode & 0o777, info.st_nlink) == (0o600, 0)
    assert _descriptors() == before


def test_other_programs_do_not_inherit_the_credentials(index):
    """What is started meanwhile has no descriptor of the file."""
    with indexes.environment([_entry(index)]):
        done = subprocess.run(
            ["/bin/ls", "-l", "/proc/self/fd"], capture_output=True, text=True,
            check=True, close_fds=False,
        )  # fmt: skip
    assert "memfd" not in done.stdout


def test_without_entries_the_machine_s_own_configuration_counts(
    index, python, monkeypatch
):
    """An administrator's variables and netrc are uv's as ever."""
    _own(index, monkeypatch)
    monkeypatch.setenv("UV_INDEX_URL", index.url)
    with indexes.environment([]) as env:
        assert env == {}
    _sync(lockfile.from_text(index.requirement(_WHEEL)), python, [])
    assert _module(python)


def test_with_entries_the_machine_s_own_indexes_are_kept(index, python, monkeypatch):
    """Ours come first; the administrator's index and login still work."""
    _own(index, monkeypatch)
    monkeypatch.setenv("UV_INDEX", index.url)
    made = package_index.wheel("beta", "1.0")
    with package_index.serving(made) as ours:
        # netrc knows hosts alone, and both are on one machine here.
        entry = _entry(ours, url=ours.url.replace("127.0.0.1", "localhost"))
        text = index.requirement(_WHEEL) + ours.requirement("beta-1.0-py3-none-any.whl")
        _sync(lockfile.from_text(text), python, [entry])
    assert _module(python)
    assert _module(python, "beta")


@pytest.mark.parametrize(
    "own",
    [
        b"machine 127.0.0.1 login other password wrong\n",
        b"# my hosts\nmachine git.example.org login x password y\n",
        b"machine git.example.org login x pass y\n",
        b'machine git.example.org login x password "unclosed\n',
        b"machine git.example.org login x password caf\xe9\n",
    ],
)
def test_our_credentials_count_whatever_the_machine_s_netrc_has(index, python, own):
    """Another login of our host, a comment or strange bytes do not take ours away."""
    home = Path(os.environ["HOME"])
    home.mkdir()
    (home / ".netrc").write_bytes(own)
    _sync(lockfile.from_text(index.requirement(_WHEEL)), python, [_entry(index)])
    assert _module(python)


def test_entries_that_are_none_are_refused_before_any_work():
    """All faults in one error, without the password."""
    with (
        pytest.raises(HolodeckError) as caught,
        indexes.environment([{"url": "h", "password": PASSWORD}]),
    ):
        pytest.fail("the block ran")
    assert "Package index 1: url should be like" in str(caught.value)
    assert "Package index 1: has one of username and password" in str(caught.value)
    assert PASSWORD not in str(caught.value)


def _own(index, monkeypatch):
    home = Path(os.environ["HOME"])
    home.mkdir()
    (home / ".netrc").write_text(
        f"machine 127.0.0.1 login {USER} password {PASSWORD}\n"
    )


def _look_and_end(entry, seen, ending):
    with indexes.environment([entry]) as env:
        path = Path(env["NETRC"])
        seen.append((path.read_text(), path.stat()))
        raise ending


def _descriptors():
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def _basic():
    """Return the credentials as the Authorization header has them."""
    return package_index.basic(USER, PASSWORD)


def _pylock(index, folder):
    digest = package_index.sha256(index.files[_WHEEL]).removeprefix("sha256:")
    (folder / "pylock.toml").write_text(
        'lock-version = "1.0"\n[[packages]]\nname = "alpha"\nversion = "1.0"\n'
        f'wheels = [{{url = "{index.file_url(_WHEEL)}", '
        f'hashes = {{sha256 = "{digest}"}}}}]\n'
    )
    return lockfile.read(folder)
