"""Checks of names and settings, shared by all parts of the definition."""

import re

from holodeck import names

_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
# As git tells paths from URLs, and from HOST:PATH.
_FOLDER = re.compile(r"file:.*|[^:/]*(?:/.*)?")
#: What `holodeck.init` writes for a setting that the code reads.
UNSET = "CHANGE-ME"
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
        if isinstance(value, (dict, list)):
            faults.add(where, "must be text, a number or a boolean")
        _check_filled(value, where, faults)
        check_decrypted(value, where, faults)
    for key, value in values.get("files", {}).items():
        where = f"{path}/files/{key}"
        if not _FILE.fullmatch(str(key)) or not isinstance(value, str | None):
            faults.add(where, "must be a plain file name with text")
        _check_filled(value, where, faults)
        check_decrypted(value, where, faults)


def is_folder(repository):
    """Tell whether git would look for a repository in the files of who clones it."""
    return bool(_FOLDER.fullmatch(repository))


def _check_filled(value, where, faults):
    """
    Add a fault for a key without a value.

    Vault's external pillar says nothing where it fails; the key is there by pillar's
    file, and waits for it.
    """
    if value is None:
        faults.add(
            where,
            "has no value, and no external pillar gave it one; '' would be empty text",
        )
    if value == UNSET:
        faults.add(where, f"is still {UNSET}, of holodeck.init; give it its value")


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
