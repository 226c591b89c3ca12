"""Packages made by the real packagers, and read back."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import salt.config
import salt.loader
from salt.exceptions import SaltInvocationError

from holodeck_io.errors import HolodeckError

_PACK = Path(__file__).parents[2]
_BIN = _PACK / ".venv" / "bin"
_RPM_MAGIC = b"\xed\xab\xee\xdb"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """``fpm.package`` as Salt loads it, with the packagers on PATH."""
    monkeypatch.setenv("PATH", f"{_BIN}:{os.environ['PATH']}")
    opts = salt.config.minion_config(None)
    opts.update(
        root_dir=str(tmp_path),
        module_dirs=[str(_PACK / "salt")],
        utils_dirs=[str(_PACK / "_utils")],
        file_client="local",
        grains={"cpuarch": "x86_64"},
    )
    utils = salt.loader.utils(opts)
    return salt.loader.minion_mods(opts, utils=utils)["fpm.package"]


@pytest.fixture
def root(tmp_path):
    """A small tree with a program, a note and a link, all of one time."""
    root = tmp_path / "tree"
    home = root / "opt" / "holodeck" / "hello"
    (home / "bin").mkdir(parents=True)
    program = home / "bin" / "hello"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    (home / "note.txt").write_text("a note\n")
    (home / "link").symlink_to("note.txt")
    for path in [root, *root.rglob("*")]:
        os.utime(path, (1000, 1000), follow_symlinks=False)
    return root


def _out(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_package_deb_holds_the_tree(package, root, tmp_path):
    """A deb has the tree's files, modes and links, owned by root."""
    file = package("hello", "1.0", root, tmp_path / "hello.deb", epoch=1000)
    assert file == str(tmp_path / "hello.deb")
    _out("dpkg-deb", "--extract", file, str(tmp_path / "unpacked"))
    home = tmp_path / "unpacked" / "opt" / "holodeck" / "hello"
    assert _out(str(home / "bin" / "hello")) == "hello\n"
    assert (home / "note.txt").read_text() == "a note\n"
    assert (home / "link").readlink() == Path("note.txt")
    rows = [row.split() for row in _out("dpkg-deb", "--contents", file).splitlines()]
    assert {row[1] for row in rows} == {"root/root"}


def test_package_deb_says_what_it_is(package, root, tmp_path):
    """Name, version, architecture and dependencies stand in the package."""
    file = package(
        "hello", "1.0", root, tmp_path / "hello.deb", depends=["python3.11"],
        summary="Says hello",
    )  # fmt: skip
    shown = _out("dpkg-deb", "--field", file)
    for line in ("Package: hello", "Version: 1.0", "Architecture: amd64",
                 "Depends: python3.11", "Description: Says hello"):  # fmt: skip
        assert line in shown.splitlines()


@pytest.mark.parametrize("kind", ["deb", "rpm"])
def test_package_same_tree_same_bytes(package, root, tmp_path, kind):
    """The same tree makes the same package, in another folder and with other cares."""
    first = package("hello", "1.0", root, tmp_path / f"a.{kind}", kind=kind, epoch=1000)
    copy = tmp_path / "elsewhere"
    shutil.copytree(root, copy, symlinks=True)
    for path in [copy, *copy.rglob("*")]:
        os.utime(path, (1000, 1000), follow_symlinks=False)
    second = package(
        "hello", "1.0", copy, tmp_path / f"b.{kind}", kind=kind, epoch=1000
    )
    digests = {hashlib.sha256(Path(f).read_bytes()).digest() for f in (first, second)}
    assert len(digests) == 1


def test_package_rpm_is_one(package, root, tmp_path):
    """An rpm says its name, its system and a build host that is no one's."""
    file = package("hello", "1.0", root, tmp_path / "hello.rpm", kind="rpm", epoch=1000)
    content = Path(file).read_bytes()
    assert content.startswith(_RPM_MAGIC)
    for word in (b"hello", b"x86_64", b"holodeck\x00", b"note.txt"):
        assert word in content
    assert os.uname().nodename.encode() + b"\x00" not in content


@pytest.mark.skipif(not shutil.which("fpm"), reason="needs Ruby's fpm on PATH")
def test_package_fpm_holds_the_same_tree(package, root, tmp_path):
    """The other packager packs the same files; its own changelog is taken out later."""
    by_fpm = package("hello", "1.0", root, tmp_path / "a.deb", packager="fpm")
    by_nfpm = package("hello", "1.0", root, tmp_path / "b.deb")
    shown = [
        {
            path
            for row in _out("dpkg-deb", "--contents", file).splitlines()
            if (path := row.split()[5]).startswith("./opt/holodeck")
        }
        for file in (by_fpm, by_nfpm)
    ]
    assert shown[0] == shown[1]


def test_package_missing_packager_says_what_to_do(package, root, tmp_path, monkeypatch):
    """A builder without the packager is told which state installs it."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(HolodeckError, match=r"Packager fpm: .*holodeck\.builder"):
        package("hello", "1.0", root, tmp_path / "hello.deb", packager="fpm")


def test_package_failed_packager_shows_why(package, root, tmp_path):
    """A target that cannot be written is an error with the packager's own words."""
    with pytest.raises(HolodeckError, match=r"(?s)ended with status 1: .*no such file"):
        package("hello", "1.0", root, tmp_path / "nowhere" / "hello.deb")


def test_package_missing_tree_is_refused(package, tmp_path):
    """A tree that is not there makes no package."""
    with pytest.raises((HolodeckError, SaltInvocationError)):
        package("hello", "1.0", tmp_path / "nowhere", tmp_path / "hello.deb")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"packager": "alien"}, "packager 'alien': should be one of nfpm, fpm."),
        ({"kind": "apk"}, "kind 'apk': should be one of deb, rpm."),
    ],
)
def test_package_unknown_word_shows_the_legal_ones(package, options, message):
    """A packager or a format that does not exist is refused with those that do."""
    with pytest.raises(SaltInvocationError) as refused:
        package("hello", "1.0", "/srv", "/srv/x", **options)
    assert str(refused.value) == message
