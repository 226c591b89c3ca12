"""One pytest that has imported everything, and a run forked from it for each target."""

import contextlib
import json
import select
import socket
import subprocess
from pathlib import Path

from holodeck_tester import session

_BACKLOG = 64
_ANSWER_BYTES = 4096
# For what is to end by itself; then it is killed.
_GRACE_S = 4
# For what it imports at its start.
_HELLO_S = 10
#: The exit status of a run whose server died.
LOST = -1


@contextlib.contextmanager
def started(program, options, *, env, cwd, work, user):
    """
    Start :mod:`holodeck_http.forkserver`; yield a :class:`Server` for the block.

    program
        The command, up to the arguments that :mod:`~holodeck_http.forkserver` takes.
    options
        Pytest's arguments, for a session without tests.
    env
        Its whole environment, and that of each run but for their home.
    cwd
        The folder it runs in, and may write to.
    work
        A folder of the minion's, for the socket and the log.
    user
        As :func:`holodeck_tester.session.unprivileged` gives it.
    """
    # No target's name begins so.
    path, log = work / "_socket", work / "_server.log"
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_socket())
        listener.bind(str(path))
        # Before anybody can connect: only the minion may ask for runs.
        path.chmod(0o600)
        listener.listen(_BACKLOG)
        lifeline = stack.enter_context(_socket())
        lifeline.connect(str(path))
        number = listener.fileno()
        argv = [*program, str(number), *options]
        process = stack.enter_context(
            session.started(
                argv, env=env, cwd=cwd, log=log, user=user, pass_fds=[number]
            )
        )
        # Its own copy alone is left: when it dies those who wait for it are told.
        listener.close()
        yield Server(path, log, user)
        lifeline.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)


class Server:
    """
    A pytest that waits to be forked.

    ``user`` is whom its runs belong to; ``is_whole`` says that each one has ended by
    itself, and left nothing.
    """

    def __init__(self, path, log, user):
        self._path, self._log, self.user = Path(path), Path(log), user
        self.is_whole = True

    @property
    def facts(self):
        """What another process needs to have it too, as data."""
        return {"path": str(self._path), "log": str(self._log), "user": self.user}

    def is_there(self):
        """Tell whether it has not been ended."""
        return self._path.exists()

    def answers(self):
        """Tell whether it will fork a run that is asked for."""
        with _socket() as connection, contextlib.suppress(OSError):
            connection.connect(str(self._path))
            connection.send(b"?")
            return _answers(connection, _HELLO_S) and connection.recv(1) == b"!"
        return False

    def run(self, argv, *, home, log, seconds):
        """
        Run pytest once; return ``(exit status, whether the deadline killed it)``.

        argv
            Pytest's arguments.
        home
            The folder that is its home, and where it begins.
        log
            The file for what it prints; where the server died, what that said.
        seconds
            Until it is killed with everything that it started.
        """
        asked = json.dumps({"argv": argv, "home": str(home)}).encode()
        answer, timed_out = b"", False
        with session.private(log) as output, _socket() as connection:
            try:
                connection.connect(str(self._path))
                socket.send_fds(connection, [asked], [output.fileno()])
                timed_out = not _answers(connection, seconds)
                if timed_out:
                    connection.shutdown(socket.SHUT_WR)
                    _answers(connection, _GRACE_S)
                answer = connection.recv(_ANSWER_BYTES, socket.MSG_DONTWAIT)
            except OSError:
                pass  # the server has died, or says nothing in time
            if not answer and not timed_out:
                output.write(self._log.read_bytes())
        status = json.loads(answer)["status"] if answer else None
        self.is_whole = self.is_whole and status is not None
        return LOST if status is None else status, timed_out


def _socket():
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _answers(connection, seconds):
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
