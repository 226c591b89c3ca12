"""Layers in a real rpm database of their own, from packages by the real nfpm."""

import os
import shutil
import stat
from pathlib import Path

import builder
import pytest
from rpm_host import Host, rebuild, wrap

from holodeck import names
from holodeck_bundle import delta, rpm
from holodeck_io import files
from holodeck_io.errors import HolodeckError

pytestmark = [
    pytest.mark.skipif(not shutil.which("rpm"), reason="needs rpm (Debian: rpm)"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]
A, B = "a" * 40, "b" * 40
_NEEDS = ("/usr/bin/python3.11", "libz.so.1()(64bit)", "libc.so.6(GLIBC_2.34)(64bit)")


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host whose packages carry whole paths, all of them below tmp_path."""
    monkeypatch.setenv("PATH", f"{builder.PACK}/.venv/bin:{os.environ['PATH']}")
    monkeypatch.setattr(names, "PREFIX", str(tmp_path / "opt"))
    return Host(tmp_path)


@pytest.fixture
def layers(host):
    """Two commits' layers of one service, of different days."""
    return [
        host.package(
            names.app_package("guestbook", commit),
            names.bundle_root("guestbook", commit),
            commit,
            epoch=epoch,
        )
        for commit, epoch in ((A, 1000), (B, 2000))
    ]


@pytest.fixture
def needy(host):
    """A layer with requirements of every kind, none of which is here."""
    return host.package(
        "holodeck-deps-1", f"{names.PREFIX}/deps/1", "deps", ("holodeck-x", *_NEEDS)
    )


def _facts(root):
    return {
        (path.relative_to(root), stat.filemode(info.st_mode), info.st_uid, mtime)
        for path in [root, *root.rglob("*")]
        for info in [path.lstat()]
        for mtime in [None if path.is_dir() else info.st_mtime]
    }


def test_package_twice_is_the_same_bytes(host, layers):
    """One tree makes one rpm, byte for byte, also from another folder."""
    elsewhere = host.home / "elsewhere"
    shutil.copytree(host.home / "made" / layers[0]["file"].stem, elsewhere,
                    symlinks=True)  # fmt: skip
    wrap(elsewhere, host.home / "again.rpm", layers[0]["package"], (), 1000)
    assert files.sha256_file(host.home / "again.rpm") == files.sha256_file(
        layers[0]["file"]
    )


def test_extract_gives_the_tree(host, layers):
    """Unpacking gives the built tree, owners and times too, and leaves no database."""
    layer, folder = layers[0], host.home / "unpacked"
    rpm.extract(layer["file"], folder)
    inside = Path(f"{folder}{layer['root']}")
    assert files.tree_digest(inside) == layer["tree"]
    assert _facts(inside) == _facts(layer["home"])
    assert [path.name for path in folder.iterdir()] == [host.home.parts[1]]
    assert rpm.packages(host.database) == {}


def test_extract_damaged_payload_is_an_error(host, layers):
    """A package whose payload was harmed is refused, by its digest."""
    content = bytearray(layers[0]["file"].read_bytes())
    content[-5] ^= 0xFF
    layers[0]["file"].write_bytes(content)
    with pytest.raises(HolodeckError, match="digest: BAD"):
        rpm.extract(layers[0]["file"], host.home / "unpacked")


@pytest.mark.parametrize("way", ["package", "index"])
def test_register_is_what_rpm_knows(host, layers, way):
    """Rpm lists, finds and verifies a layer that it did not put in place."""
    layer = layers[0]
    host.place(layer)
    if way == "package":
        rpm.register([(layer["file"], "")], dbpath=host.database)
    else:
        host.enter(layer)
    name, root = layer["package"], Path(layer["root"])
    assert list(rpm.packages(host.database)) == [name]
    listed = host.rpm("--query", "--list", name).splitlines()
    assert {str(root), *map(str, root.rglob("*"))} <= set(listed)
    assert host.rpm("-q", "-f", str(root / "bin" / "say")).startswith(name)
    assert host.verified(name) == []
    (root / "file").write_text("edited")
    assert host.verified(name) == [f"S.5....T.    {root / 'file'}"]


@pytest.mark.parametrize("query", ["--requires", "--provides", "--info"])
def test_index_says_what_the_package_says(host, needy, query):
    """An index made of the files is of the same package as the real one."""
    host.place(needy)
    target = host.home / "index.rpm"
    rpm.write_index(needy, target)
    said = [
        # The size counts folders, each as its file system has it.
        [row for row in rows.splitlines() if not row.startswith("Size")]
        for file in (needy["file"], target)
        for rows in [host.rpm("--query", query, "--package", str(file))]
    ]
    assert said[0] == said[1]
    assert said[0]


def test_index_lists_what_the_package_lists(host, needy):
    """Sizes, times, digests, modes, owners and links are the real package's."""
    host.place(needy)
    target = host.home / "index.rpm"
    rpm.write_index(needy, target)
    facts = ("SIZES", "MTIMES", "DIGESTS", "MODES:perms", "USERNAME", "LINKTOS")
    line = f"[%{{FILENAMES}} {' '.join(f'%{{FILE{fact}}}' for fact in facts)}\\n]"
    said = [
        # Folders have sizes and times of their own on each file system, and nfpm
        # gives links no mode; rpm looks at neither.
        [row.replace("l---------", "lrwxrwxrwx") for row in rows if " d" not in row]
        for file in (needy["file"], target)
        for rows in [host.listed("--queryformat", line, "--package", str(file))]
    ]
    assert said[0] == said[1]
    assert len(said[0]) == 4
    lists = [host.listed("--list", "--package", str(file))
             for file in (needy["file"], target)]  # fmt: skip
    assert lists[0] == lists[1]


def test_index_has_no_hard_links_and_no_payload(host, needy):
    """Files of an index are files of their own, and no payload is promised."""
    host.place(needy)
    target = host.home / "index.rpm"
    rpm.write_index(needy, target)
    query = ("--query", "--package", str(target), "--queryformat")
    inodes = host.rpm(*query, "[%{FILEINODES}\\n]").split()
    assert len(set(inodes)) == len(inodes) > 6
    assert host.rpm(*query, "%{PAYLOADDIGEST}") == "(none)"


def test_index_has_no_file_of_the_template(host, needy):
    """What travels for an index is as short for a thousand files as for one."""
    assert len(needy["control"]) < 4000
    assert b"empty" not in bytes.fromhex(needy["control"])
    assert b"empty" in rpm.header_of(needy["file"])


@pytest.mark.skipif(not shutil.which("rpmbuild"), reason="needs rpmbuild")
def test_index_of_a_package_by_rpmbuild(host, layers):
    """What only rpmbuild says of files does not outlive the files it was said of."""
    layer = layers[0]
    host.place(layer)
    built = rebuild(layer, host.home)
    colours = ("--queryformat", "[%{FILECOLORS}\\n]")
    assert host.rpm("--query", "--package", str(built), *colours).count("\n") > 6
    layer["control"] = rpm.control_of(built)
    host.enter(layer)
    assert host.rpm("--query", layer["package"], *colours) == ""
    assert host.verified(layer["package"]) == []


def test_register_difference_verifies(host, layers):
    """A layer of hard links to another day's layer verifies, as does that one."""
    old, new = layers
    host.place(old)
    rpm.register([(old["file"], "")], dbpath=host.database)
    archive = host.home / "delta"
    delta.create(old["home"], new["home"], archive)
    delta.apply(old["root"], archive, new["root"])
    assert Path(old["root"], "same").samefile(Path(new["root"], "same"))
    host.enter(new)
    assert host.verified(new["package"], old["package"]) == []


def test_register_keeps_other_commits(host, layers):
    """Commits lie side by side in the database, and again changes nothing."""
    for layer in (*layers, *layers):
        rpm.register([(layer["file"], "")], dbpath=host.database)
    assert sorted(rpm.packages(host.database)) == sorted(x["package"] for x in layers)
    assert len(host.rpm("--query", "--all").splitlines()) == 2


def test_register_other_content_touches_no_file(host, layers):
    """A layer of the same name with other content replaces the entry alone."""
    layer = layers[0]
    host.place(layer)
    rpm.register([(layer["file"], "")], dbpath=host.database)
    other = host.package(layer["package"], layer["root"], "other", epoch=3000)
    rpm.register([(other["file"], "")], dbpath=host.database)
    assert Path(layer["root"], "file").read_text() == A
    assert len(host.rpm("--query", "--all").splitlines()) == 1
    assert str(Path(layer["root"], "file")) in host.rpm("--verify", layer["package"])


def test_register_cut_short_is_an_error(host, layers):
    """A package without its whole head is not entered."""
    file = layers[0]["file"]
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(HolodeckError):
        rpm.register([(file, "")], dbpath=host.database)
    assert rpm.packages(host.database) == {}


def test_remove_takes_files_and_folders_of_one_alone(host, layers):
    """Erasing one commit leaves the other's files; the last takes shared folders."""
    for layer in layers:
        host.place(layer)
        host.enter(layer)
    old, new = layers
    rpm.remove([old["package"]], host.database)
    assert not Path(old["root"]).exists()
    assert files.tree_digest(new["root"]) == new["tree"]
    assert host.verified(new["package"]) == []
    rpm.remove([new["package"]], host.database)
    assert not Path(names.PREFIX).exists()


def test_remove_refuses_what_another_layer_needs(host, layers):
    """The dependencies' layer goes with, not before, what stands on it."""
    base = host.package("holodeck-deps-1", f"{names.PREFIX}/deps/1", "deps")
    app = host.package("holodeck-app", f"{names.PREFIX}/app/1", "app", (
        "holodeck-deps-1",))  # fmt: skip
    for layer in (app, base):
        rpm.register([(layer["file"], "")], dbpath=host.database)
    with pytest.raises(HolodeckError, match="is needed by"):
        rpm.remove(["holodeck-deps-1"], host.database)
    rpm.remove(["holodeck-deps-1", "holodeck-app"], host.database)
    assert rpm.packages(host.database) == {}


@pytest.mark.parametrize("way", ["package", "index"])
def test_unmet_names_what_the_host_lacks(host, needy, layers, way):
    """Missing capabilities are named as dnf takes them; our own are not asked for."""
    file = needy["file"]
    if way == "index":
        host.place(needy)
        file = host.enter(needy)
    assert rpm.unmet(file, host.database) == sorted(_NEEDS)
    assert rpm.unmet(layers[0]["file"], host.database) == []


def test_unmet_of_no_package_is_an_error(host):
    """What rpm cannot read is no package without needs."""
    file = host.home / "broken.rpm"
    file.write_text("no package")
    with pytest.raises(HolodeckError, match=r"broken\.rpm: rpm does not take it"):
        rpm.unmet(file, host.database)


@pytest.mark.parametrize("enabled", [True, False])
def test_label_where_selinux_is(tmp_path, monkeypatch, enabled):
    """Files are labelled below the folder where SELinux is in use, else not."""
    tool = tmp_path / "restorecon"
    tool.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(rpm, "SELINUX", tmp_path if enabled else tmp_path / "none")
    rpm.label("/srv/x")
    said = tmp_path / "said"
    assert said.exists() is enabled
    assert not enabled or said.read_text() == "-R -F /srv/x\n"
