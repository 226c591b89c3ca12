"""
What gpg and gpgv are told, and what their status lines mean.

Their format is told in ``doc/DETAILS`` of GnuPG's source. The exit status says too
little: gpgv 2.2 ends with 0 for a key that expired or was revoked, and for SHA-1.
"""

import re

_FINGERPRINT = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}")
# SHA-256, SHA-384 and SHA-512 in OpenPGP's numbers.
_STRONG = {"8", "9", "10"}
_BINARY = "00"
_UNKNOWN_KEY = "9"
_MALFORMED = (
    "its signature is no OpenPGP signature in ASCII armour, or was cut short; release "
    "the commit again, which signs it anew"
)
_SEVERAL = (
    "it carries several signatures where one is expected; look for `local-user` in "
    "the builder's gpg.conf, then build it again"
)
_VERDICTS = {
    "GOODSIG": "",
    "BADSIG": (
        "its manifest is not the one that key {key} signed: something was altered "
        "since; do not install it, find out who could write to the master's records "
        "and store, then build it again"
    ),
    "ERRSIG": (
        "its signature by key {key} cannot be checked: this gpgv does not know its "
        "algorithm; sign with an Ed25519 or an RSA key"
    ),
    "EXPSIG": "its signature by key {key} has expired; release the commit again",
    "EXPKEYSIG": (
        "the key {key} that signed it has expired; extend the key, put its public "
        "part into pillar, apply the highstate, or sign with a new key"
    ),
    "REVKEYSIG": (
        "the key {key} that signed it was revoked; do not install it, sign with a new "
        "key and build it again"
    ),
}
_STRANGER = (
    "it is signed by key {key}, which is not in this host's keyring; if the key is "
    "yours, put its public part into pillar and apply the highstate"
)
_SIGNING = {
    "No secret key": (
        "there is no secret key {key} in {home}; import it there with `gpg --homedir "
        "{home} --import`, or correct `signing/key` of the definition"
    ),
    "Unusable secret key": (
        "the key {key} in {home} cannot sign: it has expired, was revoked, or is for "
        "other uses; extend it or name another in `signing/key` of the definition"
    ),
    "No pinentry": (
        "the key {key} in {home} has a passphrase, which nobody can type here; remove "
        "it with `gpg --homedir {home} --passwd {key}`, the folder is root's alone"
    ),
}


def fingerprint(value):
    """
    Return a key's full fingerprint in capitals without blanks.

    Raises ``ValueError`` for anything shorter: others can make a key with the same
    short id.
    """
    plain = re.sub(r"\s", "", str(value)).upper()
    if not _FINGERPRINT.fullmatch(plain):
        raise ValueError(
            f"{value!r} is no full fingerprint, 40 (or 64) hex digits; `gpg "
            "--fingerprint` shows it"
        )
    return plain


def sign_argv(home, key):
    """Return the command that signs its standard input and never asks."""
    return [
        "gpg", "--homedir", home, "--batch", "--no-tty", "--pinentry-mode", "error",
        "--digest-algo", "SHA256", "--local-user", key, "--armor", "--detach-sign",
        "--output", "-",
    ]  # fmt: skip


def stop_argv(home):
    """Return the command that ends the daemons that gpg started for ``home``."""
    return ["gpgconf", "--homedir", home, "--kill", "all"]


def verify_argv(home, keyring, signature, data):
    """Return the command that prints what there is to know about a signature."""
    return [
        "gpgv", "--homedir", home, "--status-fd", "1", "--keyring", keyring,
        signature, data,
    ]  # fmt: skip


def signing_fault(stderr, key, home):
    """Return why gpg did not sign, from what it said in English."""
    for words, fault in _SIGNING.items():
        if words in stderr:
            return fault.format(key=key, home=home)
    return f"gpg said: {stderr.strip()}"


def fault(status, wanted=None):
    """
    Return what is wrong with a signature, or nothing when it is sound.

    status
        The status lines of gpgv.
    wanted
        The fingerprint of the key (primary or signing subkey) that must have signed;
        any key of the keyring by default.
    """
    # Not splitlines(): the name in a key may hold what Python takes for a line's end.
    lines = [
        line.split(" ")[1:]
        for line in status.split("\n")
        if line.startswith("[GNUPG:] ")
    ]
    verdicts = [words for words in lines if words[0] in _VERDICTS]
    valid = [words for words in lines if words[0] == "VALIDSIG"]
    if not verdicts:
        return _MALFORMED
    if len(verdicts) > 1:
        return _SEVERAL
    [verdict, *rest] = verdicts[0]
    if verdict == "ERRSIG" and rest[5:6] == [_UNKNOWN_KEY]:
        return _STRANGER.format(key=" ".join(rest[6:7]) or rest[0])
    if verdict != "GOODSIG":
        return _VERDICTS[verdict].format(key=rest[0])
    return _doubt(valid, wanted)


def _doubt(valid, wanted):
    """Return what is wrong with a good signature: by whom, and how it was made."""
    # VALIDSIG key date time expires version reserved algorithm hash class primary
    if len(valid) != 1 or len(valid[0]) < 11:  # noqa: PLR2004  # the line above
        return _MALFORMED
    key, primary, digest, kind = (valid[0][n] for n in (1, 10, 8, 9))
    if digest not in _STRONG or kind != _BINARY:
        return (
            f"its signature by key {key} is of a kind that can be forged (hash "
            f"{digest}, class {kind}); release the commit again"
        )
    if wanted and wanted not in {key, primary}:
        return (
            f"it is signed by key {primary}, and {wanted} is demanded; correct "
            "`signing/key` of the definition, or build it again with that key"
        )
    return ""
