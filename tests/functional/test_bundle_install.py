"""Bundles installed by a real dpkg, whose files and database lie in tmp_path."""

import os
import subprocess
import sys
from pathlib import Path

import builder
import pytest
from layer_maker import Package, install_packages, remake

from holodeck import names
from holodeck_bundle import deb, downloads, install, proof, receipts
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
    monkeypatch.setattr(names, "STATE", str(tmp_path / "state"))
    monkeypatch.setattr(downloads, "HOME", tmp_path / "downloads")
    monkeypatch.setattr(receipts, "RECEIPTS", tmp_path / "receipts")
    admin = tmp_path / "dpkg"
    for name in ("info", "updates", "triggers"):
        (admin / name).mkdir(parents=True)
    (admin / "status").touch()
    (admin / "available").touch()
    monkeypatch.setenv("DPKG_ADMINDIR", str(admin))
    return tmp_path


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


def _dpkg(*words):
    done = subprocess.run(["dpkg", *words], text=True, capture_output=True, check=False)
    return done.stdout


def _there(path):
    return Path(path).exists()


def test_install_proves_and_keeps_a_receipt(host, bundles):
    """An installed bundle is listed, proven, and leaves no download behind."""
    digests = install_packages(bundles[A], A)
    assert digests == {p.layer["root"]: p.layer["tree"] for p in bundles[A]}
    assert receipts.installed() == {"guestbook": [A]}
    assert receipts.get("guestbook", A)["layers"][1] == bundles[A][1].layer
    assert list(downloads.HOME.iterdir()) == []


def test_install_again_installs_nothing(host, bundles):
    """What is there with the right bytes is not missing."""
    install_packages(bundles[A], A)
    assert proof.missing([p.layer for p in bundles[A]]) == []


def test_install_next_commit_needs_its_own_layer_alone(host, bundles):
    """Bundles lie side by side; the shared layer is not installed again."""
    install_packages(bundles[A], A)
    missing = proof.missing([p.layer for p in bundles[B]])
    assert missing == [bundles[B][1].layer]
    install_packages(bundles[B], B)
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
    install_packages(bundles[A], A)
    harm(Path(bundles[A][1].layer["root"], "file"))
    assert proof.missing([p.layer for p in bundles[A]]) == [bundles[A][1].layer]
    install_packages(bundles[A], A)
    assert proof.differing([p.layer for p in bundles[A]]) == []


def test_install_stray_file_is_mended(host, bundles):
    """A file that no package has is not what was built: the layer is placed anew."""
    install_packages(bundles[A], A)
    stray = Path(bundles[A][1].layer["root"], "stray")
    stray.touch()
    install_packages(bundles[A], A)
    assert not stray.exists()


def test_place_difference_links_what_is_the_same(host, bundles):
    """A layer that follows another moves its changes alone, and shares the rest."""
    first, second = bundles[A][1], bundles[B][1]
    for package in (first, second):
        (package.home / "same").write_text("same")
    remake(first, second)
    second.follow(first)
    install_packages(bundles[A], A)
    install_packages(bundles[B], B)
    old, new = Path(first.layer["root"]), Path(second.layer["root"])
    assert (new / "file").read_text() == B
    assert (old / "same").samefile(new / "same")
    assert not (old / "file").samefile(new / "file")


def test_place_difference_from_a_damaged_base_takes_the_whole(host, bundles):
    """A base with other bytes is noticed, and the whole layer is fetched."""
    bundles[B][1].follow(bundles[A][1])
    install_packages(bundles[A], A)
    Path(bundles[A][1].layer["root"], "stray").touch()
    install_packages(bundles[B], B)
    assert proof.differing([p.layer for p in bundles[B]]) == []


def test_register_enters_what_came_as_a_difference(host, bundles):
    """Dpkg lists, verifies and purges a layer whose package never came."""
    bundles[B][1].follow(bundles[A][1])
    install_packages(bundles[A], A)
    install_packages(bundles[B], B)
    name = bundles[B][1].layer["package"]
    assert install.register("deb") == [name]
    assert install.register("deb") == []
    root = bundles[B][1].layer["root"]
    assert f"{root}/file" in _dpkg("-L", name).splitlines()
    assert _dpkg("-V", name) == ""
    Path(root, "file").write_text("edited")
    assert f"{root}/file" in _dpkg("-V", name)
    assert install.remove("guestbook", [B], "deb") == [name]
    assert not _there(root)
    assert Path(bundles[A][1].layer["root"], "file").read_text() == A


@pytest.mark.parametrize("step", ["tree_digest", "sync_filesystem", "sync_folder"])
@pytest.mark.parametrize("way", ["whole", "difference"])
def test_place_cut_off_converges(host, bundles, monkeypatch, step, way):
    """Cut off at any step, nothing half is in place, and the next run finishes."""
    if way == "difference":
        bundles[B][1].follow(bundles[A][1])
    install_packages(bundles[A], A)
    layer = bundles[B][1].layer

    def cut(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if step != "tree_digest":
            patch.setattr(files, step, cut)
            with pytest.raises(KeyboardInterrupt):
                install_packages(bundles[B], B)
        else:
            patch.setattr(install, {"whole": "_move_in"}.get(way, "_settle"), cut)
            with pytest.raises(KeyboardInterrupt):
                install_packages(bundles[B], B)
    assert not _there(layer["root"]) or proof.differing([layer]) == []
    install_packages(bundles[B], B)
    assert proof.differing([layer]) == []
    assert proof.differing([p.layer for p in bundles[A]]) == []


_HOLD_LOCK = """
import fcntl, sys
with open(sys.argv[1], "w") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_install_waits_for_another_user_of_dpkg(host, bundles, monkeypatch):
    """While apt or an unattended upgrade has dpkg's lock, an installation waits."""
    argv = [sys.executable, "-c", _HOLD_LOCK, str(host / "dpkg" / "lock")]
    sleeps = []
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"

        def wait(seconds):
            sleeps.append(seconds)
            other.stdin.close()
            other.wait()

        monkeypatch.setattr(deb.time, "sleep", wait)
        install_packages(bundles[A], A)
    assert sleeps
    assert bundles[A][1].layer["package"] in deb.packages()


def test_install_gives_up_on_a_lock_that_stays(host, bundles, monkeypatch):
    """A lock that is never let go is an error that names its owner."""
    argv = [sys.executable, "-c", _HOLD_LOCK, str(host / "dpkg" / "lock")]
    monkeypatch.setattr(deb, "LOCK_S", 0)
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(HolodeckError, match=f"process with pid {other.pid}"):
            install_packages(bundles[A], A)
        other.stdin.close()


def test_checked_download_throws_wrong_bytes_away(host, shared):
    """A package that arrives with other bytes is never installed, and does not stay."""
    path = downloads.path_for(shared.layer)
    path.write_bytes(b"other")
    with pytest.raises(HolodeckError, match="it was thrown away"):
        downloads.checked(shared.layer, path, arrived=True)
    assert list(downloads.HOME.iterdir()) == []


@pytest.mark.parametrize("arrived", [True, False])
def test_checked_download_that_never_came_is_an_error(host, shared, arrived):
    """A package that the master does not have is an error, whatever Salt says."""
    path = downloads.path_for(shared.layer)
    with pytest.raises(HolodeckError, match="is not in the master's store"):
        downloads.checked(shared.layer, path, arrived=arrived)


def test_remove_keeps_layers_that_others_need(host, bundles, shared):
    """The shared layer goes with the last bundle that needs it."""
    install_packages(bundles[A], A)
    install_packages(bundles[B], B)
    install_packages([shared], C, name="other")
    assert install.remove("guestbook", [A, B], "deb") == sorted(
        names.app_package("guestbook", c) for c in (A, B)
    )
    assert _there(shared.layer["root"])
    assert install.remove("other", [C], "deb") == ["holodeck-deps-1"]
    assert not _there(shared.layer["root"])
    assert receipts.installed() == {}


def test_remove_takes_stray_files_along(host, bundles):
    """A file that came later does not keep the folder."""
    install_packages(bundles[A], A)
    Path(bundles[A][1].layer["root"], "stray").touch()
    install.remove("guestbook", [A], "deb")
    assert not _there(bundles[A][1].layer["root"])


@pytest.mark.parametrize("step", ["run", "rmtree"])
def test_remove_cut_off_converges(host, bundles, monkeypatch, step):
    """A removal that was cut off is finished by the next one."""
    install_packages(bundles[A], A)

    def cut(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if step == "run":
            patch.setattr(install.database.deb.deb_words, "remove_argv", cut)
        else:
            patch.setattr(install.shutil, "rmtree", cut)
        with pytest.raises(KeyboardInterrupt):
            install.remove("guestbook", [A], "deb")
    assert receipts.installed() == {"guestbook": [A]}
    install.remove("guestbook", [A], "deb")
    assert receipts.installed() == {}
    assert not _there(bundles[A][1].layer["root"])


def test_receipt_of_what_is_not_installed_names_the_others(host, bundles):
    """A bundle that is not here is refused with the ones that are."""
    install_packages(bundles[A], A)
    with pytest.raises(HolodeckError, match=f"installed are \\['{A}'\\]"):
        receipts.get("guestbook", B)


def test_current_is_where_the_link_points(host):
    """The current commit is read from the link; without one there is none."""
    assert install.current("guestbook") is None
    link = Path(names.PREFIX, "guestbook", "current")
    link.parent.mkdir(parents=True)
    link.symlink_to(A)
    assert install.current("guestbook") == A
