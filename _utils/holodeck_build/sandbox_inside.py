"""
The program that :mod:`holodeck_build.sandbox` starts: it makes the sandbox.

It reads a plan as JSON from its standard input and prints a report as JSON. It is
three processes: this one makes the namespaces; the second is their process 1, which
makes the root folder, keeps the deadline and collects output; the third drops what it
may do and becomes the command. When process 1 ends the kernel kills whatever is left,
and only then is the first one told.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time

from holodeck_build import sandbox_kernel as kernel

_CHUNK = 1 << 16
# How often what is left in the pipe is read: a daemon may fill it for ever.
_LAST_READS = 16


def main():
    """Make the namespaces, wait for their process 1, and end as it did."""
    plan = json.load(sys.stdin)
    os.dup2(os.open("/dev/null", os.O_RDWR), 0)
    os.umask(0o022)
    # A builder that is killed takes its builds along.
    kernel.die_with_parent()
    try:
        kernel.separate(network=plan["network"])
        first = os.fork()
    except (kernel.Refused, OSError) as error:
        _report({"refused": str(error)})
        return 0
    if not first:
        _be_first(plan)
    return os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])


def _report(report):
    sys.stdout.write(json.dumps(report))
    sys.stdout.flush()


def _be_first(plan):
    """Be process 1: never returns."""
    try:
        kernel.die_with_parent()
        socket.sethostname(plan["hostname"])
        kernel.make_root(plan)
        report = _supervise(plan)
    except kernel.Refused as error:
        report = {"refused": str(error)}
    except OSError as error:
        report = {"refused": f"{error.filename or 'a step'}: {error.strerror}"}
    _report(report)
    os._exit(0)


def _supervise(plan):
    """Run the command; return its status, or None beyond the deadline, and output."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    command = os.fork()
    if not command:
        _be_command(plan, writer)
    os.close(writer)
    tail = Tail(reader, plan["output_bytes"])
    status = _wait(command, tail, woken, time.monotonic() + plan["timeout_s"])
    return {"status": status, "output": tail.text()}


def _wait(command, tail, woken, end):
    sources = [tail.reader, woken]
    while (left := end - time.monotonic()) > 0:
        ready = select.select(sources, [], [], left)[0]
        if tail.reader in ready and not tail.read():
            sources.remove(tail.reader)
        if woken in ready:
            os.read(woken, _CHUNK)
            status = _reap(command)
            if status is not None:
                for _ in range(_LAST_READS):
                    tail.read()
                return status
    return None


def _reap(command):
    """Collect all that ended; return the command's status if it is among them."""
    status = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == command:
                status = os.waitstatus_to_exitcode(ended[1])
    return status


class Tail:
    """The last bytes of what a pipe brought."""

    def __init__(self, reader, limit):
        self.reader = reader
        self._limit = limit
        self._bytes = bytearray()
        self._is_cut = False

    def read(self):
        """Read once; return False when nobody can write any more."""
        try:
            chunk = os.read(self.reader, _CHUNK)
        except BlockingIOError:
            return True
        self._bytes += chunk
        if len(self._bytes) > self._limit:
            self._is_cut = True
            del self._bytes[: -self._limit]
        return bool(chunk)

    def text(self):
        """Return the bytes as text, which says where its beginning is missing."""
        cut = "[…]\n" if self._is_cut else ""
        return cut + self._bytes.decode("utf-8", "replace")


def _be_command(plan, writer):
    """Become the command, as a user who may do nothing else: never returns."""
    try:
        os.setsid()
        for descriptor in (1, 2):
            os.dup2(writer, descriptor)
        # Python ignores two, nohup another, and the ignoring would be inherited.
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            with contextlib.suppress(OSError):
                signal.signal(number, signal.SIG_DFL)
        kernel.limit(plan["limits"])
        kernel.drop(plan["user"])
        os.chdir(plan["workdir"])
        os.execvpe(plan["argv"][0], plan["argv"], plan["env"])  # noqa: S606  # no shell
    except (OSError, kernel.Refused) as error:
        os.write(2, f"{plan['argv'][0]}: {error}\n".encode())
    os._exit(127)
