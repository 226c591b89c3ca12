"""
A sandbox for a service's own build scripts: nothing to read, nowhere to write.

The command comes from a repository that many people write to, and a builder holds
keys and runs as root. So the command sees the operating system read-only, its checkout
and what it is given; it runs as a user of its own without any privilege, by default
without a network, and nothing that it starts outlives it.

With a network it shares the builder's: loopback servers, abstract sockets and a
cloud's metadata address are then within reach.
"""

import contextlib
import json
import os
import shlex
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from holodeck import confinement
from holodeck_io import errors, process

_PACK = Path(__file__).resolve().parents[1]
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from holodeck_build import sandbox_inside; sys.exit(sandbox_inside.main())"
)
_GRACE_S = 60
_TAIL_LINES = 20
_FAULTS_SHOWN = 10
_PLAIN = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)


def run(
    argv,
    *,
    workdir,
    readable=(),
    env=None,
    network=False,
    timeout_s=600,
    memory_mb=None,
):
    """
    Run ``argv`` in a sandbox and return the finished process.

    argv
        The command as a list of words, found by the sandbox's PATH.
    workdir
        The folder it runs in and may write to, such as a checkout. Everything in it
        belongs to root afterwards. Wherever it is, it is seen at its own path.
    readable
        Folders or files that are shown read-only at their own paths, such as a
        virtualenv. Users other than root must be able to read them.
    env
        Variables over the fixed ones; nothing of the caller's is passed on.
    network
        Let it use the builder's network.
    timeout_s
        Seconds after which it and all it started are killed.
    memory_mb
        MiB of data that each of its processes may have.

    Returns a :class:`subprocess.CompletedProcess`; ``stdout`` is the last 64 KiB of
    what was written to both outputs.

    Raises :class:`HolodeckError` when the host refuses the sandbox (then nothing was
    run), when the command fails, and when it leaves what a bundle must not have:
    setuid files, devices, sockets, pipes, links that lead out of ``workdir``.
    """
    job = confinement.Job(
        argv, str(workdir), tuple(str(path) for path in readable),
        dict(env or {}), network, timeout_s, memory_mb,
    )  # fmt: skip
    _check(job)
    _lend(job.workdir)
    report = _confined(job)
    left = _take_back(job.workdir)
    _raise_for(job, report)
    _refuse(left)
    return subprocess.CompletedProcess(argv, report["status"], report["output"], "")


@dataclass(frozen=True)
class Confined:
    """A sandbox that several commands of one build run in, by :func:`run`."""

    workdir: Path
    network: bool = False
    timeout_s: float = 600

    def __call__(self, argv, readable=(), env=None):
        """Run ``argv``; see :func:`run`."""
        return run(
            argv, workdir=self.workdir, readable=readable, env=env,
            network=self.network, timeout_s=self.timeout_s,
        )  # fmt: skip


def _check(job):
    faults = list(confinement.faults(job))
    if not faults:
        if os.geteuid():
            faults.append("Sandbox: is made by root alone; run the builder as root.")
        if Path(job.workdir).is_symlink() or not Path(job.workdir).is_dir():
            faults.append(f"Folder {job.workdir}: is no folder; give the checkout's.")
        faults += [_unreadable(path) for path in job.readable if _unreadable(path)]
    _refuse(faults)


def _unreadable(path):
    try:
        mode = Path(path).stat().st_mode
    except OSError as error:
        return f"Path {path}: cannot be shown to a build: {error.strerror}."
    wanted = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
    if mode & wanted != wanted:
        return (
            f"Path {path}: is closed to users other than root ({stat.filemode(mode)}), "
            "and a build is one; open it with chmod o+rX."
        )
    return ""


def _lend(workdir):
    """Give the tree to the sandbox's user."""
    entries = list(_entries(workdir))
    _refuse(_shared_files(entries))
    for path, _ in entries:
        os.chown(
            path, confinement.USER_ID, confinement.USER_ID, follow_symlinks=False
        )  # fmt: skip


def _shared_files(entries):
    """
    Return the files that have another name outside, as sentences.

    To own the file here would be to own it there: in uv's cache, say.
    """
    seen = {}
    for path, info in entries:
        if stat.S_ISREG(info.st_mode):
            seen.setdefault((info.st_dev, info.st_ino, info.st_nlink), []).append(path)
    return [
        f"File {paths[0]}: is a hard link to a file outside of the folder; copy it."
        for (_, _, links), paths in seen.items()
        if links > len(paths)
    ]


def _take_back(workdir):
    """Give the tree to root; return what must not be in it, as sentences."""
    faults = []
    for path, info in _entries(workdir):
        faults += _faults(path, info.st_mode, workdir)
        # After the look at it: this takes setuid bits away.
        os.chown(path, 0, 0, follow_symlinks=False)
    return faults


def _faults(path, mode, workdir):
    kind = stat.S_IFMT(mode)
    if kind not in _PLAIN:
        yield (
            f"File {path}: the build left a device, a socket or a pipe "
            f"({stat.filemode(mode)}); have the command remove it."
        )
    elif kind == stat.S_IFREG and mode & (stat.S_ISUID | stat.S_ISGID):
        yield (
            f"File {path}: the build left it setuid or setgid "
            f"({stat.filemode(mode)}); have the command leave that out."
        )
    elif kind == stat.S_IFLNK and not _stays(Path(path), Path(workdir)):
        yield (
            f"Link {path}: leads out of the folder, or is absolute: to "
            f"{Path(path).readlink()}; have the command copy, or link relatively."
        )


def _stays(link, workdir):
    """Tell whether a link stays in the folder, by its text and by where it ends."""
    folder = str(link.parent.relative_to(workdir))
    if not confinement.stays_within(folder, str(link.readlink())):
        return False
    # Another link on the way may end less deep than its name.
    end = os.path.realpath(link)
    return f"{end}/".startswith(f"{os.path.realpath(workdir)}/")


def _entries(folder):
    """Yield ``(path, lstat)`` of a folder and all below it, however deep."""
    try:
        yield from _walk(folder)
    except OSError as error:
        raise errors.HolodeckError(
            f"Folder {folder}: cannot be read to its end: {error.strerror}; the build "
            "must leave names that a path can hold."
        ) from error


def _walk(folder):
    yield folder, os.lstat(folder)
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as found:
            for entry in found:
                yield entry.path, entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)


def _confined(job):
    network_files = _network_files() if job.network else {}
    with _empty_folder() as root:
        plan = confinement.plan(job, root, network_files)
        done = process.run(
            [sys.executable, "-I", "-S", "-c", _START, str(_PACK)],
            cwd="/", stdin=json.dumps(plan), timeout_s=job.timeout_s + _GRACE_S,
        )  # fmt: skip
    return json.loads(done.stdout)


def _network_files():
    files = {}
    for path in confinement.NETWORK_FILES:
        # Read, not bound: resolv.conf is often a link into /run.
        with contextlib.suppress(OSError):
            files[path] = Path(path).read_text(encoding="utf-8")
    return files


@contextlib.contextmanager
def _empty_folder():
    """
    Hold a folder to mount on; only the sandbox's own processes see the mount.

    It is removed by rmdir alone, which can do no harm if that were ever untrue.
    """
    folder = tempfile.mkdtemp(prefix="holodeck-sandbox-")
    try:
        yield folder
    finally:
        Path(folder).rmdir()


def _raise_for(job, report):
    if "refused" in report:
        raise errors.HolodeckError(
            f"Sandbox: this host refuses a step, and nothing was run: "
            f"{report['refused']}; build on a host whose root may make namespaces and "
            "mounts (a container needs CAP_SYS_ADMIN)."
        )
    command, tail = shlex.join(job.argv), _tail(report["output"])
    if report["status"] is None:
        raise errors.CommandError(
            f"{command}: still running after {job.timeout_s} s and was killed: {tail}"
        )
    if report["status"]:
        raise errors.CommandError(
            f"{command}: ended with status {report['status']} in the sandbox: {tail}"
        )


def _tail(output):
    return "\n".join(output.strip().splitlines()[-_TAIL_LINES:]) or "no output"


def _refuse(faults):
    if faults:
        more = len(faults) - _FAULTS_SHOWN
        shown = faults[:_FAULTS_SHOWN] + ([f"And {more} more."] if more > 0 else [])
        raise errors.HolodeckError("\n".join(shown))
