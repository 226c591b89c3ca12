"""What a host asks before it installs a bundle, and what it tells of one."""

import os
import re

import builder
import pytest
from bundle_host import bundle
from gpg_home import Home

from holodeck import names
from holodeck_build import source
from holodeck_bundle import receipts, signing, system
from holodeck_io.errors import HolodeckError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
A = "a" * 40
_PREFIX = names.PREFIX


@pytest.fixture
def made(host):
    """A bundle of two layers."""
    deps = host.deps()
    return bundle(A, deps, host.app(A, "first", deps))


@pytest.fixture(scope="module")
def home():
    """A builder's GPG home."""
    opened = Home()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def keys(home):
    """Two keys: the one that is demanded, and another in the same keyring."""
    return home.make("builder@localhost"), home.make("other@localhost")


@pytest.fixture
def demanding(host, home, keys):
    """The host, whose pillar demands the first key's signature."""
    public = home.gpg("--armor", "--export")
    host.pillar({"signing": {"key": keys[0], "public_keys": public}})
    return host


def _refused(host, made, match, **options):
    """Check that nothing was asked for, written or entered."""
    with pytest.raises(HolodeckError, match=match):
        host.install(made, **options)
    assert host.fetched == host.asked == []
    assert not os.path.lexists(names.PREFIX)
    assert host.known() == []
    assert host.call("list") == {}


def test_install_signed_is_installed(demanding, home, keys, made):
    """What the demanded key signed is installed and proven."""
    signature = signing.sign(made, keys[0], home.path)
    done = demanding.install(made, signature=signature)
    assert len(done["changes"]) == 2
    assert demanding.call("verify", "guestbook", A)["ok"]


def test_install_unsigned_is_refused(demanding, made):
    """A bundle without signature is refused before anything is fetched."""
    _refused(demanding, made, "carries no signature, and this host demands one")


def test_stage_takes_the_pillar_in_memory_by_its_mark_alone(demanding, made):
    """An old pillar in memory, which demands nothing, counts only if it is meant."""
    demanding.remember({"mark": "of yesterday", "signing": {}})
    for meant in ({}, {"mark": "of today"}):
        with pytest.raises(HolodeckError, match="carries no signature"):
            demanding.call("stage", [made], **meant)
    assert demanding.fetched == []
    assert len(demanding.call("stage", [made], mark="of yesterday")) == 2


def test_install_signed_by_another_key_is_refused(demanding, home, keys, made):
    """A key of the keyring that is not the demanded one does not do."""
    signature = signing.sign(made, keys[1], home.path)
    _refused(demanding, made, "is not installed: ", signature=signature)


_LIES = {
    "other bytes": lambda made: made["layers"][1].update(sha256="0" * 64),
    "other tree": lambda made: made["layers"][0].update(tree="0" * 64),
    "other need": lambda made: made["layers"][0].update(needs=["malware"]),
    "other provenance": lambda made: made["provenance"].update(builder="elsewhere"),
    "a difference": lambda made: made["layers"][1].update(
        deltas=[{"base_root": made["layers"][0]["root"], "filename": "x",
                 "sha256": "0" * 64, "size": 1}]),
    "one layer less": lambda made: made["layers"].pop(),
}  # fmt: skip


@pytest.mark.parametrize("lie", _LIES)
def test_install_altered_after_signing_is_refused(demanding, home, keys, made, lie):
    """Whatever is changed after the signature, nothing of it reaches the disk."""
    signature = signing.sign(made, keys[0], home.path)
    made["provenance"] = dict(made["provenance"])
    _LIES[lie](made)
    _refused(demanding, made, "is not installed: ", signature=signature)


def test_stage_of_an_unsigned_bundle_installs_no_other(demanding, home, keys, made):
    """A release stages both bundles or fails; the signed one may be there by then."""
    signed = {**made, "signature": signing.sign(made, keys[0], home.path)}
    deps = made["layers"][0]
    unsigned = bundle("b" * 40, deps, demanding.app("b" * 40, "second", deps))
    with pytest.raises(HolodeckError, match="carries no signature"):
        demanding.call("stage", [signed, unsigned])
    assert demanding.call("list") == {"guestbook": [A]}


@pytest.fixture
def needy(host, monkeypatch):
    """A bundle that needs two system packages, of which the host has one."""
    present = ["libc6"]
    real = system.missing

    def missing(wanted, kind):
        # dpkg's own answer, for what this host's empty database shall have.
        return [w for w in real(wanted, kind) if w.split()[0] not in present]

    monkeypatch.setattr(system, "missing", missing)
    host.present = present
    deps = host.deps(needs=["libc6 (>= 2.34)", "libpq5 (>= 15)"])
    return bundle(A, deps, host.app(A, "first", deps, needs=["libpq5 (>= 15)"]))


def test_install_brings_missing_system_packages(host, needy):
    """What is missing is installed by its name, once, before anything is fetched."""
    host.brings = [
        lambda: host.present.append("libpq5"),
        lambda: host.fetched and pytest.fail("fetched before its needs were met"),
    ]
    assert len(host.install(needy)["changes"]) == 2
    assert host.asked == [["libpq5"]]
    host.install(needy)
    assert host.asked == [["libpq5"]]


def test_install_without_its_system_packages_is_one_clear_error(host, needy):
    """What the package manager does not bring is named, and nothing is installed."""
    with pytest.raises(HolodeckError) as refused:
        host.install(needy)
    assert str(refused.value) == (
        "Bundle guestbook: needs the system packages libpq5 (>= 15), which this host's "
        "package manager did not bring; install them, or build on the system that the "
        "hosts have."
    )
    assert host.asked == [["libpq5"]]
    assert host.fetched == []
    assert not os.path.lexists(names.PREFIX)


def test_install_with_all_system_packages_asks_for_none(host, needy):
    """A host that has what is needed is left alone."""
    host.present.append("libpq5")
    host.install(needy)
    assert host.asked == []


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The sample's bundle, really built and unpacked: its manifest, and where."""
    repository = builder.Repository(tmp_path_factory.mktemp("git") / "guestbook")
    home = tmp_path_factory.mktemp("builder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{builder.PACK}/.venv/bin:{os.environ['PATH']}")
        patch.setattr(source, "CACHE", home / "cache")
        made = builder.functions(home)["bundle.build"](
            "guestbook", repository.first, builder.spec(repository),
            stored=builder.Everything(),
        )  # fmt: skip
    builder.unpacked(made, home / "root")
    return made, str(home / "root")


@pytest.fixture
def built(host, unpacked, monkeypatch):
    """The sample's bundle on the host; its packages name /opt, hence no install."""
    made, top = unpacked
    monkeypatch.setattr(names, "PREFIX", f"{top}{_PREFIX}")
    layers = [{**one, "root": f"{top}{one['root']}"} for one in made["layers"]]
    receipts.keep("guestbook", made["commit"], layers)
    return made


def test_show_tells_of_a_really_built_bundle(host, built):
    """Provenance, packages, licences and layers are shown as they were built."""
    shown = host.call("show", "guestbook", built["commit"])
    assert (shown["name"], shown["commit"]) == ("guestbook", built["commit"])
    assert shown["provenance"] == built["provenance"]
    assert [layer["role"] for layer in shown["layers"]] == ["deps", "app"]
    assert [x["tree"] for x in shown["layers"]] == [x["tree"] for x in built["layers"]]
    assert "control" not in shown["layers"][0]
    locked = (builder.SAMPLE / "requirements.txt").read_text()
    assert f"gunicorn=={shown['packages']['gunicorn']} " in locked
    assert {"gunicorn", "guestbook"} <= shown["packages"].keys()
    assert ["gunicorn" in found for found in shown["licenses"].values()].count(
        True
    ) == 1
    assert "sbom" not in shown


def test_show_full_has_the_whole_bill(host, built):
    """The whole bill of materials is CycloneDX, and names what the summary names."""
    shown = host.call("show", "guestbook", built["commit"], full=True)
    bill = shown["sbom"]
    assert bill["bomFormat"] == "CycloneDX"
    named = {part["name"] for part in bill["components"]}
    assert {"gunicorn", "guestbook"} <= named
    assert host.call("verify", "guestbook", built["commit"]) == {
        "ok": True, "differs": {},
    }  # fmt: skip


def test_show_of_what_is_not_installed_is_an_error(host, built):
    """A commit that is not here is refused with those that are."""
    with pytest.raises(HolodeckError, match=re.escape(built["commit"])):
        host.call("show", "guestbook", A)
