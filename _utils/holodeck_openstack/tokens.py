"""
Tokens that the processes of one master share.

A login takes a while, and each service asks keystone about every token that it has not
seen; salt-cloud makes each server in a process of its own.
"""

import contextlib
import hmac
import json
import logging
import os
import secrets
import stat
import time
from pathlib import Path

from holodeck_io.files import write_atomic
from holodeck_io.lock import held

log = logging.getLogger(__name__)

# The catalogue comes with the token, and a cloud's endpoints may move.
_FRESH_S = 3600
# nova goes on with the token while it boots a server.
_LEFT_S = 900
_KEY_BYTES = 32
_SECRET = 0o600
_PRIVATE = 0o700
# What a file raises that is no token's: cut, or of another keystoneauth.
_GARBAGE = (OSError, ValueError, LookupError, TypeError, AttributeError)


def share(plugin, login, folder):
    """
    Let a login take the token that an equal one got, and keep every token that it gets.

    plugin
        keystoneauth's, which logs in when it is asked for a token.
    login
        All settings that the login depends on, its secrets among them, for JSON.
    folder
        Where the tokens are, each named by a digest of its login that only somebody
        with the key beside it can compute: the name is no oracle for a password.

    A folder that cannot be used is no error; then every process logs in by itself.
    """
    if not plugin.get_cache_id():
        # Something else has a part in who logs in, such as a Kerberos ticket.
        return
    try:
        path = _path(folder, login)
    except OSError as error:
        log.debug("Tokens of OpenStack are not shared: %s", error)
        return
    plugin.get_auth_ref = _keeping(plugin, plugin.get_auth_ref, path)
    _take(plugin, path)


def _keeping(plugin, log_in, path):
    """Return ``log_in`` so that the token it gets replaces the one that is kept."""

    def kept(session):
        # The old one has expired or was refused: whatever comes now, it is over.
        with contextlib.suppress(OSError):
            path.unlink()
        plugin.auth_ref = log_in(session)
        _keep(path, plugin.get_auth_state())
        return plugin.auth_ref

    return kept


def _take(plugin, path):
    with contextlib.suppress(*_GARBAGE):
        if not _is_fresh(path):
            return
        plugin.set_auth_state(path.read_text(encoding="utf-8"))
        found = plugin.auth_ref
        if found.auth_token and not found.will_expire_soon(_LEFT_S):
            return
    plugin.set_auth_state(None)


def _keep(path, state):
    try:
        write_atomic(path, state, mode=_SECRET, durable=False)
        for other in path.parent.glob("*.json*"):
            if not _is_fresh(other):
                other.unlink(missing_ok=True)
    except OSError as error:
        log.debug("A token of OpenStack is not kept: %s", error)


def _is_fresh(path):
    return 0 <= time.time() - path.stat().st_mtime < _FRESH_S


def _path(folder, login):
    folder = Path(folder)
    _make_private(folder)
    told = json.dumps(login, sort_keys=True, default=str).encode()
    return folder / f"{hmac.digest(_key(folder), told, 'sha256').hex()}.json"


def _make_private(folder):
    folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
        # Who writes there could send us, with our next token, wherever he likes.
        raise PermissionError(f"{folder} is not a folder of this user's")
    if stat.S_IMODE(facts.st_mode) != _PRIVATE:
        folder.chmod(_PRIVATE)


def _key(folder):
    path = folder / "key"
    with held(folder / "lock"):
        key = path.read_bytes() if path.exists() else b""
        if len(key) != _KEY_BYTES:
            key = secrets.token_bytes(_KEY_BYTES)
            write_atomic(path, key, mode=_SECRET)
    return key
