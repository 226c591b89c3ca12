"""A command in its own session, until a deadline, and nothing left afterwards."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path

from holodeck_tester.invocation import RUN_ID

_SWEEPS = 50
_USER = "nobody"


def unprivileged():
    """Return the user that suites run as, or ``None`` where that cannot be changed."""
    return None if os.geteuid() or not shutil.which("setpriv") else pwd.getpwnam(_USER)


def home(folder, user):
    """Make and return a folder for ``user`` alone; for the caller where it is none."""
    folder.mkdir(mode=0o700)
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def run(argv, *, env, cwd, log, seconds, user=None):
    """
    Run ``argv`` and return ``(exit status, whether the deadline killed it)``.

    argv
        The command as a list of strings.
    env
        Its whole environment, with :data:`~holodeck_http.invocation.RUN_ID`.
    cwd
        The folder to run in.
    log
        The file for what it prints. A pipe would keep this function waiting for
        whoever inherited it.
    seconds
        Until it is killed, with everything that it started.
    user
        Its entry of the password file; the caller's own by default.
    """
    with open(log, "wb") as output:
        process = subprocess.Popen(
            wrapped(argv, user),
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    timed_out = False
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        timed_out = True
    finally:
        _kill_group(process.pid)
        process.wait()
        sweep(env[RUN_ID])
    return process.returncode, timed_out


def wrapped(argv, user, *, dies=True):
    """
    Return a command that gains no privileges, and as another user has none.

    dies
        Whether it dies with the minion's job, which cannot clean up then.
    """
    setpriv = shutil.which("setpriv")
    if not setpriv:
        return argv
    words = [setpriv, "--no-new-privs"]
    if user:
        words += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    if dies:
        words += ["--pdeathsig", "KILL"]
    return [*words, "--", *argv]


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
