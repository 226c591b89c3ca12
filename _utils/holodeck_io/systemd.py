"""systemd on this host: units linked, restarted, and looked at."""

import time
from pathlib import Path

from holodeck_io import files, process

UNITS = Path("/etc/systemd/system")
_WANTS = UNITS / "multi-user.target.wants"
_PROPERTIES = (
    "ActiveState", "SubState", "MainPID", "NRestarts", "Result", "DropInPaths",
    "NeedDaemonReload",
)  # fmt: skip


def link(unit, target):
    """Make ``unit`` a link to ``target``, started at boot; tell if that changed."""
    _WANTS.mkdir(parents=True, exist_ok=True)
    changed = False
    for path, wanted in ((UNITS / unit, target), (_WANTS / unit, f"../{unit}")):
        if not path.is_symlink() or str(path.readlink()) != wanted:
            files.link_atomic(path, wanted)
            changed = True
    return changed


def unlink(unit):
    """Remove the links of ``unit``."""
    for path in (_WANTS / unit, UNITS / unit):
        path.unlink(missing_ok=True)


def linked(pattern):
    """Return the names of the linked units that match a glob pattern."""
    return sorted(path.name for path in UNITS.glob(pattern))


def reload():
    """Let systemd read its units again."""
    process.run(["systemctl", "daemon-reload"])


def restart(units, sockets=(), moved=()):
    """
    Stop and start units; a start that fails is seen by :func:`show` later.

    The count of restarts is forgotten between: a stop of a unit that waits for its
    automatic restart keeps it, and the next start would look like a crash loop.

    sockets
        Units that listen for them, and go on listening meanwhile.
    moved
        Those of the sockets that listen elsewhere from now on.

    Returns the moment between stop and start, for :func:`journal`.
    """
    stop(units)
    if moved:
        stop(moved)
    between = time.time()
    process.run(["systemctl", "reset-failed", *units, *sockets], check=False)
    # The sockets first: what has a socket is handed it at its start.
    if sockets:
        process.run(["systemctl", "start", *sockets], check=False)
    process.run(["systemctl", "start", *units], check=False, timeout_s=120)
    return between


def begin_stop(units):
    """Ask units to stop, and do not wait for it."""
    process.run(["systemctl", "stop", "--no-block", *units], check=False)


def stop(units):
    """Stop units; one that is not there any more is stopped."""
    process.run(["systemctl", "stop", *units], check=False, timeout_s=120)


def show(units):
    """
    Return ``{unit: its properties}``, all asked for at once.

    ``MainPID`` and ``NRestarts`` are whole numbers.
    """
    done = process.run(
        ["systemctl", "show", *units, f"--property={','.join(_PROPERTIES)}"]
    )
    # In the order of the units, with an empty line between.
    return dict(zip(units, map(_values, done.stdout.split("\n\n")), strict=True))


def _values(text):
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    for number in ("MainPID", "NRestarts"):
        values[number] = int(values.get(number) or 0)
    return values


def journal(unit, since=None, lines=500):
    """Return the last lines that a unit wrote, or those since a moment."""
    only = [] if since is None else [f"--since=@{since:.6f}"]
    done = process.run(
        ["journalctl", "--unit", unit, *only, "--lines", str(lines),
         "--output", "cat", "--quiet", "--no-pager"],
        check=False,
    )  # fmt: skip
    return done.stdout.strip()


def program_is_gone(pid):
    """Tell whether the file that a process runs is no longer there."""
    try:
        return str(Path("/proc", str(pid), "exe").readlink()).endswith(" (deleted)")
    except OSError:
        return False


def environment(pid):
    """Return the environment that a process was started with, or ``{}``."""
    if not pid:
        return {}
    try:
        raw = Path("/proc", str(pid), "environ").read_bytes()
    except OSError:
        return {}
    pairs = (item.split(b"=", 1) for item in raw.split(b"\0") if b"=" in item)
    return {key.decode(): value.decode(errors="replace") for key, value in pairs}
