"""
A host's own control groups: what runs in it, and how to stop all of that at once.

Each host has a group in every hierarchy, with three groups inside where systemd
manages them: ``loop`` for its supervisor, ``box`` for systemd-nspawn, which makes
groups of its own in there, and ``exec`` for commands from outside. Two hosts in one
group would share what systemd-nspawn makes.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

from holodeck_io.errors import HolodeckError

_ROOT = Path("/sys/fs/cgroup")
# cpuset wants its processors set before a process may join, and limits nothing here.
_UNUSED = {"cpuset"}
_CPU_PERIOD_US = 100_000


def folders(provider, name, root=_ROOT):
    """Return the host's group in each hierarchy: one with version 2, else many."""
    family = f"holodeck.{provider.tag}"
    if (root / "cgroup.controllers").exists():
        return [root / family / name]
    return [
        each / family / name
        for each in sorted(root.iterdir())
        if each.is_dir() and not each.is_symlink() and each.name not in _UNUSED
    ]


def part(folder, part_name, root=_ROOT):
    """
    Return where a process of ``part_name`` belongs below the host's ``folder``.

    Only hierarchies that systemd manages are divided; version 2 wants no process
    in a group that has groups.
    """
    hierarchy = folder.relative_to(root).parts[0]
    divided = hierarchy in ("systemd", "unified") or hierarchy.startswith("holodeck.")
    return folder / part_name if divided else folder


def parts(provider, name, part_name):
    """Return where a process of ``part_name`` belongs, in each hierarchy."""
    return [part(each, part_name) for each in folders(provider, name)]


def make(provider, name, *, memory_mb=None, cpus=None):
    """Make the host's groups and set its limits where the machine can enforce them."""
    for each in folders(provider, name):
        for part_name in ("loop", "box", "exec"):
            part(each, part_name).mkdir(parents=True, exist_ok=True)
        _delegate(each)
        for file, value in _limits(memory_mb, cpus).items():
            if (each / file).exists():
                (each / file).write_text(value)


def _delegate(folder):
    """Let version 2 count memory and processor time of this host by itself."""
    for parent in (folder.parent.parent, folder.parent):
        for controller in ("memory", "cpu"):
            # With version 1, or without delegation, there is no such limit.
            with contextlib.suppress(OSError):
                (parent / "cgroup.subtree_control").write_text(f"+{controller}")


def _limits(memory_mb, cpus):
    limits = {}
    if memory_mb:
        size = str(int(memory_mb) << 20)
        limits |= {"memory.limit_in_bytes": size, "memory.max": size}
    if cpus:
        quota = int(float(cpus) * _CPU_PERIOD_US)
        limits["cpu.cfs_quota_us"] = str(quota)
        limits["cpu.max"] = f"{quota} {_CPU_PERIOD_US}"
    return limits


def pids(provider, name):
    """Return the processes of the host that live: a zombie is dead already."""
    found = set()
    for folder in folders(provider, name):
        # os.walk, for groups come and go under it and rglob fails when one goes.
        for group, _, _ in os.walk(folder):
            with contextlib.suppress(OSError):
                text = Path(group, "cgroup.procs").read_text()
                found |= {int(line) for line in text.split()}
    return {pid for pid in found if lives(pid)}


def lives(pid):
    """Return whether ``pid`` is a process that has not ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def leader(provider, name):
    """
    Return the process that is process 1 inside the host, or None.

    It is found by what it is, because it changes when the host reboots itself.
    """
    depth = len(_inner_pids("self")) + 1
    for pid in sorted(pids(provider, name)):
        inner = _inner_pids(pid)
        if len(inner) == depth and inner[-1] == "1":
            return pid
    return None


def _inner_pids(pid):
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return []
    return next((x.split()[1:] for x in lines if x.startswith("NSpid:")), [])


def kill(provider, name, timeout_s=10):
    """End every process of the host as a power loss would."""
    freeze(provider, name, on=False)
    end = time.monotonic() + timeout_s
    while alive := pids(provider, name):
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > end:
            raise HolodeckError(
                f"{name}: processes {sorted(alive)} do not end; look at what they "
                "wait for in /proc/PID/stack."
            )
        time.sleep(0.01)


def freeze(provider, name, *, on):
    """Stop the host's processes where they are, or let them go on."""
    for folder in folders(provider, name):
        for file, words in (
            ("freezer.state", ("THAWED", "FROZEN")),
            ("cgroup.freeze", ("0", "1")),
        ):
            if (folder / file).exists():
                (folder / file).write_text(words[on])


def frozen(provider, name):
    """Return whether the host's processes are stopped where they are."""
    states = [
        (folder / file).read_text().strip()
        for folder in folders(provider, name)
        for file in ("freezer.state", "cgroup.freeze")
        if (folder / file).exists()
    ]
    return any(state in ("FROZEN", "FREEZING", "1") for state in states)


def remove(provider, name, timeout_s=5):
    """Remove the host's groups, and the provider's when it was the last host."""
    end = time.monotonic() + timeout_s
    for folder in folders(provider, name):
        _remove_empty_below(folder)
        while folder.exists():
            if time.monotonic() > end:
                raise HolodeckError(
                    f"{name}: {folder} does not get empty; look at who is in it."
                )
            time.sleep(0.02)
            _remove_empty_below(folder)
        _remove_empty(folder.parent)


def _remove_empty_below(folder):
    for group, _, _ in os.walk(folder, topdown=False):
        _remove_empty(Path(group))


def _remove_empty(folder):
    # It may be gone, or a process in it has not quite ended yet.
    with contextlib.suppress(OSError):
        folder.rmdir()


def names(provider):
    """Return the names of hosts that have a group, with a record or without."""
    return sorted(
        {
            path.name
            for folder in folders(provider, "x")
            if folder.parent.is_dir()
            for path in folder.parent.iterdir()
            if path.is_dir()
        }
    )
