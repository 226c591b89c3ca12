"""Commits read from real git repositories: whole, as committed, and nothing else."""

import os
import shutil
import subprocess

import builder
import pytest
from salt.exceptions import SaltInvocationError

from holodeck_build import source
from holodeck_io.errors import HolodeckError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The sample service as a git repository."""
    return builder.Repository(tmp_path_factory.mktemp("git") / "guestbook")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The home of a builder's root, whose mirrors are its own."""
    monkeypatch.setattr(source, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def _writing(made):
    """Return a change that writes ``{path: text or bytes}``."""

    def change(home):
        for name, content in made.items():
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    return change


def _exported(repository, commit, target):
    """Return ``{path: bytes}`` of what a build gets to see of a commit."""
    target.mkdir(parents=True)
    source.export(str(repository.home), commit, target)
    return {
        str(path.relative_to(target)): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file()
    }


def test_resolve_of_a_head_is_refused(repository, home, tmp_path):
    """HEAD, which would be the mirror's own, never stands for a commit of another."""
    resolve = builder.functions(tmp_path)["bundle.resolve"]
    with pytest.raises(SaltInvocationError, match="the branch itself instead of HEAD"):
        resolve(str(repository.home), "HEAD")


_ARCHIVED = {
    ".gitattributes": "version.py export-subst\ntests export-ignore\n",
    "version.py": 'REFS = "$Format:%d$"\nNEAR = "$Format:%(describe:tags=true)$"\n',
    "tests/test_a.py": "A = 1\n",
}


def test_export_does_not_depend_on_other_refs(repository, home, tmp_path):
    """A tag or branch that comes later changes no byte of a commit."""
    commit = repository.changed(_writing(_ARCHIVED))
    before = _exported(repository, commit, tmp_path / "before")
    repository._git("tag", "v1.0", commit)
    repository._git("branch", "other", commit)
    source.resolve(str(repository.home), "v1.0")
    assert _exported(repository, commit, tmp_path / "after") == before
    assert before["version.py"].decode() == _ARCHIVED["version.py"]


def test_export_leaves_no_file_out(repository, home, tmp_path):
    """What published archives go without is part of the commit all the same."""
    found = _exported(
        repository, repository.changed(_writing(_ARCHIVED)), tmp_path / "x"
    )
    assert set(_ARCHIVED) <= set(found)


@pytest.mark.parametrize("name", [".archive.tar", ".archive.tar/notes.txt"])
def test_export_takes_any_name_of_a_file(repository, home, tmp_path, name):
    """No name is one that the export needs for itself."""
    commit = repository.changed(_writing({name: "precious"}))
    assert _exported(repository, commit, tmp_path / "x")[name] == b"precious"


_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n"


def _with_submodule(home):
    repository = home / "libs" / "véndor"
    repository.mkdir(parents=True)
    for words in (
        ["init", "--quiet"],
        ["-c", "user.name=A", "-c", "user.email=a@localhost", "commit", "--quiet",
         "--allow-empty", "--message", "first"],
    ):  # fmt: skip
        subprocess.run(["git", *words], cwd=repository, check=True)


def _without_submodule(home):
    shutil.rmtree(home / "libs", ignore_errors=True)


_REFUSED = {
    "submodule": (
        _with_submodule,
        "Folder libs/véndor: is a submodule, whose files are in another repository",
    ),
    "pointer": (
        _writing({"a/model.bin": _POINTER.format("a" * 64)}),
        "File a/model.bin: is a pointer of Git LFS, whose content is not in ",
    ),
    "pointers": (
        _writing({f"{n}.bin": _POINTER.format(str(n) * 64) for n in range(3)}),
        "File 0.bin (and 2 more): is a pointer of Git LFS, whose content is not in ",
    ),
    "name": (
        _writing({os.fsdecode(b"a/caf\xe9\t.txt"): "x"}),
        "File a/caf\\xe9\t.txt: has a name that is not UTF-8, which packages cannot ",
    ),
}


@pytest.mark.parametrize("case", _REFUSED)
def test_export_refuses_what_would_not_be_whole(repository, home, tmp_path, case):
    """What a bundle could not have is named before anything is built."""
    change, message = _REFUSED[case]
    commit = repository.changed(change)
    try:
        with pytest.raises(HolodeckError) as refused:
            _exported(repository, commit, tmp_path / "x")
    finally:
        _without_submodule(repository.home)
    assert str(refused.value).startswith(message)
    assert "; " in str(refused.value)


def test_export_takes_what_merely_looks_odd(repository, home, tmp_path):
    """Names in any script, and words about Git LFS, are files like others."""
    made = {
        "größe 'x' \"y\" \\z\u2028.txt": "1" * 200, "日本/\n.txt": "2" * 200,
        "about.txt": f"See {_POINTER}", "long.txt": _POINTER + "x" * 2000, "empty": "",
    }  # fmt: skip
    found = _exported(repository, repository.changed(_writing(made)), tmp_path / "x")
    assert {path: found[path].decode() for path in made} == made


_SETTINGS = """\
[core]
    autocrlf = true
    attributesFile = {home}/attributes
[filter "shout"]
    smudge = tr a-z A-Z
[tar]
    umask = 0077
[log]
    showSignature = true
[init]
    templateDir = {home}/template
"""
_TOLD = "*.txt filter=shout\n*.md text eol=crlf\n*.py export-ignore\n"


def test_export_does_not_depend_on_the_administrators_git(repository, home, tmp_path):
    """What root and the system have set for git changes no byte and no mode."""
    made = {"a.txt": "one\ntwo\n", "b.md": "one\n", ".gitattributes": "*.txt text\n"}
    commit = repository.changed(_writing(made))
    plain = _exported(repository, commit, tmp_path / "plain")
    told = {
        ".gitconfig": _SETTINGS.format(home=home), "attributes": _TOLD,
        ".config/git/attributes": _TOLD, "template/info/attributes": _TOLD,
    }  # fmt: skip
    _writing(told)(home)
    source.CACHE = tmp_path / "another"
    assert _exported(repository, commit, tmp_path / "told") == plain
    modes = [(tmp_path / x / "a.txt").stat().st_mode for x in ("plain", "told")]
    assert modes[0] == modes[1]


def test_export_converts_as_the_commit_itself_says(repository, home, tmp_path):
    """The commit's own line ends and encodings are those of any checkout on Linux."""
    made = {".gitattributes": "*.bat text eol=crlf\n", "run.bat": "one\ntwo\n"}
    found = _exported(repository, repository.changed(_writing(made)), tmp_path / "x")
    assert found["run.bat"] == b"one\r\ntwo\r\n"


def test_fetch_follows_the_administrators_git(repository, home):
    """Another name of a server in root's settings is one for the builder too."""
    _writing({".gitconfig": f'[url "{repository.home}"]\n insteadOf = lab:\n'})(home)
    assert source.resolve("lab:", "main") == repository.first


def _half(mirror):
    for path in ("objects", "config"):
        gone = mirror / path
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()


def _empty(mirror):
    (mirror / "HEAD").write_text("")


def _unset(mirror):
    (mirror / "config").write_text("")


def _locked(mirror):
    for path in ("packed-refs", "HEAD", "config", "refs/heads/main", "shallow",
                 "objects/maintenance"):  # fmt: skip
        mirror.joinpath(f"{path}.lock").touch()


def _begun(mirror):
    shutil.rmtree(mirror)
    half = mirror.with_name(f".new-{mirror.name}")
    half.mkdir()
    (half / "HEAD").write_text("ref: refs/he")


@pytest.mark.parametrize("harm", [_half, _empty, _unset, _locked, _begun])
def test_resolve_after_a_kill_heals_the_mirror(repository, home, harm):
    """However a fetch or the making of a mirror was cut short, the next one works."""
    url = str(repository.home)
    repository._git("branch", "--force", "moving", repository.first)
    source.resolve(url, "main")
    [mirror] = (source.CACHE / "git").iterdir()
    _git_in(mirror, "pack-refs", "--all")
    harm(mirror)
    later = repository.changed(_writing({"later.txt": harm.__name__}))
    repository._git("branch", "--force", "main", later)
    repository._git("branch", "--delete", "--force", "moving")
    try:
        assert source.resolve(url, "main") == later
        with pytest.raises(HolodeckError, match="is no branch"):
            source.resolve(url, "moving")
    finally:
        repository._git("branch", "--force", "main", repository.first)
    assert [path.name for path in mirror.parent.iterdir()] == [mirror.name]
    assert list(mirror.rglob("*.lock")) == []


def _git_in(mirror, *words):
    subprocess.run(["git", f"--git-dir={mirror}", *words], check=True)


_COLLECTING = "[gc]\n autoPackLimit = 1\n[transfer]\n unpackLimit = 1\n"


def test_fetch_leaves_nothing_at_work(repository, home):
    """Once the mirror's lock is free nobody works in it, git's collector neither."""
    _writing({".gitconfig": _COLLECTING})(home)
    source.resolve(str(repository.home), "main")
    later = repository.changed(_writing({"later.txt": "collected"}))
    source.resolve(str(repository.home), later)
    [mirror] = (source.CACHE / "git").iterdir()
    assert len(list(mirror.rglob("*.pack"))) == 1
    assert not (mirror / "gc.pid").exists()


def test_resolve_of_what_cannot_be_fetched_has_gits_own_words(home, tmp_path):
    """No command line of ours: which URL, and what git said of it."""
    with pytest.raises(HolodeckError) as failed:
        source.resolve(gone := f"{tmp_path}/gone", "main")
    assert str(failed.value) == (
        f"cannot fetch {gone}: fatal: '{gone}' does not appear to be a git repository; "
        "the URL has to be one that builders reach."
    )
