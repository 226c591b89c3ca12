"""Commands: argv in, output out, and one error that says all."""

import os
import sys
import time

import pytest

from holodeck_io import files, lock, process
from holodeck_io.errors import CommandError


def _python(code):
    return [sys.executable, "-c", code]


def test_run_returns_output_and_status():
    """A command's output comes back as text, whatever bytes it is."""
    done = process.run(
        _python("import sys; sys.stdout.buffer.write(b'a\\xff'); sys.exit(3)"),
        check=False,
    )
    assert (done.stdout, done.returncode) == ("a\ufffd", 3)


def _failure(lines):
    code = (
        f"import sys; [print(n, file=sys.stderr) for n in range({lines})]; sys.exit(2)"
    )
    with pytest.raises(CommandError) as failed:
        process.run(_python(code))
    return str(failed.value)


def test_run_failure_shows_argv_status_first_and_last_lines():
    """A failed command is one error: what was run, how it began, and how it ended."""
    message = _failure(99)
    assert message.startswith(sys.executable)
    first, *lines = message.partition("ended with status 2: ")[2].splitlines()
    assert [first, *lines[:5]] == ["0", "1", "2", "3", "4", "…"]
    assert lines[5:] == [str(n) for n in range(84, 99)]


def test_run_failure_of_few_words_shows_them_all():
    """Nothing is left out where all of it is short."""
    lines = _failure(20).partition("ended with status 2: ")[2].splitlines()
    assert lines == [str(n) for n in range(20)]


def test_run_words_are_never_a_shells():
    """What a shell would expand arrives as it is."""
    done = process.run([*_python("import sys; print(sys.argv[1])"), "$(id) * ; x"])
    assert done.stdout == "$(id) * ; x\n"


def test_run_environment_is_laid_over(monkeypatch):
    """Variables are added, and removed by ``None``; the others stay."""
    monkeypatch.setenv("KEPT", "1")
    monkeypatch.setenv("GONE", "1")
    code = "import os; print(*(os.environ.get(k) for k in ('KEPT', 'GONE', 'NEW')))"
    done = process.run(_python(code), env={"GONE": None, "NEW": "2"})
    assert done.stdout == "1 None 2\n"


def test_run_reads_no_terminal():
    """A command that asks gets nothing, and what is given when it is."""
    code = "import sys; print(repr(sys.stdin.read()))"
    assert process.run(_python(code)).stdout == "''\n"
    assert process.run(_python(code), stdin="yes").stdout == "'yes'\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (_python("import time; time.sleep(60)"), "still running after 0.3 s"),
        (["/nowhere/tool"], "could not start: .*No such file"),
    ],
    ids=["too long", "missing"],
)
def test_run_command_that_never_ends_or_starts(argv, message):
    """A command beyond its deadline, or one that is not there, is an error."""
    with pytest.raises(CommandError, match=message):
        process.run(argv, timeout_s=0.3)


_SLEEP = ["sleep", "60"]
_COPY = ["cat"]


def test_pipe_hands_one_output_to_the_other():
    """What the first one writes is what the second one reads."""
    done = process.pipe(_python("print('a' * 100_000)"), ["wc", "-c"])
    assert done.stdout.strip() == "100001"


@pytest.mark.parametrize(
    ("first", "second", "blamed"),
    [
        (_SLEEP, _COPY, "sleep 60"),
        (["sh", "-c", "sleep 60 & wait"], _COPY, "sh -c"),
        (["yes"], _SLEEP, "sleep 60"),
        (["true"], ["sh", "-c", "cat; sleep 60 & wait"], "sh -c"),
        (_SLEEP, ["true"], "sleep 60"),
    ],
    ids=["silent", "silent child", "never reads", "never ends", "never looks up"],
)
def test_pipe_timeout_ends_both_and_blames_the_right_one(first, second, blamed):
    """Beyond the deadline neither goes on, and the error names the one that hung."""
    started = time.monotonic()
    with pytest.raises(CommandError, match=f"{blamed}.*: still running after 0.5 s"):
        process.pipe(first, second, timeout_s=0.5)
    assert time.monotonic() - started < 10


def test_pipe_timeout_leaves_no_child(tmp_path):
    """What either of the two has started is ended with it."""
    note = tmp_path / "note"
    later = ["sh", "-c", 'cat - >&2 & (sleep 2; touch "$0") & wait', str(note)]
    with pytest.raises(CommandError, match="still running"):
        process.pipe(later, ["sh", "-c", "sleep 60 & wait"], timeout_s=0.3)
    with pytest.raises(CommandError, match="still running"):
        process.pipe(["yes"], later, timeout_s=0.3)
    time.sleep(2.5)
    assert not note.exists()


def test_pipe_many_words_of_the_first_hold_up_nobody():
    """However much the first one complains, it ends, and is quoted when it fails."""
    shouts = "import sys; sys.stderr.write('no\\n' * 100_000); print('hi')"
    assert process.pipe(_python(shouts), _COPY, timeout_s=30).stdout == "hi\n"
    with pytest.raises(CommandError, match=r"ended with status 3: no\nno\n"):
        process.pipe(_python(f"{shouts}; sys.exit(3)"), _COPY, timeout_s=30)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (["/nowhere/tool"], _COPY, "^/nowhere/tool: could not start: "),
        (_SLEEP, ["/nowhere/tool"], "^/nowhere/tool: could not start: "),
        (["yes"], ["sh", "-c", "echo full >&2; exit 2"], "status 2: full"),
        (_SLEEP, ["sh", "-c", "echo full >&2; exit 2"], "status 2: full"),
        (["sh", "-c", "echo torn >&2; exit 4"], _COPY, "status 4: torn"),
    ],
    ids=["no first", "no second", "second", "second of a silent one", "first"],
)
def test_pipe_failure_is_one_error(first, second, message):
    """A command that is missing or fails is named, and the other one ended."""
    started = time.monotonic()
    with pytest.raises(CommandError, match=message):
        process.pipe(first, second)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("umask", [0o000, 0o077], ids=oct)
@pytest.mark.parametrize("mode", [0o600, 0o644], ids=oct)
def test_write_atomic_replaces_whole_with_its_mode(tmp_path, mode, umask):
    """A file is the new one with its own mode, whatever the umask; nothing is left."""
    path = tmp_path / "secret"
    path.write_text("old")
    old = os.umask(umask)
    try:
        files.write_atomic(path, "new", mode=mode)
    finally:
        os.umask(old)
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == mode
    assert [p.name for p in tmp_path.iterdir()] == ["secret"]


def test_write_atomic_failure_keeps_the_old(tmp_path, monkeypatch):
    """When the disk is full the old file stays as it was."""
    path = tmp_path / "file"
    path.write_text("old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write_atomic(path, "new")
    assert path.read_text() == "old"


def test_link_atomic_points_anew(tmp_path):
    """A link changes in one rename, and never is missing."""
    link = tmp_path / "current"
    for target in ("a", "b"):
        files.link_atomic(link, target)
        assert link.readlink().name == target
    assert [p.name for p in tmp_path.iterdir()] == ["current"]


def test_lock_held_is_free_afterwards(tmp_path):
    """A lock makes its folder, and is free again at the end."""
    for _ in range(2):
        with lock.held(tmp_path / "locks" / "x"):
            pass
