"""Public keys from the text in which people hand them on (RFC 4880, 6.2)."""

import base64
import binascii
import re

from holodeck_io import errors

_BLOCK = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----[ \t]*\r?\n(.*?)"
    r"-----END PGP PUBLIC KEY BLOCK-----",
    re.DOTALL,
)
_BEGIN = "-----BEGIN PGP "
# The first octet of a public key: old format with 1, 2 or 4 octets of length, new.
_PUBLIC_KEY = (0x98, 0x99, 0x9A, 0xC6)
_HOW = "give what `gpg --armor --export FINGERPRINT` prints"


def public_keys(text):
    """
    Return the public keys of one or several ASCII-armoured blocks, as gpgv reads.

    A private key is refused before anything else looks at it, and never shown.
    """
    if "PGP PRIVATE KEY" in text:
        raise errors.HolodeckError(
            "Keyring: the text holds a private key, which no host may have; take it "
            f"out of pillar, replace that key, and {_HOW}."
        )
    blocks, begun = _BLOCK.findall(text), text.count(_BEGIN)
    if not blocks or begun != len(blocks):
        raise errors.HolodeckError(
            f"Keyring: of {begun} blocks {len(blocks)} are whole public keys; {_HOW}."
        )
    return b"".join(_octets(block, n) for n, block in enumerate(blocks, 1))


def _octets(block, number):
    lines = [line.strip() for line in block.split("\n")]
    # Headers such as Comment come before an empty line, the checksum comes last.
    body = lines[lines.index("") + 1 :] if "" in lines else []
    checksum = "".join(line[1:] for line in body if line.startswith("="))
    data = _decoded("".join(line for line in body if not line.startswith("=")))
    if not data or data[0] not in _PUBLIC_KEY:
        raise _damaged(number, "holds no public key")
    if checksum and _decoded(checksum) != _crc24(data):
        raise _damaged(number, "has another checksum than its own, lines are missing")
    return data


def _decoded(text):
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _damaged(number, what):
    return errors.HolodeckError(f"Keyring: block {number} {what}; {_HOW}.")


def _crc24(data):
    crc = 0xB704CE
    for octet in data:
        crc ^= octet << 16
        for _ in range(8):
            crc = crc << 1 ^ (0x1864CFB if crc & 0x800000 else 0)
    return crc.to_bytes(3, "big")
