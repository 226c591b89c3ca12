"""
Detached signatures of bundles, so that packages stay the same bytes.

A builder signs the manifest, which names every file by its digest, with a key of a
GPG home of its own. A host verifies it with ``gpgv`` and a keyring before it
installs any byte. No agent outlives a call, and nobody's ``~/.gnupg`` is touched.
"""

import tempfile
from pathlib import Path

from holodeck import gpg, names
from holodeck.manifest import UnsignableError, canonical
from holodeck_bundle import armour
from holodeck_io import errors, files, lock, process

HOME = Path(names.CONFIG, "gnupg")
KEYRING = Path(names.CONFIG, "keyring.gpg")
_TIMEOUT_S = 60
# Why gpg did not sign is read in English.
_ENVIRONMENT = {"LC_ALL": "C"}
_SIGNATURE = "-----BEGIN PGP SIGNATURE-----"


def sign(manifest, fingerprint, home=HOME):
    """
    Return the armoured signature of a bundle's manifest.

    fingerprint
        The full fingerprint of a key without passphrase.
    home
        The GPG home that has it, set up by the administrator.
    """
    what = f"{_title(manifest)}: could not be signed"
    key = _fingerprint(fingerprint, what)
    if not Path(home).is_dir():
        raise errors.HolodeckError(
            f"{what}: {home} is not on this builder; make it with `gpg --homedir` and "
            "mode 0700, and import the signing key."
        )
    text = _canonical(manifest, what).decode("ascii")
    # One at a time: whoever is done ends the agent that another might use.
    with lock.held(Path(home, "holodeck.lock")):
        try:
            done = _run(gpg.sign_argv(str(home), key), what, stdin=text)
        finally:
            _run(gpg.stop_argv(str(home)), what)
    if done.returncode or _SIGNATURE not in done.stdout:
        fault = gpg.signing_fault(done.stderr, key, home)
        raise errors.HolodeckError(f"{what}: {fault}.")
    return done.stdout


def verify(manifest, signature, keyring=None, fingerprint=None):
    """
    Raise unless ``manifest`` is what a trusted key signed.

    keyring
        The file that :func:`import_keys` wrote; by default this host's.
    fingerprint
        The key that must have signed; any of the keyring by default.
    """
    what, keyring = _title(manifest), keyring or KEYRING
    wanted = _fingerprint(fingerprint, what) if fingerprint else None
    if not signature:
        raise errors.HolodeckError(
            f"{what}: carries no signature, and this host demands one; give "
            "`signing: {key: FINGERPRINT}` in the definition and release again."
        )
    if not Path(keyring).is_file():
        raise errors.HolodeckError(
            f"{what}: could not be verified: {keyring} is not on this host; put the "
            "public keys into pillar and apply the highstate."
        )
    fault = gpg.fault(_status(manifest, str(signature), keyring, what), wanted)
    if fault:
        raise errors.HolodeckError(f"{what}: is not installed: {fault}.")


def import_keys(armoured, keyring=None):
    """
    Make ``keyring`` hold the public keys of a text; tell whether that changed it.

    armoured
        One or several ASCII-armoured blocks, as ``gpg --armor --export`` prints.
    """
    wanted, path = armour.public_keys(armoured), Path(keyring or KEYRING)
    if path.is_file() and path.read_bytes() == wanted:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_atomic(path, wanted)
    return True


def _status(manifest, signature, keyring, what):
    with tempfile.TemporaryDirectory(prefix="holodeck-verify-") as folder:
        data, detached = Path(folder, "manifest"), Path(folder, "manifest.asc")
        data.write_bytes(_canonical(manifest, what))
        detached.write_text(signature, encoding="utf-8", errors="replace")
        argv = gpg.verify_argv(folder, str(keyring), str(detached), str(data))
        return _run(argv, what).stdout


def _run(argv, what, stdin=None):
    try:
        return process.run(
            argv, check=False, stdin=stdin, env=_ENVIRONMENT, timeout_s=_TIMEOUT_S
        )
    except errors.CommandError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise errors.HolodeckError(
                f"{what}: {argv[0]} is not installed here; install the package "
                "`gpgv` on hosts, `gpg` and `gpg-agent` on builders (`gnupg2` where "
                "packages are rpm)."
            ) from error
        raise


def _canonical(manifest, what):
    try:
        return canonical(manifest)
    except UnsignableError as error:
        raise errors.HolodeckError(f"{what}: {error} Build it again.") from error


def _fingerprint(value, what):
    try:
        return gpg.fingerprint(value)
    except ValueError as error:
        raise errors.HolodeckError(f"{what}: signing key {error}.") from error


def _title(manifest):
    named = manifest if isinstance(manifest, dict) else {}
    return f"Bundle {named.get('name')} {names.short(str(named.get('commit')))}"
