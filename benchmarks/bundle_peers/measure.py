"""What a command costs: wall clock, processor time, memory."""

import json
import os
import shlex
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

_TAIL_LINES = 25


class BenchmarkError(Exception):
    """A step that is measured did not do its work."""


@dataclass(frozen=True)
class Command:
    """One step of a peer, as argv."""

    argv: list
    cwd: str | None = None
    env: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Cost:
    """Seconds of the clock and of all processors, and the largest process in MB."""

    wall_s: float
    cpu_s: float
    rss_mb: float

    def __add__(self, other):
        return Cost(
            self.wall_s + other.wall_s,
            self.cpu_s + other.cpu_s,
            max(self.rss_mb, other.rss_mb),
        )


def total(commands):
    """Run the commands one after the other and return what they cost together."""
    cost = Cost(0, 0, 0)
    for command in commands:
        cost += run(command)[0]
    return cost


def run(command):
    """Run one command and return ``(cost, its standard output)``."""
    with (
        open(os.memfd_create("out"), "w+", encoding="utf-8", errors="replace") as out,
        open(os.memfd_create("err"), "w+", encoding="utf-8", errors="replace") as err,
    ):
        begin = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in command.argv],
            cwd=command.cwd,
            env={**os.environ, **{k: str(v) for k, v in command.env.items()}},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = [_text(file) for file in (out, err)]
    if process.returncode:
        raise BenchmarkError(_failure(command, process.returncode, texts))
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(wall, cpu, usage.ru_maxrss / 1024), texts[0]


def reported(command):
    """
    Run a command that measures itself, and return what it reports.

    Its last line is JSON with ``cost``, if any, and whatever else it has to say.
    """
    cost, text = run(command)
    report = json.loads(text.splitlines()[-1])
    own = report.pop("cost", None)
    return Cost(**own) if own else cost, report


def in_root(root, commands):
    """Return the commands as they run with ``root`` as their root folder."""
    return [
        Command(["chroot", str(root), *command.argv], None, command.env)
        for command in commands
    ]


def plain(value):
    """Return a cost or a number as JSON has it."""
    return asdict(value) if isinstance(value, Cost) else value


def size(path):
    """Return the bytes of a file, or of all files below a folder."""
    path = Path(path)
    if path.is_file():
        return path.stat().st_size
    return sum(
        file.lstat().st_size
        for file in path.rglob("*")
        if file.is_file() and not file.is_symlink()
    )


def _text(file):
    file.seek(0)
    return file.read()


def _failure(command, status, texts):
    lines = "\n".join(texts).strip().splitlines()[-_TAIL_LINES:]
    argv = shlex.join(str(word) for word in command.argv)
    return f"{argv}: ended with status {status}:\n" + "\n".join(lines)
