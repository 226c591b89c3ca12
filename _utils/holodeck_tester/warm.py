"""
A pytest that has imported everything, and a run forked from it for each target.

It waits for the next job of the same commit: a release tests host after host. Where no
job comes for a while it ends by itself.
"""

import contextlib
import hashlib
import json
import select
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from holodeck_io import files, lock
from holodeck_tester import invocation, session

#: Where they live, until the machine's next start.
HOME = Path("/run/holodeck/warm")
#: Seconds without a run after which one ends.
IDLE_S = 120
#: The exit status of a run whose server died.
LOST = -1

# Nobody starts a run on one that may be just about to end.
_REUSED_S = 60
_BACKLOG = 64
_ANSWER_BYTES = 4096
# For what is to end by itself; then it is killed.
_GRACE_S = 4
_STATE = "state.json"


@contextlib.contextmanager
def server(python, library, commit, settings):
    """
    Yield a :class:`Server` for the block: one that waits, or a new one.

    python
        The bundle's interpreter.
    library
        The folder of the plugin.
    commit, settings
        As for :func:`~holodeck_tester.invocation.environment`.
    """
    facts = [str(python), str(library), commit, settings]
    kind = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    files.make_folder(HOME.parent)
    HOME.mkdir(exist_ok=True)
    # Suites pass through to their own, and see of no other one that it is there.
    HOME.chmod(0o711)
    with lock.held(HOME / "lock"):
        waiting = _waiting()
        found = next((one for one in waiting if one.takes(kind)), None)
        if found is None:
            users = {one.user for one in waiting}
            found = _started(kind, users, python, library, commit, settings)
        found.use()
    try:
        yield found
    finally:
        if found.is_broken:
            found.end()


def end_all():
    """End every server of this machine, and what it runs."""
    for one in _waiting():
        one.end()


class Server:
    """A pytest that waits to be forked; ``user`` is whom its runs belong to."""

    def __init__(self, folder):
        self._folder = folder
        self._facts = json.loads((folder / _STATE).read_text())
        self.user = self._facts["user"]
        self.is_broken = False

    def takes(self, kind):
        """Tell whether it is of that kind, and surely there for a while."""
        idle = _now() - self._facts["used"]
        return self._facts["kind"] == kind and idle < _REUSED_S

    def use(self):
        """Remember that somebody is about to start runs."""
        _keep(self._folder, {**self._facts, "used": _now()})

    def is_alive(self):
        """Tell whether anything of it runs."""
        return bool(session.carriers(self._facts["run_id"]))

    def end(self):
        """Kill it with all that it runs."""
        session.sweep(self._facts["run_id"])
        shutil.rmtree(self._folder, ignore_errors=True)

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
                connection.connect(str(self._folder / "socket"))
                socket.send_fds(connection, [asked], [output.fileno()])
                timed_out = not _answers(connection, seconds)
                if timed_out:
                    connection.shutdown(socket.SHUT_WR)
                    _answers(connection, _GRACE_S)
                answer = connection.recv(_ANSWER_BYTES, socket.MSG_DONTWAIT)
            except OSError:
                pass  # the server has died, or says nothing in time
            self.is_broken |= not answer
            if not answer and not timed_out:
                output.write((self._folder / "server.log").read_bytes())
        status = json.loads(answer)["status"] if answer else None
        return LOST if status is None else status, timed_out


def _waiting():
    """Return the servers that live; forget those that ended."""
    found = []
    for folder in HOME.iterdir():
        if not folder.is_dir():
            continue
        one = Server(folder) if (folder / _STATE).is_file() else None
        if one and one.is_alive():
            found.append(one)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return found


def _started(kind, users, python, library, commit, settings):
    folder = Path(tempfile.mkdtemp(dir=HOME))
    folder.chmod(0o711)
    user, run_id = session.user_but(users), uuid.uuid4().hex
    home = session.home(folder / "home", user)
    empty, ini = folder / "empty", folder / "pytest.ini"
    files.make_folder(empty)
    ini.write_text("[pytest]\n")
    ini.chmod(0o644)
    environment = invocation.environment(
        library=library, home=home, commit=commit, run_id=run_id, settings=settings
    )
    with _socket() as listener, session.private(folder / "server.log") as output:
        listener.bind(str(folder / "socket"))
        # Before anybody can connect: only the minion may ask for runs.
        (folder / "socket").chmod(0o600)
        listener.listen(_BACKLOG)
        argv = [str(python), *invocation.FORKSERVER, str(listener.fileno())]
        argv += [str(IDLE_S), *invocation.common(empty, ini), str(empty)]
        # Its own copy of the socket alone is left: who waits is told when it dies.
        subprocess.Popen(
            session.wrapped(argv, user, dies=False), env=environment, cwd=home,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True, pass_fds=[listener.fileno()],
        )  # fmt: skip
    facts = {"kind": kind, "user": user, "run_id": run_id, "used": _now()}
    _keep(folder, facts)
    return Server(folder)


def _keep(folder, facts):
    text = json.dumps(facts)
    files.write_atomic(folder / _STATE, text, mode=0o600, durable=False)


def _now():
    """Return the seconds since this machine's start, whoever sets its clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _socket():
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _answers(connection, seconds):
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
