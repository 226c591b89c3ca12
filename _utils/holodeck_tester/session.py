"""A command in its own session, until a deadline, and nothing left afterwards."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

from holodeck_tester.invocation import RUN_ID

_SWEEPS = 50
_TOOLS = ("setpriv", "unshare", "prlimit")
# Above all that systems give out, below what is not a user any more.
_FIRST_USER = 1_900_000_000
_FILE_BYTES = 64 << 20


def unprivileged():
    """
    Return the id of a user that nobody else has, or ``None`` where it cannot be had.

    Each run has its own: suites of two services must not read each other's secrets.
    """
    if os.geteuid() or not all(map(shutil.which, _TOOLS)):
        return None
    # No two threads of living processes have the same.
    return _FIRST_USER + threading.get_native_id()


def home(folder, user):
    """Make and return a folder for ``user`` alone; for the caller where it is none."""
    folder.mkdir(mode=0o700)
    if user:
        os.chown(folder, user, user)
    return folder


def private(log):
    """Open a new file for what a run prints; other services' suites do not read it."""
    return open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def run(argv, *, seconds, **how):
    """
    Run ``argv`` and return ``(exit status, whether the deadline killed it)``.

    seconds
        Until it is killed, with everything that it started.
    how
        As :func:`started` takes it.
    """
    timed_out = False
    with started(argv, **how) as process:
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            timed_out = True
    return process.returncode, timed_out


@contextlib.contextmanager
def started(argv, *, env, cwd, log, user=None, pass_fds=()):
    """
    Start ``argv`` and yield the process; it and all that it started end with the block.

    argv
        The command as a list of strings.
    env
        Its whole environment, with :data:`~holodeck_tester.invocation.RUN_ID`.
    cwd
        The folder to run in.
    log
        The file for what it prints. A pipe would keep the block's end waiting for
        whoever inherited it.
    user
        The id that :func:`unprivileged` returned; the caller's own by default.
    pass_fds
        The numbers of open files that it gets.
    """
    with private(log) as output:
        process = subprocess.Popen(
            wrapped(argv, user),
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=pass_fds,
        )
    try:
        yield process
    finally:
        _kill_group(process.pid)
        process.wait()
        sweep(env[RUN_ID])


def wrapped(argv, user, *, dies=True):
    """
    Return a command that gains no privileges, and as another user has none.

    As another user it also sees no processes but its own, cannot write without end, and
    when its first process ends all end that it started, wherever they fled to.

    dies
        Whether it dies with the minion's job, which cannot clean up then.
    """
    if not shutil.which("setpriv"):
        return argv
    mortal = ["--pdeathsig", "KILL"] if dies else []
    if not user:
        return ["setpriv", "--no-new-privs", *mortal, "--", *argv]
    # Once more within: a change of the user forgets whose death was to be followed.
    return [
        "setpriv", *mortal, "--",
        "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--",
        "prlimit", f"--fsize={_FILE_BYTES}", "--",
        "setpriv", "--no-new-privs", f"--reuid={user}", f"--regid={user}",
        "--clear-groups", "--pdeathsig", "KILL", "--", *argv,
    ]  # fmt: skip


def _kill_group(leader):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def sweep(run_id):
    """Kill whatever carries a run's id, whatever group it fled to."""
    for _ in range(_SWEEPS):
        left = _carriers(run_id)
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _carriers(run_id):
    mark = f"{RUN_ID}={run_id}".encode()
    numbers = (folder.name for folder in Path("/proc").iterdir())
    return [int(pid) for pid in numbers if pid.isdigit() and mark in _environ(pid)]


def _environ(pid):
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []  # it ended meanwhile, or is not ours to read
