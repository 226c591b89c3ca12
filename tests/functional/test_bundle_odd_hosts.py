"""Hosts in a state that nobody planned: half receipts, odd files, changed terms."""

import os
import socket
from pathlib import Path

import pytest
from bundle_host import bundle, said
from gpg_home import Home
from salt.exceptions import SaltInvocationError, SaltReqTimeoutError

from holodeck import names
from holodeck_bundle import deb, downloads, install, proof, receipts, signing
from holodeck_io.errors import HolodeckError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
A, B = "a" * 40, "b" * 40


@pytest.fixture
def made(host):
    """A bundle of two layers."""
    deps = host.deps()
    return bundle(A, deps, host.app(A, "first", deps))


def _told(made):
    return {key: made[key] for key in ("name", "commit", "layers")}


def _run(commit):
    Path(names.PREFIX, "guestbook", "current").symlink_to(commit)


def _root(made, number=1):
    return Path(made["layers"][number]["root"])


def _receipt(commit=A):
    return receipts.RECEIPTS / "guestbook" / f"{commit}.json"


def _second(host, made):
    deps = made["layers"][0]
    app = host.app(B, "second", deps, base=made["layers"][1])
    return bundle(B, deps, app)


def test_missing_without_a_receipt_is_all_of_it(host, made):
    """Files alone are no installation: the next one writes the receipt alone."""
    host.install(made)
    _receipt().unlink()
    packages = [layer["package"] for layer in made["layers"]]
    assert host.call("missing", **_told(made)) == packages
    host.fetched.clear()
    host.install(made)
    assert host.fetched == []
    assert host.call("missing", **_told(made)) == []


@pytest.mark.parametrize("how", ["runs", "kept", "damaged"])
def test_prune_takes_no_dependencies_of_a_bundle_without_receipt(host, made, how):
    """What stays and lost its receipt keeps its layers, whoever else is pruned."""
    host.install(made)
    other = host.deps("other deps", "e" * 16)
    host.install(bundle(B, other, host.app(B, "second", other)))
    if how == "damaged":
        _receipt().write_text('{"layers": [{"pack')
    else:
        _receipt().unlink()
    if how != "kept":
        _run(A)
    gone = host.call("prune", "guestbook", [A] if how == "kept" else [])
    assert gone == [names.app_package("guestbook", B)]
    assert proof.missing(made["layers"]) == []
    host.install(made)
    assert other["package"] in host.call("prune", "guestbook", [A])
    assert host.call("verify", "guestbook", A)["ok"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"layers": [{}]}', b'{"layers": 1}', b"\xff"]
)
def test_damaged_receipt_is_named_and_stops_no_other(host, made, content):
    """One service's damaged receipt is an error of its own, mended by an install."""
    host.install(made)
    deps = made["layers"][0]
    kinto = bundle(B, deps, host.app(B, "other", deps, name="kinto"), name="kinto")
    host.install(kinto)
    _run(A)
    _receipt().write_bytes(content)
    with pytest.raises(HolodeckError, match=f"{A}.json is damaged; install"):
        host.call("verify", "guestbook", A)
    assert host.call("register") == []
    assert host.call("verify", "kinto", B)["ok"]
    assert host.call("prune", "kinto", []) == [kinto["layers"][1]["package"]]
    host.install(made)
    assert host.call("verify", "guestbook", A)["ok"]


@pytest.fixture(scope="module")
def home():
    """A builder's GPG home."""
    opened = Home()
    yield opened
    opened.close()


def test_signing_switched_on_leaves_what_was_installed(host, made, home):
    """A key that is new or another refuses new bundles, never the way back."""
    host.install(made)
    key = home.make("builder@localhost")
    public = home.gpg("--armor", "--export")
    host.pillar({"signing": {"key": key, "public_keys": public}})
    host.fetched.clear()
    assert host.install(made)["changes"] == {}
    with pytest.raises(HolodeckError, match="carries no signature"):
        host.install(_second(host, made))
    (_root(made) / "file").write_text("edited")
    with pytest.raises(HolodeckError, match="carries no signature"):
        host.install(made)
    assert host.fetched == []


def test_pillar_that_does_not_compile_demands_no_less(host, made):
    """A broken pillar is an error, never a host that asks for no signature."""
    host.pillar({})
    (host.home / "pillar" / "holodeck.sls").write_text("holodeck: {{ nonsense(")
    with pytest.raises(HolodeckError, match="Pillar of web1: does not compile"):
        host.install(made)
    assert host.fetched == []


def test_pillar_that_lost_its_demand_is_an_error(host, made):
    """A host that has demanded signatures wants to be told that it no longer does."""
    signing.KEYRING.write_bytes(b"keys")
    with pytest.raises(HolodeckError, match="says nothing of them any more"):
        host.install(made)
    host.pillar({"signing": {}})
    host.install(made)


def test_half_entered_packages_are_mended_before_apt_is_asked(host, made, monkeypatch):
    """After a killed dpkg the package manager would refuse: what is half goes first."""
    half = names.deps_package("f" * 16)
    status = host.home / "dpkg" / "status"
    status.write_text(
        f"Package: {half}\nStatus: install reinstreq half-installed\n"
        "Version: 1\nArchitecture: amd64\nMaintainer: x\nDescription: x\n\n"
    )
    assert deb.packages() == {half: ""}
    there = ["libpq5 is missing"]
    needy = host.deps(needs=["libpq5"], key="c" * 16)
    monkeypatch.setattr(
        "holodeck_bundle.system.missing", lambda needs, _: needs if there else []
    )
    host.brings = [lambda: (there.clear(), seen.append(deb.packages()))]
    seen = []
    host.install(bundle(B, needy, host.app(B, "first", needy)))
    assert seen == [{}]


def test_dpkg_in_another_language_is_waited_for(host, made, monkeypatch):
    """LANGUAGE counts more than LC_ALL: it is taken away from dpkg."""
    monkeypatch.setenv("LANGUAGE", "de")
    seen = []
    real = deb.process.run

    def run(argv, **options):
        seen.append((options.get("env") or {}).get("LANGUAGE", "kept"))
        return real(argv, **options)

    monkeypatch.setattr(deb.process, "run", run)
    host.install(made)
    deb.forget([made["layers"][1]["package"]])
    assert seen[-1] is None


def test_layer_entered_whole_has_its_dependencies_in_the_database(host, made):
    """An application that came whole on dependencies by difference breaks no apt."""
    host.install(made)
    base = made["layers"][0]
    deps = host.deps("next deps", "e" * 16, base=base)
    app = host.app(B, "second", deps)
    host.install(bundle(B, deps, app))
    assert {deps["package"], app["package"]} <= set(host.known())
    assert said("dpkg", "--audit") == ""


def test_install_under_a_narrow_umask_is_readable_by_services(host, made):
    """Root's umask is no reason for services not to find their files."""
    before = os.umask(0o077)
    try:
        host.install(made)
        host.install(_second(host, made))
    finally:
        os.umask(before)
    top = Path(names.PREFIX)
    folders = [top, *(path for path in top.rglob("*") if path.is_dir())]
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o755}


_ODD = {
    ". is no folder with the mode 755": lambda root: root.chmod(0o700),
    ". belongs to 65534:0": lambda root: os.chown(root, 65534, -1),
    "file belongs to 0:65534": lambda root: os.chown(root / "file", -1, 65534),
    "link belongs to 65534:65534": lambda root: os.lchown(root / "link", 65534, 65534),
    "pipe belongs to no package": lambda root: os.mkfifo(root / "pipe"),
    "file has other content": lambda root: (
        (root / "file").unlink(), os.mkfifo(root / "file")),
    "sock belongs to no package": lambda root: _bind(root / "sock"),
    "caf\\xe9 belongs to no package": lambda root: Path(
        os.fsdecode(os.fsencode(root) + b"/caf\xe9")).touch(),
}  # fmt: skip


def _bind(path):
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(os.path.relpath(path))


@pytest.mark.parametrize("what", _ODD)
def test_odd_entries_are_named_and_mended(host, made, what, monkeypatch):
    """Owners, the layer's own folder, pipes and odd names are part of the proof."""
    host.install(made)
    monkeypatch.chdir(host.home)
    _ODD[what](_root(made))
    found = host.call("verify", "guestbook", A)
    assert found["differs"][str(_root(made))][0].startswith(what)
    assert len(host.install(made)["changes"]) == 1
    assert host.call("verify", "guestbook", A) == {"ok": True, "differs": {}}
    assert host.leftovers() == []


@pytest.mark.parametrize("harm", ["dangling", "elsewhere", "a file"])
def test_root_that_is_no_folder_is_replaced(host, made, harm):
    """Whatever lies in a layer's place makes way for the layer."""
    root = _root(made)
    root.parent.mkdir(parents=True)
    if harm == "a file":
        root.touch()
    else:
        root.symlink_to("nowhere" if harm == "dangling" else host.home)
    host.install(made)
    assert host.call("verify", "guestbook", A)["ok"]
    assert host.leftovers() == []


def test_difference_is_labelled_before_it_is_in_place(host, made, monkeypatch):
    """Files of a difference get SELinux's labels as those of a package do."""
    host.install(made)
    labelled = []
    monkeypatch.setattr(deb, "label", labelled.append)
    second = _second(host, made)
    host.install(second)
    assert [path.name for path in labelled] == [f".{B}.new"]


def test_difference_of_a_name_that_dpkg_has_otherwise_says_so(host, made):
    """Sums of other content by the same name are not told as differences."""
    host.install(made)
    layer = {**made["layers"][1], "tree": "0" * 64}
    assert deb.differences(layer) == [
        "the package database has other content by its name; install it again"
    ]


@pytest.mark.parametrize("keep", [None, "a" * 40, {"a": 1}, ["a" * 12], [7], 7])
def test_prune_refuses_what_is_no_list_of_commits(host, made, keep):
    """A short commit would be taken for none, and what was to stay would go."""
    host.install(made)
    with pytest.raises(SaltInvocationError, match="full commit id"):
        host.call("prune", "guestbook", keep)
    assert host.call("verify", "guestbook", A)["ok"]


@pytest.mark.parametrize("layers", [[], "x", None, ["x"], [{}], [{"root": "/etc"}], 7])
@pytest.mark.parametrize("function", ["install", "missing"])
def test_layers_that_are_none_are_refused(host, function, layers):
    """Whatever comes instead of a record's layers is one clear error."""
    with pytest.raises(SaltInvocationError, match="layers"):
        host.call(function, "guestbook", A, layers)
    assert host.fetched == []


def test_list_of_what_is_no_service_is_refused(host):
    """A path is no name of a bundle."""
    with pytest.raises(SaltInvocationError, match="'/x'"):
        host.call("list", "/x")


def test_master_that_does_not_answer_is_named(host, made):
    """A timeout of Salt's is told as what could not be fetched, and why."""

    def gone(*_):
        raise SaltReqTimeoutError("Message timed out")

    host.get_file = gone
    with pytest.raises(HolodeckError, match="the master did not send it \\(Message"):
        host.install(made)


def test_package_on_hold_is_entered(host, made):
    """An administrator's hold on a package does not make it half installed."""
    host.install(made)
    package = made["layers"][1]["package"]
    said("sh", "-c", f"echo {package} hold | dpkg --set-selections")
    assert said("dpkg-query", "-Wf", "${db:Status-Abbrev}", package) == "hi "
    assert all(deb.packages().values())


def test_sweep_takes_folders_of_killed_calls(host):
    """What a killed call left of its work is gone at the next one's begin."""
    (downloads.HOME / "tmpabc").mkdir(parents=True)
    (downloads.HOME / "tmpabc" / "1.deb").touch()
    with install.exclusive():
        assert list(downloads.HOME.iterdir()) == []
