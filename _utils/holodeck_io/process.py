"""The one place that runs commands: an argv in, the finished process out."""

import os
import shlex
import signal
import subprocess

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
        done = _run(argv, cwd, _environment(env), timeout_s, stdin or "", umask)
    except subprocess.TimeoutExpired as error:
        raise CommandError(
            f"{shlex.join(argv)}: still running after {timeout_s} s and was killed."
        ) from error
    except OSError as error:
        raise CommandError(f"{shlex.join(argv)}: could not start: {error}.") from error
    if check and done.returncode:
        raise CommandError(
            f"{shlex.join(argv)}: ended with status {done.returncode}: "
            f"{_tail(done.stderr or done.stdout)}"
        )
    return done


def pipe(first, second, *, env=None, timeout_s=600, umask=-1):
    """
    Run two commands, the first one's output being the second one's input.

    Raises :class:`CommandError` when either fails.
    """
    with subprocess.Popen(
        first, env=_environment(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
    ) as source:  # fmt: skip
        try:
            done = run(
                second, env=env, timeout_s=timeout_s, check=False, umask=umask,
                stdin=source.stdout,
            )  # fmt: skip
        finally:
            # Without a reader the first one ends by itself.
            source.stdout.close()
        said = source.stderr.read()
    # Where both failed, the second one says why the first could not write.
    for argv, status, text in (
        (second, done.returncode, done.stderr), (first, source.returncode, said),
    ):  # fmt: skip
        if status:
            raise CommandError(
                f"{shlex.join(argv)}: ended with status {status}: {_tail(text)}"
            )
    return done


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
