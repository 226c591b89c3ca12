"""The one place that runs commands: an argv in, the finished process out."""

import contextlib
import os
import select
import shlex
import signal
import subprocess
import tempfile
import time

from holodeck_io.errors import CommandError

# What is read of a command's words is read in English; LANGUAGE would count more than
# LC_ALL.
PLAIN = {"LC_ALL": "C.UTF-8", "LANGUAGE": None}
_HEAD_LINES = 5
_TAIL_LINES = 15


def run(
    argv, *, cwd=None, env=None, timeout_s=600, check=True, stdin=None, umask=-1
):  # fmt: skip
    """
    Run ``argv`` without a shell and return the finished process.

    argv
        The command as a list of strings.
    cwd
        The folder to run in.
    env
        Variables laid over this process's own; ``None`` as a value removes
        one.
    timeout_s
        Seconds after which the command is killed and counts as failed.
    check
        Raise when the exit status is not 0.
    stdin
        Text for the command's standard input, or an open file; empty by default.
    umask
        The command's umask; this process's own by default.

    Returns a :class:`subprocess.CompletedProcess` with text ``stdout`` and
    ``stderr``.

    Raises :class:`CommandError`, which shows the argv, the status and the last
    lines of stderr.
    """
    try:
        with _explained(argv):
            done = _run(argv, cwd, _environment(env), timeout_s, stdin or "", umask)
    except subprocess.TimeoutExpired as error:
        raise _too_long(argv, timeout_s) from error
    if check and done.returncode:
        raise CommandError(
            f"{shlex.join(argv)}: ended with status {done.returncode}: "
            f"{_tail(done.stderr or done.stdout)}"
        )
    return done


def pipe(first, second, *, env=None, timeout_s=600, umask=-1):
    """
    Run two commands, the first one's output being the second one's input.

    Raises :class:`CommandError` when either fails, does not start, or when both
    together take longer than ``timeout_s``: then none of them goes on.
    """
    end = time.monotonic() + timeout_s
    with _explained(first), tempfile.TemporaryFile() as said:
        source = subprocess.Popen(
            first, env=_environment(env), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=said, start_new_session=True,
        )  # fmt: skip
        done = _drain(source, second, _environment(env), end, timeout_s, umask)
        said.seek(0)
        text = said.read().decode(errors="replace")
    # Where both failed, the second one says why the first could not write.
    for argv, status, words in (
        (second, done.returncode, done.stderr), (first, source.returncode, text),
    ):  # fmt: skip
        if status:
            raise CommandError(
                f"{shlex.join(argv)}: ended with status {status}: {_tail(words)}"
            )
    return done


def _drain(source, argv, env, end, timeout_s, umask):
    """Run ``argv`` on the output of ``source``, and wait for both until ``end``."""
    blamed = argv
    with source:
        try:
            with _explained(argv):
                done = _run(argv, None, env, _left(end), source.stdout, umask)
            blamed = source.args
            # Without a reader the source ends by itself, unless it hangs.
            source.stdout.close()
            if not done.returncode:
                source.wait(_left(end))
        except subprocess.TimeoutExpired as error:
            if not source.stdout.closed and not _is_readable(source.stdout):
                # Nothing was left to read, and more could come.
                blamed = source.args
            raise _too_long(blamed, timeout_s) from error
        finally:
            if source.returncode is None:
                os.killpg(source.pid, signal.SIGKILL)
    return done


def _left(end):
    return max(0, end - time.monotonic())


def _is_readable(file):
    """Tell whether there is something to read, were it the end."""
    return bool(select.select([file], [], [], 0)[0])


@contextlib.contextmanager
def _explained(argv):
    try:
        yield
    except OSError as error:
        raise CommandError(f"{shlex.join(argv)}: could not start: {error}.") from error


def _too_long(argv, timeout_s):
    return CommandError(
        f"{shlex.join(argv)}: still running after {timeout_s} s and was killed."
    )


def _run(argv, cwd, env, timeout_s, stdin, umask):
    """Run in a session of its own, so that a timeout ends the children too."""
    text = stdin if isinstance(stdin, str) else None
    with subprocess.Popen(
        argv, cwd=cwd, env=env, stdin=stdin if text is None else subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
        start_new_session=True, umask=umask,
    ) as process:  # fmt: skip
        try:
            out, err = process.communicate(text, timeout=timeout_s)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(argv, process.returncode, out, err)


def _environment(overlay):
    if overlay is None:
        return None
    merged = {**os.environ, **overlay}
    return {name: value for name, value in merged.items() if value is not None}


def _tail(text):
    lines = text.strip().splitlines()
    if len(lines) > _HEAD_LINES + _TAIL_LINES:
        # What went wrong often stands first, what it led to last.
        lines[_HEAD_LINES:-_TAIL_LINES] = ["…"]
    return "\n".join(lines) or "no output"
