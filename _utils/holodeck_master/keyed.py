"""Digests that only this master can make: by its own secret key."""

import contextlib
import hmac
import json
import secrets

from holodeck_io import files


def digest(key, content):
    """
    Return the keyed digest of what JSON can say.

    key
        The key's file, which is made where it is missing.
    """
    text = json.dumps(content, sort_keys=True, default=str)
    return hmac.new(_secret(key), text.encode(), "sha256").hexdigest()


def _secret(key):
    if not key.is_file():
        key.parent.mkdir(parents=True, exist_ok=True)
        fresh = key.with_name(f".key.{secrets.token_hex(8)}")
        files.write_atomic(fresh, secrets.token_bytes(32), mode=0o600)
        # Of two that start at once one wins, and both use its key.
        with contextlib.suppress(FileExistsError):
            key.hardlink_to(fresh)
        fresh.unlink()
    return key.read_bytes()
