"""
Trees that are the same bytes wherever and whenever they are built.

What differs between two builds of the same input is removed or made constant:
times, modes, compiled files' source times, and the notes that uv leaves about
where a package came from.
"""

import concurrent.futures
import filecmp
import os
import shutil
import stat
from pathlib import Path

from holodeck import packaging
from holodeck_build import recorded
from holodeck_io import files, process
from holodeck_io.errors import HolodeckError

EPOCH = packaging.EPOCH
_LEFTOVERS = ("direct_url.json", "uv_cache.json", "uv_build.json")
_LEFTOVERS_TOP = (".lock", ".gitignore", "CACHEDIR.TAG")
# By their whole names: a package may have scripts that begin so.
_LEFTOVERS_BIN = (
    "activate", "activate.bat", "activate.csh", "activate.fish", "activate.nu",
    "activate.ps1", "activate.xsh", "activate_this.py", "deactivate.bat", "pydoc.bat",
)  # fmt: skip
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
    recorded.normalise(prefix)
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


def scripts(prefix):
    """Return the console scripts of a virtualenv: files, not interpreters."""
    return sorted(
        path
        for path in Path(prefix, "bin").iterdir()
        if path.is_file() and not path.is_symlink()
    )


def _remove_leftovers(prefix):
    for home in recorded.distributions(prefix):
        for name in _LEFTOVERS:
            (home / name).unlink(missing_ok=True)
    for name in _LEFTOVERS_TOP:
        (prefix / name).unlink(missing_ok=True)
    for name in _LEFTOVERS_BIN:
        (prefix / "bin" / name).unlink(missing_ok=True)
    # A link to `lib` that no interpreter of Debian or RPM systems reads.
    (prefix / "lib64").unlink(missing_ok=True)
    for entry in list(_below(prefix)):
        if not entry.name.isprintable():
            raise HolodeckError(
                f"File {os.path.relpath(entry.path, prefix)!r}: has control characters "
                "or no UTF-8 in its name, which lists of files cannot hold; rename it."
            )
        if entry.name == "__pycache__" and not entry.is_symlink():
            shutil.rmtree(entry.path)
        elif entry.is_symlink() and entry.is_dir():
            raise HolodeckError(
                f"Link {os.path.relpath(entry.path, prefix)}: points at a folder, "
                "which nfpm turns into an empty one; put the folder's files there "
                "instead."
            )


def _below(folder):
    """Yield the entries below a folder, parents first."""
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        yield entry
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path)


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
