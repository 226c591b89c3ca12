"""Images: built once, kept under the name of their content, shared by all hosts."""

import fcntl
import json
import os
import shutil
import ssl
import time
from contextlib import contextmanager
from pathlib import Path

from holodeck_io.errors import HolodeckError
from holodeck_io.files import sync_filesystem, write_atomic
from holodeck_io.process import run
from holodeck_nspawn import definition as definitions
from holodeck_nspawn import programs

_BUILD_TIMEOUT_S = 1800


def ensure(folder, name, cache):
    """
    Return the root folder of the image ``name``, building it when it is not cached.

    folder
        Where definitions live.
    cache
        Where images, and uv's downloads for them, are kept.

    Raises :class:`HolodeckError` when a program is missing or the build fails; then
    nothing of the attempt is used later.
    """
    definition = definitions.load(folder, name)
    home = Path(cache) / "images" / definitions.content_key(definition)
    if not (home / "image.json").exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        with _alone(home.parent / ".lock"):
            # Whoever held the lock may have built it.
            if not (home / "image.json").exists():
                _build(definition, home, Path(cache) / "uv-image")
    return str(home / "rootfs")


def built(folder, name, cache):
    """Return the key of the image as it is defined now, or None if it is not built."""
    key = definitions.content_key(definitions.load(folder, name))
    return key if (Path(cache) / "images" / key / "image.json").exists() else None


def cached(cache):
    """Return what is known of each image in ``cache``, the newest first."""
    found = [
        {"key": path.parent.name, **json.loads(path.read_text())}
        for path in Path(cache).glob("images/*/image.json")
    ]
    return sorted(found, key=lambda each: each["built_at"], reverse=True)


def ca_bundle():
    """Return the machine's file of certificate authorities."""
    named = os.environ.get("SSL_CERT_FILE")
    usual = "/etc/ssl/certs/ca-certificates.crt"
    for path in (named, usual, ssl.get_default_verify_paths().cafile):
        if path and Path(path).is_file():
            return str(Path(path).resolve())
    raise HolodeckError(
        f"image: no bundle of certificate authorities at {usual}; install the Debian "
        "package ca-certificates, or set SSL_CERT_FILE."
    )


def _build(definition, home, downloads):
    programs.require(programs.BUILD)
    for stale in (home, *home.parent.glob(".*.new")):
        shutil.rmtree(stale, ignore_errors=True)
    draft = home.parent / f".{home.name}.new"
    started = time.time()
    try:
        _bootstrap(definition, draft / "rootfs")
        _set_up(definition, draft, downloads)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    facts = {"name": definition.name, "built_at": int(started)}
    facts["seconds"] = round(time.time() - started, 1)
    write_atomic(draft / "image.json", json.dumps(facts))
    sync_filesystem(draft)
    draft.rename(home)


def _bootstrap(definition, root):
    root.mkdir(parents=True)
    _run(definitions.bootstrap_argv(definition, root))
    # Before the set-up, which enables units that are among these files.
    _write_files(root, definition.data["files"])


def _set_up(definition, draft, downloads):
    bench = draft / "bench"
    downloads.mkdir(parents=True, exist_ok=True)
    enter = definitions.enter_script(
        draft / "rootfs",
        uv=programs.find_uv(),
        bench=bench,
        cache=downloads,
        ca_bundle=ca_bundle(),
    )
    script = definitions.setup_script(definition)
    _write_files(bench, {**definition.pins, "setup.sh": script, "enter.sh": enter})
    environment = definitions.setup_environment(os.environ)
    _run(definitions.setup_argv(bench), environment)


def _run(argv, environment=None):
    isolated = definitions.isolated_argv(argv, os.getpid())
    run(isolated, env=environment, timeout_s=_BUILD_TIMEOUT_S)


def _write_files(root, files):
    for name, content in files.items():
        path = Path(root) / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(content)
        path.chmod(0o644)


@contextmanager
def _alone(path):
    """Hold the one lock of the cache; the kernel lets go when the holder dies."""
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
