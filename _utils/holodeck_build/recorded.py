"""What the packages of a virtualenv say of themselves: RECORD and WHEEL."""

import base64
import csv
import hashlib
import io
import os
import stat
from pathlib import Path

from holodeck_io import files

_OF_UV = ("/_virtualenv.py", "/_virtualenv.pth")


def distributions(prefix):
    """Return the folders ``*.dist-info`` of a virtualenv that have a RECORD."""
    found = prefix.glob("lib/*/site-packages/*.dist-info")
    return sorted(home for home in found if (home / "RECORD").is_file())


def normalise(prefix):
    """Make what packages say independent of the day and the order of a build."""
    for home in distributions(prefix):
        _forget_generator(home / "WHEEL")
        _rewrite_record(home / "RECORD")


def is_sound(prefix):
    """
    Tell whether a changed virtualenv is what its packages say, no more, no less.

    Of two packages with the same file, the removal of one takes the other's.
    """
    prefix = Path(prefix)
    sources = [path for _, path, _ in _claims(prefix)]
    there = {
        path for path in _files(prefix / "lib") if not path.endswith((".pyc", *_OF_UV))
    }
    return (
        len(sources) == len(set(sources))
        and all(os.path.lexists(path) for path in sources)
        and not there - set(sources)
    )


def contested(prefix):
    """
    Return the packages that bring the same file with other bytes, sorted by name.

    uv installs packages at the same time, so any of them may have won.
    """
    versions, owners = {}, {}
    for home, path, content in _claims(Path(prefix)):
        versions.setdefault(path, set()).add(content)
        owners.setdefault(path, []).append(home.name.split("-")[0])
    torn = [owners[path] for path, several in versions.items() if len(several) > 1]
    return sorted({name for names in torn for name in names})


def content(prefix):
    """
    Return a digest of what packages brought, which their own lists mostly have.

    What is compiled of it is left out, and files that a list has are not read again.
    """
    prefix, digest = Path(prefix), hashlib.sha256()
    claims = list(_claims(prefix))
    listed = {path for _, path, sums in claims if sums and sums[0]}
    for home in distributions(prefix):
        digest.update((home / "RECORD").read_bytes())
    for path in _files(prefix / "lib"):
        if path not in listed and not path.endswith((".pyc", "/RECORD")):
            name = os.path.relpath(path, prefix)
            digest.update(f"{name} {_content(path)}\n".encode())
    return digest.hexdigest()


def _claims(prefix):
    """Yield ``(dist-info folder, path, hash)`` of each file that a package brings."""
    for home in distributions(prefix):
        rows = csv.reader(io.StringIO((home / "RECORD").read_text(encoding="utf-8")))
        for path, *content in filter(None, rows):
            if not path.endswith(".pyc"):
                yield home, os.path.normpath(home.parent / path), tuple(content)


def _forget_generator(wheel):
    """
    Leave out which version of a build backend made a wheel.

    It is the backend that PyPI had on the day of the build.
    """
    if not wheel.is_file():
        return
    text = wheel.read_text(encoding="utf-8")
    kept = [line for line in text.splitlines(True) if not line.startswith("Generator:")]
    _rewrite(wheel, text, "".join(kept))


def _rewrite_record(record):
    site = record.parent.parent
    text = record.read_text(encoding="utf-8")
    rows = csv.reader(io.StringIO(text))
    kept = [row for row in rows if row and (site / row[0]).exists()]
    for row in kept:
        if row[0].endswith(".dist-info/WHEEL"):
            row[1:] = _recorded(site / row[0])
    sorted_text = io.StringIO()
    csv.writer(sorted_text, lineterminator="\n").writerows(sorted(kept))
    _rewrite(record, text, sorted_text.getvalue())


def _rewrite(path, old, new):
    if new != old:
        files.write_anew(path, new)


def _recorded(path):
    """Return the hash and the size of a file as RECORD has them (PEP 376)."""
    content = path.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return [f"sha256={digest.decode().rstrip('=')}", str(len(content))]


def _files(folder):
    """Return the paths of files and links below a folder, sorted."""
    paths = (f"{folder}/{name}" for name in files.names_below(folder))
    return [path for path in paths if not stat.S_ISDIR(os.lstat(path).st_mode)]


def _content(path):
    path = Path(path)
    return str(path.readlink()) if path.is_symlink() else files.sha256_file(path)
