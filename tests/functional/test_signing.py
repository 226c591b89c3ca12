"""Signatures by real keys: only what a trusted key signed is installed."""

import concurrent.futures
import copy
import os
import subprocess
import tempfile
from pathlib import Path

import pytest
import salt.payload
from gpg_home import Home

from holodeck_bundle import signing
from holodeck_io.errors import HolodeckError

COMMIT = "4f2c1e9d0a1b5c7788990011223344556677aabb"
_TITLE = "Bundle guestbook 4f2c1e9d0a1b: "
_STRANGER = "0123456789ABCDEF0123456789ABCDEF01234567"


@pytest.fixture(scope="module")
def home():
    """A builder's GPG home."""
    made = Home()
    yield made
    made.close()


@pytest.fixture(scope="module")
def key(home):
    """The key that builders sign with: a primary one and a subkey for signing."""
    primary = home.make("builder@localhost", usage="cert")
    home.gpg("--quick-add-key", primary, "ed25519", "sign", "0")
    return primary


@pytest.fixture(scope="module")
def other(home):
    """A second key, which hosts trust too."""
    return home.make("other@localhost")


@pytest.fixture
def keyring(home, key, other, tmp_path):
    """A host's keyring with the public keys of the home as it is now."""
    return _keyring(home, tmp_path)


def _keyring(home, folder, *users):
    path = folder / "keyring.gpg"
    signing.import_keys(home.gpg("--armor", "--export", *users), path)
    return path


def _manifest():
    delta = {
        "base_root": "/opt/holodeck/guestbook/" + "0" * 40, "filename": "a.delta",
        "file": "/var/cache/a.delta", "sha256": "d" * 64, "size": 300,
    }  # fmt: skip
    layer = {
        "role": "app", "package": "holodeck-guestbook-4f2c1e9d0a1b",
        "root": f"/opt/holodeck/guestbook/{COMMIT}", "file": "/var/cache/a.deb",
        "filename": "a.deb", "sha256": "a" * 64, "size": 3000, "tree": "b" * 64,
        "control": "Package: holodeck-guestbook-4f2c1e9d0a1b\n", "deltas": (delta,),
    }  # fmt: skip
    return {
        "name": "guestbook", "commit": COMMIT, "layers": [layer],
        "provenance": {"lock_sha256": "c" * 64, "format": 2},
    }  # fmt: skip


@pytest.fixture(scope="module")
def signature(home, key):
    """The signature of the manifest."""
    return signing.sign(_manifest(), key, home.path)


def _refusal(*words, **options):
    with pytest.raises(HolodeckError) as refused:
        signing.verify(*words, **options)
    message = str(refused.value)
    assert message.startswith(_TITLE)
    return message


def test_verify_takes_what_was_signed(home, key, signature, keyring):
    """What a builder signed is accepted, by the primary key or by the subkey."""
    signing.verify(_manifest(), signature, keyring)
    for accepted in home.fingerprints("builder@localhost"):
        signing.verify(_manifest(), signature, keyring, accepted)
    spaced = " ".join(key[n : n + 4] for n in range(0, 40, 4)).lower()
    signing.verify(_manifest(), signature, keyring, spaced)


def test_verify_takes_what_came_through_salt(signature, keyring):
    """Tuples become lists on the way, and a builder's own paths are no matter."""
    arrived = salt.payload.loads(salt.payload.dumps(_manifest()))
    del arrived["layers"][0]["file"]
    arrived["signature"] = signature
    signing.verify(arrived, signature, keyring)


def _places(value, path=()):
    """Return the path of every single value of a manifest."""
    if isinstance(value, (dict, list, tuple)):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return [place for k, v in pairs for place in _places(v, (*path, k))]
    return [] if path[-1] == "file" else [path]


@pytest.mark.parametrize(
    "path", _places(_manifest()), ids=lambda p: "/".join(map(str, p))
)
def test_verify_refuses_a_manifest_with_any_field_altered(path, signature, keyring):
    """Whatever field a host could act on: another value is another manifest."""
    altered = copy.deepcopy(_manifest())
    place = altered
    for step in path[:-1]:
        place = place[step]
    value = place[path[-1]]
    place[path[-1]] = value + 1 if isinstance(value, int) else value + "0"
    with pytest.raises(HolodeckError, match="altered since"):
        signing.verify(altered, signature, keyring)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(extra="x"),
        lambda m: m["layers"].append(m["layers"][0]),
        lambda m: m["layers"][0].update(deltas=()),
    ],
    ids=["field", "layer", "delta"],
)
def test_verify_refuses_what_was_added_or_taken(change, signature, keyring):
    """Nothing can be slipped in, nor left out."""
    altered = copy.deepcopy(_manifest())
    change(altered)
    assert "altered since" in _refusal(altered, signature, keyring)


def test_verify_refuses_what_is_no_manifest(signature, keyring):
    """A manifest without what a host installs by is refused as such."""
    broken = _manifest()
    del broken["provenance"]
    assert "has no provenance" in _refusal(broken, signature, keyring)


@pytest.mark.parametrize("absent", ["", None])
def test_verify_refuses_an_unsigned_bundle(absent, keyring):
    """Where a signature is demanded, none is not good enough."""
    assert "carries no signature" in _refusal(_manifest(), absent, keyring)


def test_verify_refuses_a_trusted_key_that_was_not_demanded(home, key, other, keyring):
    """Another key is another signer, also where hosts trust it for other things."""
    by_other = signing.sign(_manifest(), other, home.path)
    signing.verify(_manifest(), by_other, keyring)
    message = _refusal(_manifest(), by_other, keyring, fingerprint=key)
    assert f"signed by key {other}, and {key} is demanded" in message


def test_verify_refuses_a_stranger(home, other, signature, tmp_path):
    """A key that is not in the keyring is named, and how to trust it."""
    message = _refusal(_manifest(), signature, _keyring(home, tmp_path, other))
    assert home.fingerprints("builder@localhost")[1] in message
    assert "not in this host's keyring" in message
    assert "pillar" in message


@pytest.mark.parametrize("subkey", [False, True], ids=["primary", "subkey"])
def test_verify_refuses_an_expired_key(subkey, home, tmp_path):
    """An expired key is no key, though gpgv itself ends with 0."""
    user, past = f"old-{subkey}@localhost", "20240101T000000"
    if subkey:
        expired = home.make(user, usage="cert", when=past)
        home.gpg("--quick-add-key", expired, "ed25519", "sign", "1d", when=past)
    else:
        expired = home.make(user, when=past, expires="1d")
    made = home.sign(_canonical(), "--local-user", expired, when=past)
    message = _refusal(_manifest(), made, _keyring(home, tmp_path))
    assert "has expired; extend the key" in message


def test_verify_refuses_a_revoked_key(home, tmp_path):
    """A revoked key is no key, though gpgv itself ends with 0."""
    revoked = home.make("revoked@localhost")
    made = signing.sign(_manifest(), revoked, home.path)
    signing.verify(_manifest(), made, _keyring(home, tmp_path), revoked)
    home.revoke(revoked)
    message = _refusal(_manifest(), made, _keyring(home, tmp_path))
    assert "was revoked" in message
    with pytest.raises(HolodeckError, match="cannot sign: it has expired, was revoked"):
        signing.sign(_manifest(), revoked, home.path)


def test_verify_refuses_a_weak_digest(home, other, keyring):
    """SHA-1 can be forged, and gpgv takes it."""
    made = home.sign(_canonical(), "--local-user", other, "--digest-algo", "SHA1")
    assert "can be forged" in _refusal(_manifest(), made, keyring)


def test_verify_refuses_an_expired_signature(home, other, keyring, tmp_path):
    """A signature may have an end of its own."""
    early = home.make("early@localhost", when="20240101T000000")
    made = home.sign(
        _canonical(), "--local-user", early, "--default-sig-expire", "1d",
        when="20240102T000000",
    )  # fmt: skip
    message = _refusal(_manifest(), made, _keyring(home, tmp_path))
    assert "has expired; release the commit again" in message


def _canonical():
    return signing.canonical(_manifest())


@pytest.mark.parametrize(
    "how",
    ["garbage", "empty armour", "cut", "control", "inline", "relabelled", "clear"],
)
def test_verify_refuses_malformed_text(how, home, other, signature, keyring):
    """What is no detached signature is refused, also where it holds a good one."""
    inline = home.sign(_canonical(), "--local-user", other, how="--sign")
    text = {
        "garbage": "garbage",
        "empty armour": "\n\n".join((signature.splitlines()[0], signature[-31:])),
        "cut": signature[: len(signature) // 2],
        "control": "\0\ud800\n" + signature[40:],
        "inline": inline,
        "relabelled": inline.replace("PGP MESSAGE", "PGP SIGNATURE"),
        "clear": home.sign(
            _canonical(), "--local-user", other, how="--clear-sign"
        ),
    }[how]  # fmt: skip
    assert "is no OpenPGP signature" in _refusal(_manifest(), text, keyring)


def test_verify_refuses_several_signatures(home, key, other, signature, keyring):
    """A good signature does not cover for another beside it."""
    second = signing.sign(_manifest(), other, home.path)
    message = _refusal(_manifest(), signature + second, keyring)
    assert "several signatures" in message


def test_verify_without_a_keyring(signature, tmp_path):
    """A host that got no keys yet says so."""
    message = _refusal(_manifest(), signature, tmp_path / "none.gpg")
    assert "none.gpg is not on this host; put the public keys into pillar" in message


@pytest.mark.parametrize("short", ["", "ABCDEF12", "0xABCDEF1234567890", "-" * 40])
def test_sign_and_verify_refuse_what_is_no_fingerprint(short, home, signature, keyring):
    """Short ids can be had by others; options are none."""
    with pytest.raises(HolodeckError, match="is no full fingerprint"):
        signing.sign(_manifest(), short, home.path)
    if short:
        message = _refusal(_manifest(), signature, keyring, fingerprint=short)
        assert "is no full fingerprint" in message


def test_tools_that_are_not_there_are_named(home, key, signature, keyring, monkeypatch):
    """Without gpgv or gpg the message says which package brings it."""
    monkeypatch.setenv("PATH", "/nowhere")
    message = _refusal(_manifest(), signature, keyring)
    assert "gpgv is not installed here; install the package `gpgv`" in message
    with pytest.raises(HolodeckError, match="is not installed here"):
        signing.sign(_manifest(), key, home.path)


def test_sign_without_the_key(home, key):
    """The message names the key, the home, and the key of the definition."""
    with pytest.raises(HolodeckError) as failed:
        signing.sign(_manifest(), _STRANGER, home.path)
    assert f"no secret key {_STRANGER} in {home.path}" in str(failed.value)
    assert str(failed.value).startswith(_TITLE)
    with pytest.raises(HolodeckError, match="is not on this builder"):
        signing.sign(_manifest(), key, "/nowhere")


def test_sign_never_asks_for_a_passphrase(home):
    """A key with one is an error at once: nobody is there to type."""
    home.gpg(
        "--passphrase", "words", "--quick-gen-key", "asks@localhost", "ed25519", "sign"
    )
    [locked] = home.fingerprints("asks@localhost")
    # What the test's own agent remembers, the builder's would not.
    subprocess.run(["gpgconf", "--homedir", home.path, "--kill", "all"], check=True)
    with pytest.raises(HolodeckError, match="has a passphrase, which nobody can type"):
        signing.sign(_manifest(), locked, home.path)


def test_sign_and_verify_leave_no_trace(home, key, keyring, tmp_path, monkeypatch):
    """No agent lives on, and the user's own GnuPG folder is not made."""
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("GNUPGHOME", str(tmp_path / "gnupg"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for name in ("user", "temporary"):
        (tmp_path / name).mkdir()
    signing.verify(_manifest(), signing.sign(_manifest(), key, home.path), keyring, key)
    assert _agents(home.path) == []
    assert list((tmp_path / "user").iterdir()) == []
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not (tmp_path / "gnupg").exists()


def _agents(folder):
    """Return the processes that serve a GPG home; a zombie's command line is empty."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(folder) in words and b"agent" in words[0]:
            found.append(entry.parent.name)
    return found


def test_sign_at_the_same_time(home, key, keyring):
    """Bundles are built in parallel: none ends the agent that another uses."""
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        jobs = [
            pool.submit(signing.sign, _manifest(), key, home.path) for _ in range(12)
        ]
    for job in jobs:
        signing.verify(_manifest(), job.result(), keyring, key)
