"""What a commit has to be: files, all its own, with names that packages bear."""

import ast
from pathlib import Path

from holodeck_io import errors

# The words for git that list a commit; they go before it.
LIST = ("-c", "core.quotePath=true", "ls-tree", "-r", "-l", "--full-tree")
_SUBMODULE, _FILE = "160000", "100"
_POINTER = b"version https://git-lfs.github.com/spec/v1\n"
# Git LFS itself takes no longer file for a pointer.
_POINTER_MAX = 1024


def small(listing):
    """
    Return the paths of the files that are short enough for a pointer.

    Raises :class:`~holodeck_io.errors.HolodeckError` for a submodule, and for a name
    that is not UTF-8.
    """
    found = []
    for line in listing.split("\n"):
        words, _, shown = line.partition("\t")
        if not shown:
            continue
        path = _path(shown)
        mode, _, _, size = words.split()
        if mode == _SUBMODULE:
            raise errors.HolodeckError(
                f"Folder {path}: is a submodule, whose files are in another repository "
                "and would be missing; commit the files themselves, or let the lock "
                "have that repository's package."
            )
        if mode.startswith(_FILE) and len(_POINTER) < int(size) < _POINTER_MAX:
            found.append(path)
    return found


def refuse_pointers(folder, paths):
    """Refuse files of Git LFS, of which the repository has nothing but pointers."""
    pointers = [path for path in paths if _is_pointer(Path(folder, path))]
    if pointers:
        more = f" (and {len(pointers) - 1} more)" if len(pointers) > 1 else ""
        raise errors.HolodeckError(
            f"File {pointers[0]}{more}: is a pointer of Git LFS, whose content is not "
            "in the commit; commit the content itself (`git lfs migrate export`), or "
            "take the pointer out and let the service's `build` command fetch it."
        )


def _is_pointer(path):
    with open(path, "rb", buffering=0) as file:
        return file.read(len(_POINTER)) == _POINTER


def _path(shown):
    """Return a path as it is; git quotes one with unusual bytes as C does."""
    if not shown.startswith('"'):
        return shown
    name = ast.literal_eval(f"b{shown}")
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise errors.HolodeckError(
            f"File {name.decode(errors='backslashreplace')}: has a name that is not "
            "UTF-8, which packages cannot bear; rename it (`git mv`)."
        ) from error
