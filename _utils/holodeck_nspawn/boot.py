"""Booting a host: the supervisor that outlives its creator, and the wait for it."""

import re
import secrets
import shlex
import socket
import subprocess
import time

from holodeck_io.errors import HolodeckError
from holodeck_io.files import write_atomic
from holodeck_nspawn import cgroup, disk, programs

# systemd-nspawn ends with this status when the host wants to boot again.
_REBOOT = 133
_CAPABILITIES = "CAP_NET_ADMIN,CAP_NET_RAW"
_CONSOLE_LINES = 15
# What a terminal reads as an order (ECMA-48), and what begins with an escape.
_ORDERS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b.|\r")
# Looks, a quarter of a second apart, that find no process: it has ended.
_LOST = 3


def start(provider, record, lock, *, timeout_s=60):
    """
    Boot the host and wait until its systemd says that it is ready.

    lock
        The host's lock file, held. The supervisor has it as its standard input until
        it stands in the host's control group: so who gets the lock knows that no
        child of a killed driver is still about to appear.

    Raises :class:`HolodeckError` with the console's last lines.
    """
    name = record["name"]
    address = f"@holodeck/{provider.bridge}/{name}/{secrets.token_hex(8)}"
    script = provider.folder(name) / "boot.sh"
    write_atomic(script, supervisor_script(provider, record))
    # An abstract socket has no length limit on its path and leaves no file.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind("\0" + address[1:])
        _launch(provider, record, script, lock, address)
        if _is_ready(provider, name, ready, timeout_s):
            return
    raise HolodeckError(
        f"{name}: did not boot within {timeout_s} s; its console ends with:\n"
        f"{console(provider, name)}"
    )


def console(provider, name):
    """Return the last lines that the host, or its supervisor, wrote."""
    try:
        text = (provider.folder(name) / "console.log").read_text(errors="replace")
    except OSError:
        return "nothing"
    lines = [line for line in _ORDERS.sub("", text).splitlines() if line.strip()]
    return "\n".join(lines[-_CONSOLE_LINES:]) or "nothing"


def _launch(provider, record, script, lock, address):
    # A process of its own, not a fork: the driver may have threads. setsid --fork
    # returns at once and hands the supervisor to process 1.
    argv = ["setsid", "--fork", "unshare", "--mount", "--propagation", "slave"]
    with open(provider.folder(record["name"]) / "console.log", "ab") as log:
        subprocess.run(
            [*argv, "/bin/sh", "-e", script],
            stdin=lock,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_environment(record, address),
            check=True,
        )


def _environment(record, address):
    environment = {
        "PATH": programs.PATH,
        "LANG": "C.UTF-8",
        "NOTIFY_SOCKET": address,
    }
    if record["network_mode"] == "private":
        # Else /sys/class/net shows the machine's and /proc/sys/net is read-only.
        environment["SYSTEMD_NSPAWN_API_VFS_WRITABLE"] = "network"
    return environment


def _is_ready(provider, name, ready, timeout_s):
    ready.settimeout(0.25)
    end = time.monotonic() + timeout_s
    lost = 0
    while time.monotonic() < end and lost < _LOST:
        try:
            message = ready.recv(4096).decode(errors="replace")
        except TimeoutError:
            # At first the supervisor has not yet joined the group.
            lost = 0 if cgroup.pids(provider, name) else lost + 1
            continue
        if "READY=1" in message.splitlines():
            return True
    return False


def supervisor_script(provider, record):
    """
    Return the shell script that puts the host's disk together, boots it, and stays.

    It is what a reboot inside comes back to, and it clears up when systemd-nspawn is
    killed, which by itself leaves the host running. Everything it mounts is in a
    namespace of its own and goes with its last process.
    """
    name = record["name"]
    boxes = _join_lines(cgroup.parts(provider, name, "box"), "0")
    nspawn = shlex.join(nspawn_argv(provider, record))
    return "\n".join(
        [
            "umask 022",
            *_join_lines(cgroup.parts(provider, name, "loop"), "$$"),
            "# From here on the driver's lock is not held by this process.",
            "exec </dev/null",
            "mkdir -p /run/systemd/nspawn",
            "mount -t tmpfs -o nosuid,nodev,mode=755,size=1m tmpfs /run/systemd/nspawn",
            *disk.mount_lines(provider, record),
            "set +e",
            "while :; do",
            "    (",
            *(f"        {line}" for line in boxes),
            f"        exec {nspawn}",
            "    )",
            f"    [ $? = {_REBOOT} ] || break",
            "    # Nobody listens for the second boot.",
            "    unset NOTIFY_SOCKET",
            "done",
            *_clear_lines(provider, name),
            "",
        ]
    )


def _join_lines(folders, pid):
    return [f"echo {pid} > {folder}/cgroup.procs" for folder in folders]


def _clear_lines(provider, name):
    boxes = " ".join(
        str(folder)
        for part in ("box", "exec")
        for folder in cgroup.parts(provider, name, part)
        if folder.name == part
    )
    find = f"find {boxes} -name cgroup.procs -exec cat {{}} + 2>/dev/null"
    return [
        f'while pids=$({find}) && [ -n "$pids" ]; do',
        "    kill -9 $pids 2>/dev/null",
        "    sleep 0.02",
        "done",
    ]


def nspawn_argv(provider, record):
    """Return the command that boots the host from its ``root``."""
    name = record["name"]
    argv = ["systemd-nspawn", "--quiet", "--boot"]
    argv += [f"--directory={provider.folder(name)}/root"]
    argv += [f"--machine={name}", f"--hostname={name}"]
    # No daemon of the machine takes part: it may not have systemd at all.
    argv += ["--register=no", "--keep-unit", "--settings=no"]
    argv += ["--resolv-conf=off", "--timezone=off", "--link-journal=no"]
    argv += ["--notify-ready=yes", "--console=read-only", "--kill-signal=SIGRTMIN+3"]
    if record["network_mode"] == "private":
        argv += [f"--network-namespace-path=/run/netns/{provider.namespace(name)}"]
        argv += [f"--capability={_CAPABILITIES}"]
    return argv + [bind_option(each) for each in record.get("binds", [])]


def bind_option(bind):
    """Return the option for one bind, a mapping of source, target and read_only."""
    option = "--bind-ro" if bind["read_only"] else "--bind"
    return f"{option}={bind['source']}:{bind['target']}"


def enter_argv(provider, name, leader, argv):
    """
    Return the command that runs ``argv`` inside the host.

    It joins the host's control group first, so that it ends when the host is killed.
    """
    joins = _join_lines(cgroup.parts(provider, name, "exec"), "$$")
    enter = ["nsenter", "--target", str(leader), "--mount", "--uts", "--ipc", "--net"]
    enter += ["--pid", "--cgroup", "--root", "--wd", "--", "env", "-i", "HOME=/root"]
    enter += [f"PATH={programs.PATH}", "LANG=C.UTF-8", *argv]
    return ["sh", "-ec", "\n".join([*joins, f"exec {shlex.join(enter)}"])]
