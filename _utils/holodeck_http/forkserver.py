"""
Runs of pytest, each forked from one process that has imported everything.

    python -m holodeck_http.forkserver LISTENING-FD [PYTEST-ARGUMENT ...]

Pytest runs once with the arguments, on a folder without tests: what it imports is
there for all. The first connection to the socket lasts as long as this process should.
Each other one is a run: its one message is ``{"argv", "home"}`` with the file for what
the run prints; the answer, ``{"status"}``, comes when nothing of the run is left. Who
hangs up ends the run. Who only says ``?`` is answered ``!``: all is well.

Standard library and pytest alone: the bundle's Python runs this.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import sys
import tempfile
from pathlib import Path

import pytest

_MESSAGE_BYTES = 1 << 20
_PR_SET_CHILD_SUBREAPER = 36


def main(argv):
    """Serve, and never return: each forked run ends with pytest's exit status."""
    listener = socket.socket(fileno=int(argv[0]))
    lifeline, _ = listener.accept()
    pytest.main(argv[1:])
    sys.stdout.flush()
    with contextlib.suppress(OSError):
        # It was well; what is said from here on is about what went wrong.
        os.ftruncate(1, 0)
        os.lseek(1, 0, os.SEEK_SET)
    # Where tests are compiled to: the first run does it, for all that come later.
    sys.pycache_prefix, sys.dont_write_bytecode = str(Path.cwd() / "pycache"), False
    signal.signal(signal.SIGCHLD, _reap)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while lifeline not in select.select([listener, lifeline], [], [])[0]:
        connection, _ = listener.accept()
        if not os.fork():
            listener.close()
            lifeline.close()
            _leave(pytest.main(_supervised(connection)))
        connection.close()
    _leave(0)


def _leave(status):
    """End without taking the interpreter apart, which takes as long as many tests."""
    for stream in (sys.stdout, sys.stderr):
        # Whoever closed it has nothing to say any more.
        with contextlib.suppress(ValueError, OSError):
            stream.flush()
    os._exit(int(status))


def _reap(*_):
    """Take leave of the children that ended; their processor time counts as ours."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _supervised(connection):
    """Fork once more; return pytest's arguments in the child, and never above it."""
    message, files, *_ = socket.recv_fds(connection, _MESSAGE_BYTES, 1)
    if not files:
        # Else the tester has gone.
        if message == b"?":
            with contextlib.suppress(OSError):
                connection.send(b"!")
        os._exit(0)
    asked, (log,) = json.loads(message), files
    # Whatever loses its parent below becomes a child of this process.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno())
    child = os.fork()
    if not child:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for each in (connection, woken, wake):
            each.close()
        return _settled(asked, log)
    os.close(log)
    status = _followed(child, connection, woken)
    _end_children()
    connection.send(json.dumps({"status": status}).encode())
    os._exit(0)


def _settled(asked, log):
    """Give this process what is the run's own; return pytest's arguments."""
    os.setsid()
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.chdir(asked["home"])
    sys.path[0] = asked["home"]
    os.environ.update(HOME=asked["home"], TMPDIR=asked["home"])
    tempfile.tempdir = None
    return asked["argv"]


def _followed(child, connection, woken):
    """Return the child's exit status, or ``None`` when the tester hung up before."""
    while True:
        ready, *_ = select.select([connection, woken], [], [])
        if woken in ready:
            woken.recv(_MESSAGE_BYTES)
        # Also those that lost their parent, for whom a test may wait.
        while True:
            ended, status = os.waitpid(-1, os.WNOHANG)
            if ended == child:
                return os.waitstatus_to_exitcode(status)
            if not ended:
                break
        if connection in ready:
            return None


def _end_children():
    """Kill all that is left below, generation by generation."""
    while children := _children():
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        for pid in children:
            os.waitpid(pid, 0)


def _children():
    """Return this process's children, those that ended and wait for it too."""
    numbers = (folder.name for folder in Path("/proc").iterdir())
    mine = str(os.getpid())
    return [int(pid) for pid in numbers if pid.isdigit() and _parent(pid) == mine]


def _parent(pid):
    try:
        # After the name, which may hold anything: the state, the parent.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    except OSError:
        return None


if __name__ == "__main__":
    main(sys.argv[1:])
