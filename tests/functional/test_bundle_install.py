"""Bundles installed by a real dpkg, whose files and database lie in tmp_path."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import builder
import pytest

from holodeck import names, packaging
from holodeck_bundle import install
from holodeck_io import files
from holodeck_io.errors import HolodeckError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
A, B, C = "a" * 40, "b" * 40, "c" * 40


@pytest.fixture
def host(tmp_path, monkeypatch):
    """
    A host below tmp_path.

    Packages carry the whole path, so dpkg unpacks below / into tmp_path alone;
    its database is a private folder.
    """
    monkeypatch.setenv("PATH", f"{builder.PACK}/.venv/bin:{os.environ['PATH']}")
    monkeypatch.setattr(names, "PREFIX", str(tmp_path / "opt"))
    monkeypatch.setattr(install, "DOWNLOADS", tmp_path / "downloads")
    monkeypatch.setattr(install, "RECEIPTS", tmp_path / "receipts")
    admin = tmp_path / "dpkg"
    for name in ("info", "updates", "triggers"):
        (admin / name).mkdir(parents=True)
    (admin / "status").touch()
    (admin / "available").touch()
    monkeypatch.setenv("DPKG_ADMINDIR", str(admin))
    return tmp_path


class Package:
    """A layer with one file, made by the real packager."""

    def __init__(self, host, name, root, text, depends=()):
        self.source = host / "made" / name
        home = Path(f"{self.source}{root}")
        home.mkdir(parents=True)
        (home / "file").write_text(text)
        file = host / "made" / f"{name}.deb"
        config = host / "made" / f"{name}.yaml"
        wanted = packaging.Package(
            name, "1", str(self.source), "deb", "x86_64", 0, depends, name
        )
        config.write_text(packaging.nfpm_config(wanted))
        subprocess.run(
            packaging.nfpm_argv(wanted, str(config), str(file)),
            check=True, capture_output=True,
        )  # fmt: skip
        self.file = file
        self.layer = {
            "package": name,
            "root": str(root),
            "filename": file.name,
            "sha256": files.sha256_file(file),
            "tree": files.tree_digest(home),
        }


@pytest.fixture
def shared(host):
    """The dependencies' layer that the bundles share."""
    return Package(host, "holodeck-deps-1", f"{names.PREFIX}/deps/1", "deps")


@pytest.fixture
def bundles(host, shared):
    """``{commit: [layers]}`` of three bundles on the shared layer."""
    made = {}
    for commit in (A, B, C):
        root = names.bundle_root("guestbook", commit)
        name = names.app_package("guestbook", commit)
        made[commit] = [
            shared,
            Package(host, name, root, commit, (shared.source.name,)),
        ]
    return made


def _install(packages, commit, name="guestbook"):
    layers = [package.layer for package in packages]
    missing = install.missing(layers, "deb")
    fetched = [_fetch(p) for p in packages if p.layer in missing]
    if fetched:
        install.unpack("deb", fetched)
    return install.proven(name, commit, layers, "deb")


def _fetch(package):
    path = install.download_path(package.layer)
    shutil.copy(package.file, path)
    return install.checked_download(package.layer, path, arrived=True)


def _there(path):
    return Path(path).exists()


def test_install_proves_and_keeps_a_receipt(host, bundles):
    """An installed bundle is listed, proven, and leaves no download behind."""
    digests = _install(bundles[A], A)
    assert digests == {p.layer["root"]: p.layer["tree"] for p in bundles[A]}
    assert install.installed() == {"guestbook": [A]}
    assert install.receipt("guestbook", A)["layers"][1] == bundles[A][1].layer
    assert [p.name for p in install.DOWNLOADS.iterdir()] == [".lock"]


def test_install_again_installs_nothing(host, bundles):
    """What is there with the right bytes is not missing."""
    _install(bundles[A], A)
    assert install.missing([p.layer for p in bundles[A]], "deb") == []


def test_install_next_commit_needs_its_own_layer_alone(host, bundles):
    """Bundles lie side by side; the shared layer is not installed again."""
    _install(bundles[A], A)
    missing = install.missing([p.layer for p in bundles[B]], "deb")
    assert missing == [bundles[B][1].layer]
    _install(bundles[B], B)
    assert Path(bundles[A][1].layer["root"], "file").read_text() == A
    assert Path(bundles[B][1].layer["root"], "file").read_text() == B


@pytest.mark.parametrize(
    "harm",
    [
        lambda file: file.write_text("edited"),
        lambda file: file.unlink(),
        lambda file: file.chmod(0o600),
        lambda file: (file.unlink(), file.symlink_to("/etc/passwd")),
    ],
    ids=["edited", "removed", "other mode", "link"],
)
def test_install_damaged_layer_is_mended(host, bundles, harm):
    """A layer whose files were touched is missing, and installed anew."""
    _install(bundles[A], A)
    harm(Path(bundles[A][1].layer["root"], "file"))
    assert install.missing([p.layer for p in bundles[A]], "deb") == [
        bundles[A][1].layer
    ]
    _install(bundles[A], A)
    assert install.differing([p.layer for p in bundles[A]]) == []


def test_proven_stray_file_is_refused(host, bundles):
    """A file that no package has is not what was built; the error says where."""
    _install(bundles[A], A)
    Path(bundles[A][1].layer["root"], "stray").touch()
    with pytest.raises(HolodeckError, match="holodeck-guestbook-aaaaaaaaaaaa are not"):
        _install(bundles[A], A)


def test_checked_download_throws_wrong_bytes_away(host, shared):
    """A package that arrives with other bytes is never installed, and does not stay."""
    path = install.download_path(shared.layer)
    path.write_bytes(b"other")
    with pytest.raises(HolodeckError, match="it was thrown away"):
        install.checked_download(shared.layer, path, arrived=True)
    assert list(install.DOWNLOADS.iterdir()) == []


@pytest.mark.parametrize("arrived", [True, False])
def test_checked_download_that_never_came_is_an_error(host, shared, arrived):
    """A package that the master does not have is an error, whatever Salt says."""
    path = install.download_path(shared.layer)
    with pytest.raises(HolodeckError, match="is not in the master's store"):
        install.checked_download(shared.layer, path, arrived=arrived)


def test_remove_keeps_layers_that_others_need(host, bundles, shared):
    """The shared layer goes with the last bundle that needs it."""
    _install(bundles[A], A)
    _install(bundles[B], B)
    _install([shared], C, name="other")
    assert install.remove("guestbook", [A, B], "deb") == sorted(
        names.app_package("guestbook", c) for c in (A, B)
    )
    assert _there(shared.layer["root"])
    assert install.remove("other", [C], "deb") == ["holodeck-deps-1"]
    assert not _there(shared.layer["root"])
    assert install.installed() == {}


def test_remove_takes_stray_files_along(host, bundles):
    """A file that came later does not keep the folder."""
    _install(bundles[A], A)
    Path(bundles[A][1].layer["root"], "stray").touch()
    install.remove("guestbook", [A], "deb")
    assert not _there(bundles[A][1].layer["root"])


@pytest.mark.parametrize("step", ["run", "rmtree"])
def test_remove_cut_off_converges(host, bundles, monkeypatch, step):
    """A removal that was cut off is finished by the next one."""
    _install(bundles[A], A)

    def cut(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if step == "run":
            patch.setattr(install.packaging, "remove_argv", cut)
        else:
            patch.setattr(install.shutil, "rmtree", cut)
        with pytest.raises(KeyboardInterrupt):
            install.remove("guestbook", [A], "deb")
    assert install.installed() == {"guestbook": [A]}
    install.remove("guestbook", [A], "deb")
    assert install.installed() == {}
    assert not _there(bundles[A][1].layer["root"])


def test_receipt_of_what_is_not_installed_names_the_others(host, bundles):
    """A bundle that is not here is refused with the ones that are."""
    _install(bundles[A], A)
    with pytest.raises(HolodeckError, match=f"installed are \\['{A}'\\]"):
        install.receipt("guestbook", B)


def test_current_is_where_the_link_points(host):
    """The current commit is read from the link; without one there is none."""
    assert install.current("guestbook") is None
    link = Path(names.PREFIX, "guestbook", "current")
    link.parent.mkdir(parents=True)
    link.symlink_to(A)
    assert install.current("guestbook") == A


def test_tree_digest_sees_names_types_modes_and_bytes(tmp_path):
    """Every change that a process could notice changes the digest; times do not."""
    file = tmp_path / "tree" / "file"
    file.parent.mkdir()
    file.write_text("x")
    seen = {files.tree_digest(tmp_path / "tree")}
    os.utime(file, (0, 0))
    assert files.tree_digest(tmp_path / "tree") in seen
    for change in (
        lambda: file.write_text("y"), lambda: file.chmod(0o600),
        lambda: file.rename(file.with_name("z")), (tmp_path / "tree/d").mkdir,
        lambda: (tmp_path / "tree/l").symlink_to("z"),
    ):  # fmt: skip
        change()
        digest = files.tree_digest(tmp_path / "tree")
        assert digest not in seen
        seen.add(digest)


def test_sha256_file_is_sha256(tmp_path):
    """The digest is the one that everybody else computes."""
    (tmp_path / "f").write_bytes(b"x" * 3_000_000)
    wanted = hashlib.sha256(b"x" * 3_000_000).hexdigest()
    assert files.sha256_file(tmp_path / "f") == wanted
