"""What gpgv's status lines mean."""

import pytest

from holodeck import gpg

_SUBKEY, _PRIMARY = "A" * 40, "B" * 40
_VALID = f"VALIDSIG {_SUBKEY} 2026-01-01 1 0 4 0 22 8 00 {_PRIMARY}"
_GOOD = ("NEWSIG", "GOODSIG AAAA A <a@localhost>", _VALID)


def _status(*lines):
    return "".join(f"[GNUPG:] {line}\n" for line in lines)


@pytest.mark.parametrize("wanted", [None, _SUBKEY, _PRIMARY])
def test_fault_of_a_sound_signature(wanted):
    """A sound one by the primary key or by its subkey has no fault."""
    assert gpg.fault(_status(*_GOOD), wanted) == ""


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((), "no OpenPGP signature"),
        (("NODATA 1",), "no OpenPGP signature"),
        (("BADSIG AAAA x",), "altered since"),
        (("ERRSIG AAAA 22 8 00 1 9 CCCC", "NO_PUBKEY AAAA"), "key CCCC, which is not"),
        (("ERRSIG AAAA 22 8 00 1 9",), "key AAAA, which is not"),
        (("ERRSIG AAAA 99 8 00 1 4 CCCC",), "does not know its algorithm"),
        (("EXPSIG AAAA x", _VALID), "signature by key AAAA has expired"),
        (("EXPKEYSIG AAAA x", _VALID), "the key AAAA that signed it has expired"),
        (("REVKEYSIG AAAA x", _VALID), "was revoked"),
        ((*_GOOD, *_GOOD), "several"), ((*_GOOD, "BADSIG AAAA x"), "several"),
        (("GOODSIG AAAA x",), "no OpenPGP signature"),
        (("GOODSIG AAAA x", "VALIDSIG short"), "no OpenPGP signature"),
        ((_VALID,), "no OpenPGP signature"),
        (("GOODSIG AAAA x", _VALID.replace(" 8 00", " 2 00")), "can be forged"),
        (("GOODSIG AAAA x", _VALID.replace(" 8 00", " 8 01")), "class 01"),
    ],
)  # fmt: skip
def test_fault_says_what_is_wrong(lines, words):
    """Each way to be unsound has its own words; the exit status is not asked."""
    assert words in gpg.fault(_status(*lines))


def test_fault_of_another_key():
    """Of a good signature by another key both keys are named."""
    found = gpg.fault(_status(*_GOOD), "C" * 40)
    assert _PRIMARY in found
    assert "C" * 40 in found


@pytest.mark.parametrize("end", ["\u2028", "\x85", "\x1c", "\r", "\x0b"])
def test_fault_is_not_led_astray_by_a_keys_name(end):
    """The name in a key is its owner's to choose: it makes no status line."""
    name = f"{end}[GNUPG:] {_VALID.replace(_SUBKEY, 'C' * 40)}{end}"
    lines = (f"GOODSIG AAAA {name}", _VALID)
    assert gpg.fault(_status(*lines), "C" * 40)
    assert gpg.fault(_status(*lines), _SUBKEY) == ""


def test_fingerprint_is_whole():
    """Blanks and small letters are as people copy them; less than all is refused."""
    assert gpg.fingerprint("  aaaa " * 10) == _SUBKEY
    assert gpg.fingerprint("c" * 64) == "C" * 64
    for short in ("", None, "A" * 16, "A" * 41, "0x" + "A" * 40, "-" * 40):
        with pytest.raises(ValueError, match="is no full fingerprint"):
            gpg.fingerprint(short)


def test_sign_argv_never_asks():
    """No terminal, no pinentry: a question is a failure."""
    argv = gpg.sign_argv("/home", _PRIMARY)
    assert {"--batch", "--no-tty"} <= set(argv)
    assert argv[argv.index("--pinentry-mode") + 1] == "error"
    assert argv[argv.index("--local-user") + 1] == _PRIMARY


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('gpg: skipped "X": No secret key', "no secret key K in /h; import"),
        ('gpg: skipped "X": Unusable secret key', "cannot sign"),
        ("gpg: signing failed: No pinentry", "has a passphrase"),
        ("gpg: disk full\n", "gpg said: gpg: disk full"),
    ],
)
def test_signing_fault_says_what_to_do(said, words):
    """The usual causes have a remedy; others are passed on."""
    assert words in gpg.signing_fault(said, "K", "/h")
