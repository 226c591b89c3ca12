"""Children that are really killed, with everything that they have started."""

import ctypes
import os
import signal
import subprocess
import threading
import traceback
from pathlib import Path

_NEW_PID, _NEW_MOUNTS = 0x20000000, 0x00020000
_libc = ctypes.CDLL(None, use_errno=True)
_COUNTED = (
    "chmod", "fchmod", "fsync", "link", "mkdir", "readv", "rename", "rmdir", "symlink",
    "unlink", "utime",
)  # fmt: skip
_SHIM = """#!/bin/sh
echo "$0 $1" >> {log}
[ $(wc -l < {log}) -lt {at} ] || {{ kill -9 -1; sleep 60; }}
exec {real} "$@"
"""


def killed_at_step(at, work, *more):
    """
    Run ``work`` in a child that is killed before its step number ``at``.

    Steps are what changes files, reads them, or starts a program.

    more
        ``(module, name)`` of functions that are steps too.

    Returns the step's name, or ``None`` when the child ran through.
    """

    def counted(tell):
        _count(at, tell, more)
        work()

    return _child(counted)


def killed_at_program(at, work, programs, folder):
    """
    Run ``work`` in a child; kill it when its program number ``at`` starts.

    Programs are those of ``programs``, also where others start them: dpkg is then
    dead in the middle of its own work.
    """
    log = Path(folder, "log")
    log.write_text("")
    for name in programs:
        shim = Path(folder, name)
        real = f"/usr/bin/{name}"
        shim.write_text(_SHIM.format(log=log, at=at, real=real))
        shim.chmod(0o755)

    def shimmed(tell):
        os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
        work()

    said = _child(shimmed)
    return said if said is None else log.read_text().splitlines()[at - 1]


def on_disk(folder, options, work):
    """Run ``work`` in a child for which a small disk is mounted on ``folder``."""

    def mounted(tell):
        _unshare(_NEW_MOUNTS)
        for argv in (
            ["mount", "--make-rprivate", "/"],
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        ):
            subprocess.run(argv, check=True)
        work()

    assert _child(mounted) is None


def _count(at, tell, more):
    lock, seen = threading.Lock(), []
    real_kill, pid = os.kill, os.getpid()

    def step(name):
        with lock:
            seen.append(name)
            if len(seen) == at:
                tell(name)
                real_kill(pid, signal.SIGKILL)

    def stepping(name, real):
        def called(*words, **options):
            step(f"{name} {words[0] if words else ''}")
            return real(*words, **options)

        return called

    places = [*((os, name) for name in _COUNTED), (subprocess, "Popen"), *more]
    for place, name in places:
        real = getattr(place, name)
        if name == "Popen":
            place.Popen = _popen(real, step)
        else:
            setattr(place, name, stepping(name, real))


def _popen(real, step):
    class Popen(real):
        """A program that is a step."""

        def __init__(self, argv, *words, **options):
            step(" ".join(map(str, argv)))
            super().__init__(argv, *words, **options)

    return Popen


def _child(work):
    """
    Run ``work(tell)`` in a process namespace of its own; return what it told.

    When the child dies its namespace goes, and the kernel kills what is in it.
    """
    read, write = os.pipe()
    if not (keeper := os.fork()):
        os.close(read)
        _keep(lambda: _init(lambda: work(lambda name: os.write(write, name.encode()))),
              write)  # fmt: skip
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(keeper, 0)[1])
    assert status in {0, signal.SIGKILL}, said
    return None if status == 0 else said


def _unshare(what):
    if _libc.unshare(what):
        raise OSError(ctypes.get_errno(), "unshare")


def _keep(init, write):
    """Fork the namespace's first process; end as it ends."""
    try:
        _unshare(_NEW_PID)
        if first := os.fork():
            status = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
            os._exit(status)
        init()
    except BaseException:  # noqa: BLE001 -- pytest must not go on in a child
        os.write(write, traceback.format_exc().encode())
        os._exit(1)


def _init(work):
    """Fork the child that works; end with its status, and all others with it."""
    if child := os.fork():
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os._exit(abs(status))
    work()
    os._exit(0)
