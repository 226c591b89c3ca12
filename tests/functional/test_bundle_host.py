"""Bundles on a host, through the functions that Salt loads: both package formats."""

import os
import shutil
from pathlib import Path

import pytest
from bundle_host import Host, bundle, said

from holodeck import names
from holodeck_io import files

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
A, B, C = "a" * 40, "b" * 40, "c" * 40
_KINDS = [
    "deb",
    pytest.param("rpm", marks=pytest.mark.skipif(
        not shutil.which("rpm"), reason="needs rpm (Debian: rpm)")),
]  # fmt: skip


@pytest.fixture(params=_KINDS)
def host(request, tmp_path, monkeypatch):
    """A host of one package format with nothing on it."""
    return Host(tmp_path, monkeypatch, request.param)


@pytest.fixture
def deb_host(tmp_path, monkeypatch):
    """A host with a dpkg database, where the format makes no difference."""
    return Host(tmp_path, monkeypatch)


def _two(host):
    """Return two bundles on one layer of dependencies, the second by difference."""
    deps = host.deps()
    first = host.app(A, "first", deps)
    second = host.app(B, "second", deps, base=first)
    return bundle(A, deps, first), bundle(B, deps, second)


def _told(made):
    return {key: made[key] for key in ("name", "commit", "layers")}


def _digests(made):
    return {layer["root"]: layer["tree"] for layer in made["layers"]}


def _on_disk(made):
    return {root: files.tree_digest(root) for root in _digests(made)}


def test_install_whole_then_by_difference(host):
    """Both come as they should, are proven, and only what is new is fetched."""
    first, second = _two(host)
    done = host.install(first)
    assert done["digest"] == _digests(first) == _on_disk(first)
    assert sorted(host.fetched) == sorted(x["filename"] for x in first["layers"])
    host.fetched.clear()
    assert host.install(second)["digest"] == _digests(second) == _on_disk(second)
    old, new = first["layers"][1]["root"], second["layers"][1]["root"]
    assert host.fetched == [f"{second['layers'][1]['package']}.delta"]
    assert Path(old, "lib/same").samefile(Path(new, "lib/same"))
    assert host.call("list") == {"guestbook": [A, B]}
    assert host.leftovers() == []


def test_install_changes_name_what_was_installed(host):
    """Changes are the packages that are new, with what they are now."""
    first, second = _two(host)
    deps, app = first["layers"]
    assert host.install(first)["changes"] == {
        x["package"]: {"old": None, "new": x["tree"][:12]} for x in (deps, app)
    }
    assert list(host.install(second)["changes"]) == [second["layers"][1]["package"]]


def test_install_again_changes_nothing(host):
    """What is installed is proven again, and neither fetched nor changed."""
    first, second = _two(host)
    host.call("stage", [first, second])
    inode = Path(second["layers"][1]["root"]).stat().st_ino
    host.fetched.clear()
    assert host.install(second) == {"digest": _digests(second), "changes": {}}
    assert host.call("missing", **_told(second)) == []
    assert host.fetched == []
    assert Path(second["layers"][1]["root"]).stat().st_ino == inode


def test_install_difference_from_an_edited_base_is_mended(host):
    """A base edited in place is noticed by the proof; the whole layer mends it."""
    first, second = _two(host)
    host.install(first)
    Path(first["layers"][1]["root"], "lib/same").write_text("edit")
    host.fetched.clear()
    done = host.install(second)
    app = second["layers"][1]
    assert host.fetched == [f"{app['package']}.delta", app["filename"]]
    assert done["digest"] == _digests(second) == _on_disk(second)
    assert list(done["changes"]) == [app["package"]]
    assert host.leftovers() == []


def test_install_edited_layer_is_mended_and_named(host):
    """A layer that was edited is a change of the next install, alone."""
    first, _ = _two(host)
    host.install(first)
    Path(first["layers"][0]["root"], "file").write_text("edited")
    assert host.call("missing", **_told(first)) == [first["layers"][0]["package"]]
    assert list(host.install(first)["changes"]) == [first["layers"][0]["package"]]
    assert _on_disk(first) == _digests(first)


def test_install_of_the_same_commit_rebuilt_replaces_it(host):
    """Layers of the same names with other content take the old ones' places."""
    first, _ = _two(host)
    host.install(first)
    deps = host.deps("other deps")
    again = bundle(A, deps, host.app(A, "rebuilt", deps))
    assert host.install(again)["digest"] == _digests(again) == _on_disk(again)
    assert host.known() == sorted(x["package"] for x in again["layers"])
    assert host.call("register") == []
    app = again["layers"][1]
    Path(app["root"], "file").write_text("edited")
    assert host.call("verify", "guestbook", A)["differs"] == {
        app["root"]: ["file has other content"]
    }


def test_install_of_the_same_commit_never_lacks_a_file(host, monkeypatch):
    """What runs keeps its files until the new ones are in their place, in one step."""
    first, _ = _two(host)
    host.install(first)
    deps = host.deps("other deps")
    again = bundle(A, deps, host.app(A, "rebuilt", deps))
    seen = []

    def look(root):
        seen.append({path: files.tree_digest(path) for path in _digests(first)})

    for function in ("sync_filesystem", "sync_folder"):
        real = getattr(files, function)
        monkeypatch.setattr(files, function, lambda p, r=real: (look(p), r(p)))
    host.install(again)
    assert len(seen) >= 4
    for trees in seen:
        for root, digest in trees.items():
            assert digest in {_digests(first)[root], _digests(again)[root]}


_HARMS = {
    "file has other content": lambda root: (root / "file").write_text("edited"),
    "lib/same is missing": lambda root: (root / "lib/same").unlink(),
    "stray belongs to no package": lambda root: (root / "stray").touch(),
    "bin/say has": lambda root: (root / "bin/say").chmod(0o700),
    "link": lambda root: (
        (root / "link").unlink(), (root / "link").symlink_to("bin/say")),
}  # fmt: skip


@pytest.mark.parametrize("way", ["whole", "registered"])
@pytest.mark.parametrize("what", _HARMS)
def test_verify_names_the_file_that_differs(host, way, what):
    """Each file that is not what was built is named, and no other."""
    for made in _two(host):
        host.install(made)
    host.call("register")
    commit = A if way == "whole" else B
    assert host.call("verify", "guestbook", commit) == {"ok": True, "differs": {}}
    root = Path(names.bundle_root("guestbook", commit))
    _HARMS[what](root)
    found = host.call("verify", "guestbook", commit)
    assert found["ok"] is False
    assert list(found["differs"]) == [str(root)]
    assert len(found["differs"][str(root)]) == 1
    assert found["differs"][str(root)][0].startswith(what)


def test_verify_before_it_is_registered_says_so(host):
    """A damaged layer that no package database knows is found all the same."""
    for made in _two(host):
        host.install(made)
    root = names.bundle_root("guestbook", B)
    Path(root, "file").write_text("edited")
    found = host.call("verify", "guestbook", B)
    assert (found["ok"], list(found["differs"])) == (False, [root])
    assert "not in the package database" in found["differs"][root][0]


def test_register_enters_differences_once(host):
    """What came as a difference is entered, once; a damaged layer is not."""
    first, second = _two(host)
    host.call("stage", [first, second])
    assert host.known() == sorted(x["package"] for x in first["layers"])
    file = Path(second["layers"][1]["root"], "file")
    file.write_text("edited")
    assert host.call("register") == []
    file.write_text("second")
    assert host.call("register") == [second["layers"][1]["package"]]
    assert host.call("register") == []
    assert _on_disk(second) == _digests(second)
    assert host.leftovers() == []


@pytest.mark.parametrize("commit", [A, B], ids=["whole", "registered"])
def test_dpkg_knows_a_layer(deb_host, commit):
    """Dpkg lists, finds, verifies and purges a layer as any package."""
    host = deb_host
    for made in _two(host):
        host.install(made)
    host.call("register")
    package = names.app_package("guestbook", commit)
    root = names.bundle_root("guestbook", commit)
    listed = said("dpkg", "-L", package).splitlines()
    there = {f"{root}/{name}" for name in files.names_below(root)}
    assert there | {root} == {line for line in listed if line.startswith(root)}
    assert said("dpkg", "-S", f"{root}/bin/say") == f"{package}: {root}/bin/say\n"
    assert said("dpkg", "-V", package) == ""
    Path(root, "file").write_text("edited")
    assert [f"{root}/file"] == said("dpkg", "-V", package).split()[1:]
    said("dpkg", "--purge", package)
    assert not Path(root).exists()
    assert package not in host.known()
    other = {A: B, B: A}[commit]
    assert host.call("verify", "guestbook", other)["ok"]


def test_prune_enters_what_stays(host):
    """After it the package database knows what came as a difference too."""
    first, second = _two(host)
    host.call("stage", [first, second])
    assert host.call("prune", "guestbook", [A, B]) == []
    layers = [*first["layers"], *second["layers"]]
    assert host.known() == sorted({layer["package"] for layer in layers})


def test_prune_of_a_service_takes_configurations_and_bundles(deb_host):
    """One call removes what is not kept of both; the bundles where they are named."""
    host = deb_host
    for made in _two(host):
        host.install(made)
    for deployment in ("a-1", "b-1"):
        home = Path(names.CONFIG, "guestbook", deployment)
        home.mkdir(parents=True)
        (home / "deployment.json").touch()
    prune = host.functions["webapp.prune"]
    assert prune("guestbook", ["b-1"]) == ["a-1"]
    assert host.call("list") == {"guestbook": [A, B]}
    gone = names.app_package("guestbook", A)
    assert prune("guestbook", ["b-1"], commits=[B]) == [gone]
    assert host.call("list") == {"guestbook": [B]}


def test_prune_keeps_what_another_bundle_needs(host):
    """Files, packages and receipts go, but for what runs and what others need."""
    first, second = _two(host)
    deps = first["layers"][0]
    other = bundle(C, deps, host.app(C, "other", deps, name="kinto"), name="kinto")
    host.call("stage", [first, second, other])
    host.call("register")
    Path(names.PREFIX, "guestbook", "current").symlink_to(B)
    gone = first["layers"][1]
    assert host.call("prune", "guestbook", [A, B]) == []
    assert host.call("prune", "guestbook", []) == [gone["package"]]
    assert not Path(gone["root"]).exists()
    assert host.call("list") == {"guestbook": [B], "kinto": [C]}
    assert host.call("verify", "guestbook", B)["ok"]
    Path(names.PREFIX, "guestbook", "current").unlink()
    host.call("prune", "guestbook", [])
    assert host.call("verify", "kinto", C)["ok"]
    assert host.call("prune", "kinto", [C]) == []
    assert deps["package"] in host.call("prune", "kinto", [])
    assert host.known() == []
    assert not Path(deps["root"]).exists()
