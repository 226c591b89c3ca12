"""Checks of names and settings, shared by all parts of the definition."""

import re

from holodeck import names

_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_ENCRYPTED = "-----BEGIN PGP MESSAGE-----"
_RESERVED_SETTINGS = frozenset(
    {
        "PORT",
        "HOLODECK_SERVICE",
        "HOLODECK_COMMIT",
        "HOLODECK_ENVIRONMENT",
        "HOLODECK_DEPLOYMENT",
    }
)


def check_name(name, path, faults):
    """Add a fault unless it can name a service, an environment or a process."""
    if not names.is_name(name):
        faults.add(
            path,
            f"{name!r} is not a name; use lower-case letters, digits and single "
            f"hyphens, {names.NAME_MAX} at most, not ending in {names.SUITE_SUFFIX}",
        )


def check_settings(values, path, faults):
    """Add a fault for each setting and file that a unit could not have."""
    for key, value in values.get("settings", {}).items():
        where = f"{path}/settings/{key}"
        if not _SETTING.fullmatch(str(key)) or key in _RESERVED_SETTINGS:
            faults.add(where, "is not a free name of an environment variable")
        # The value is never shown: it may be a secret.
        if isinstance(value, (dict, list)) or value is None:
            faults.add(where, "must be text, a number or a boolean")
        check_decrypted(value, where, faults)
    for key, value in values.get("files", {}).items():
        if not _FILE.fullmatch(str(key)) or not isinstance(value, str):
            faults.add(f"{path}/files/{key}", "must be a plain file name with text")
        check_decrypted(value, f"{path}/files/{key}", faults)


def check_decrypted(value, where, faults):
    """
    Add a fault for what is still encrypted.

    Salt's gpg renderer leaves what it cannot decrypt, and calls that a success.
    """
    if _ENCRYPTED in str(value):
        faults.add(
            where,
            "is still encrypted: the pillar's file needs the first line `#!yaml|gpg`, "
            "and the master its key in `gpg_keydir`",
        )
