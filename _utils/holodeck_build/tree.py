"""
Trees that are the same bytes wherever and whenever they are built.

What differs between two builds of the same input is removed or made constant:
times, modes, compiled files' source times, and the notes that uv leaves about
where a package came from.
"""

import base64
import concurrent.futures
import csv
import filecmp
import hashlib
import io
import os
import shutil
import stat
from pathlib import Path

from holodeck import packaging
from holodeck_io import files, process
from holodeck_io.errors import HolodeckError

EPOCH = packaging.EPOCH
_LEFTOVERS = ("direct_url.json", "uv_cache.json", "uv_build.json")
_LEFTOVERS_TOP = (".lock", ".gitignore", "CACHEDIR.TAG")
_OF_UV = ("/_virtualenv.py", "/_virtualenv.pth")
_CODE = ("lib", "app")
# So few files are compiled sooner than another process starts.
_FEW = 40


def normalise(prefix, interpreter, epoch, donor=None):
    """
    Make the virtualenv at ``prefix`` independent of its build.

    prefix
        The virtualenv's folder, in the build's own place.
    interpreter
        The :class:`~holodeck_build.interpreter.Interpreter` that compiles it.
    epoch
        The time that every file gets, in seconds since 1970.
    donor
        A virtualenv that this function made with the same interpreter, if any:
        what it has compiled of the same sources is taken from there.
    """
    prefix = Path(prefix)
    _remove_leftovers(prefix)
    for home in _distributions(prefix):
        _forget_generator(home / "WHEEL")
        _rewrite_record(home / "RECORD")
    _compile(prefix, interpreter, donor)
    _remove_empty_folders(prefix / "lib")
    _normalise_inode(prefix, epoch)
    for entry in _below(prefix):
        _normalise_inode(entry, epoch)


def normalise_parents(prefix, top, epoch):
    """Do the same to the folders from ``prefix`` up to ``top``: they are packed too."""
    for path in Path(prefix).parents:
        _normalise_inode(path, epoch)
        if path == Path(top):
            return


def settle(prefix, added, epoch):
    """Do the same to files that were added to ``prefix`` afterwards."""
    for path in (prefix, *(Path(prefix, name) for name in added)):
        _normalise_inode(path, epoch)


def clone(origin, target):
    """
    Repeat a finished virtualenv by hard links, without its compiled files.

    uv replaces and removes files and never writes into one. What is written in
    place is made anew by who writes it.
    """
    files.link_tree(origin, target, lambda path: path.endswith("/__pycache__"))


def is_sound(prefix):
    """
    Tell whether a changed virtualenv is what its packages say, no more, no less.

    Of two packages with the same file, the removal of one takes the other's.
    """
    prefix = Path(prefix)
    sources = [path for _, path, _ in _claims(prefix)]
    there = {
        entry.path
        for entry in _below(prefix / "lib")
        if not entry.is_dir(follow_symlinks=False)
        and not entry.path.endswith((".pyc", *_OF_UV))
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


def scripts(prefix):
    """Return the console scripts of a virtualenv: files, not interpreters."""
    return sorted(
        path
        for path in Path(prefix, "bin").iterdir()
        if path.is_file() and not path.is_symlink()
    )


def _remove_leftovers(prefix):
    for home in _distributions(prefix):
        for name in _LEFTOVERS:
            (home / name).unlink(missing_ok=True)
    for name in _LEFTOVERS_TOP:
        (prefix / name).unlink(missing_ok=True)
    for pattern in ("activate*", "deactivate*", "pydoc.bat"):
        for path in (prefix / "bin").glob(pattern):
            path.unlink()
    # A link to `lib` that no interpreter of Debian or RPM systems reads.
    (prefix / "lib64").unlink(missing_ok=True)
    for entry in list(_below(prefix)):
        if entry.name == "__pycache__" and not entry.is_symlink():
            shutil.rmtree(entry.path)
        elif entry.is_symlink() and entry.is_dir():
            raise HolodeckError(
                f"Link {os.path.relpath(entry.path, prefix)}: points at a folder, "
                "which nfpm turns into an empty one; put the folder's files there "
                "instead."
            )


def _distributions(prefix):
    """Return the folders ``*.dist-info`` of a virtualenv that have a RECORD."""
    found = prefix.glob("lib/*/site-packages/*.dist-info")
    return sorted(home for home in found if (home / "RECORD").is_file())


def _claims(prefix):
    """Yield ``(dist-info folder, path, hash)`` of each file that a package brings."""
    for home in _distributions(prefix):
        rows = csv.reader(io.StringIO((home / "RECORD").read_text(encoding="utf-8")))
        for path, *content in filter(None, rows):
            if not path.endswith(".pyc"):
                yield home, os.path.normpath(home.parent / path), tuple(content)


def _below(folder):
    """Yield the entries below a folder, parents first."""
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        yield entry
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path)


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


def _compile(prefix, interpreter, donor):
    """
    Compile everything once, here, never on a host.

    ``unchecked-hash`` records no time. The recorded path is relative to the
    prefix: with the commit in it every file would differ between commits.
    Some packages ship files that are no Python of this version (templates,
    tests), so compileall's status says nothing.
    """
    sources = [
        entry.path
        for name in _CODE
        if (prefix / name).is_dir()
        for entry in _below(prefix / name)
        if entry.name.endswith(".py")
    ]
    if donor is not None:
        sources = [s for s in sources if not _adopt(s, prefix, interpreter, donor)]
    # compileall's own workers are for folders: a list it compiles one by one.
    many = min(os.cpu_count() or 1, len(sources) // _FEW + 1)
    with concurrent.futures.ThreadPoolExecutor(many) as pool:
        shares = [sources[start::many] for start in range(many)]
        list(pool.map(lambda share: _compile_files(prefix, interpreter, share), shares))


def _compile_files(prefix, interpreter, sources):
    if not sources:
        return
    process.run(
        [
            interpreter.path, "-m", "compileall", "-q",
            "--invalidation-mode", "unchecked-hash",
            "-s", str(prefix), "-p", "", "-i", "-",
        ],
        check=False,
        env={"PYTHONHASHSEED": "0", "PYTHONOPTIMIZE": None, "PYTHONPATH": None},
        stdin="".join(f"{path}\n" for path in sources),
    )  # fmt: skip


def _adopt(source, prefix, interpreter, donor):
    """Take the donor's compiled file of the same source; tell whether it had one."""
    folder, name = os.path.split(source)
    compiled = interpreter.compiled(name)
    twin = f"{donor}{folder.removeprefix(str(prefix))}"
    try:
        one, other = Path(source).stat(), Path(twin, name).stat()
        linked = one.st_ino == other.st_ino and one.st_dev == other.st_dev
        if not linked and not filecmp.cmp(source, f"{twin}/{name}", shallow=False):
            return False
        Path(folder, "__pycache__").mkdir(exist_ok=True)
        if linked:
            os.link(f"{twin}/{compiled}", f"{folder}/{compiled}")
        else:
            # Its times are to be another commit's: a file of its own.
            shutil.copyfile(f"{twin}/{compiled}", f"{folder}/{compiled}")
    except OSError:
        return False
    return True


def _remove_empty_folders(top):
    """Remove what an older package left, and what no package can bring."""
    for folder, _, _ in os.walk(top, topdown=False):
        if not os.listdir(folder):  # noqa: PTH208  # thousands of them
            Path(folder).rmdir()


def _normalise_inode(path, epoch):
    facts = os.lstat(path)
    if not stat.S_ISLNK(facts.st_mode):
        executable = stat.S_ISDIR(facts.st_mode) or facts.st_mode & 0o100
        mode = 0o755 if executable else 0o644
        if stat.S_IMODE(facts.st_mode) != mode:
            os.chmod(path, mode)  # noqa: PTH101  # an entry, or a path
    if facts.st_mtime != epoch:
        os.utime(path, (epoch, epoch), follow_symlinks=False)
