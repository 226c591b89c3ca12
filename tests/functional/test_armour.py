"""Public keys on their way from pillar into a host's keyring."""

import pytest
from gpg_home import Home

from holodeck_bundle import signing
from holodeck_io.errors import HolodeckError

_MANIFEST = {"name": "guestbook", "commit": "4f2c1e9", "layers": [], "provenance": {}}


@pytest.fixture(scope="module")
def home():
    """A builder's GPG home."""
    made = Home()
    yield made
    made.close()


@pytest.fixture(scope="module")
def key(home):
    """A key that signs."""
    return home.make("builder@localhost")


@pytest.fixture(scope="module")
def other(home):
    """A second key."""
    return home.make("other@localhost")


def test_import_keys_takes_several_and_says_what_changed(home, key, other, tmp_path):
    """Two blocks with comments between are one keyring; again, nothing changes."""
    first, second = (home.gpg("--armor", "--export", k) for k in (key, other))
    text = f"# builder\r\n{first}\n# other\n{second}".replace("\n", "\r\n")
    path = tmp_path / "new" / "keyring.gpg"
    assert signing.import_keys(text, path) is True
    assert signing.import_keys(text, path) is False
    for signer in (key, other):
        made = signing.sign(_MANIFEST, signer, home.path)
        signing.verify(_MANIFEST, made, path, signer)
    assert signing.import_keys(first, path) is True
    assert path.stat().st_mode & 0o777 == 0o644


def test_import_keys_refuses_a_private_key(home, other, tmp_path):
    """What must not be on a host is not written, and not shown."""
    text = home.gpg("--armor", "--export-secret-keys", other)
    with pytest.raises(HolodeckError, match="holds a private key") as refused:
        signing.import_keys(text, tmp_path / "keyring.gpg")
    assert text.splitlines()[3] not in str(refused.value)
    assert not (tmp_path / "keyring.gpg").exists()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda _: "", "0 blocks"),
        (lambda t: t[: len(t) // 2], "of 1 blocks 0 are whole"),
        (lambda t: t + t[:200], "of 2 blocks 1 are whole"),
        (lambda t: t.replace("PUBLIC KEY BLOCK", "SIGNATURE"), "of 1 blocks 0"),
        (lambda t: "\n".join(t.splitlines()[:3] + t.splitlines()[4:]), "checksum"),
        (lambda t: t.replace("\n\n", "\n", 1), "block 1 holds no public key"),
        (lambda t: t.replace("\n\n", "\n\n!", 1), "block 1 holds no public key"),
        (lambda t: t.replace("\n\nm", "\n\nA", 1), "block 1 holds no public key"),
    ],
    ids=[
        "none", "cut", "second cut", "signature", "line", "no gap", "no base64", "kind",
    ],
)  # fmt: skip
def test_import_keys_refuses_damaged_text(harm, message, home, other, tmp_path):
    """A key that did not arrive whole is refused when it comes, not at a release."""
    text = harm(home.gpg("--armor", "--export", other))
    with pytest.raises(HolodeckError, match=message):
        signing.import_keys(text, tmp_path / "keyring.gpg")
    assert not (tmp_path / "keyring.gpg").exists()
