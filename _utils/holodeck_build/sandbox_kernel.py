"""
What the kernel is asked for to make a sandbox: namespaces, a root, a plain user.

Only the standard library is used, so that :mod:`holodeck_build.sandbox_inside` runs
without Salt and without a program of the host.
"""

import array
import contextlib
import ctypes
import fcntl
import os
import re
import resource
import signal
import socket
import stat
import struct
from collections import defaultdict
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

_NEWUSER, _NEWNET = 0x10000000, 0x40000000
_NAMESPACES = {
    "mount": 0x00020000, "uts": 0x04000000, "ipc": 0x08000000, "pid": 0x20000000,
}  # fmt: skip
_RDONLY, _NOSUID, _NODEV, _NOEXEC = 1, 2, 4, 8
_REMOUNT, _BIND, _REC, _PRIVATE = 32, 4096, 16384, 1 << 18
_KEPT = {
    "ro": _RDONLY, "nosuid": _NOSUID, "nodev": _NODEV, "noexec": _NOEXEC,
    "noatime": 1024, "nodiratime": 2048, "relatime": 1 << 21,
}  # fmt: skip
_DETACH = 2
_SET_PDEATHSIG, _CAPBSET_DROP, _SET_NO_NEW_PRIVS = 1, 24, 38
# No function of the C library: keyctl(2) by its number.
_KEYCTL = defaultdict(lambda: 219, x86_64=250)
_JOIN_SESSION_KEYRING = 1
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_OLD = "/.old"


class Refused(Exception):  # noqa: N818  # it is an answer of the kernel
    """The kernel did not allow a step of making the sandbox."""


def separate(*, network):
    """
    Leave the host's namespaces; the pid namespace begins with the next child.

    It comes last, therefore: the network may need a child of its own, which would be
    process 1 and take all that follows along when it ends.
    """
    if not network:
        _private_network()
    for name, flag in _NAMESPACES.items():
        _call(f"{name} namespace", _libc.unshare, flag)


def die_with_parent():
    """Have the kernel kill this process when its parent ends."""
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)


def make_root(plan):
    """Swap the root folder for one that has only what the plan names."""
    _mount(None, "/", None, _REC | _PRIVATE)
    system = [
        {"path": path, "writable": False}
        for path in plan["system"]
        if Path(path).exists()
    ]
    devices = [{"path": path, "device": True} for path in plan["devices"]]
    places = [*devices, *system, *plan["places"]]
    # Opened while the old root is still the root, which links are read against.
    links = {**plan["links"], **_links_among(system)}
    opened = [(place, os.open(place["path"], os.O_PATH)) for place in places]
    _enter(plan["root"])
    _mount("proc", _folder("/proc"), "proc", _NOSUID | _NODEV | _NOEXEC)
    for path, options in plan["scratch"].items():
        _mount("scratch", _folder(path), "tmpfs", _NOSUID | _NODEV, options)
    for path, target in links.items():
        _folder(Path(path).parent)
        Path(path).symlink_to(target)
    for path, text in plan["files"].items():
        _folder(Path(path).parent)
        Path(path).write_text(text, encoding="utf-8")
    for place, descriptor in opened:
        if place["path"] not in links:
            _bind(descriptor, **place)
        os.close(descriptor)
    _call("unmount of the old root", _libc.umount2, _OLD.encode(), _DETACH)
    Path(_OLD).rmdir()
    _mount(None, "/", None, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV)


def _links_among(places):
    """Return the links among the system's places, as /bin is one to usr/bin."""
    paths = [Path(place["path"]) for place in places]
    return {str(path): str(path.readlink()) for path in paths if path.is_symlink()}


def _enter(root):
    _mount("root", root, "tmpfs", _NOSUID | _NODEV, "mode=0755,size=8m")
    os.chdir(root)
    Path(_OLD[1:]).mkdir()
    _call("pivot_root", _libc.pivot_root, b".", _OLD[1:].encode())
    os.chdir("/")


def _folder(path):
    Path(path).mkdir(parents=True, exist_ok=True)
    return path


def _bind(descriptor, path, *, writable=False, device=False):
    """Show what is open as ``descriptor`` at ``path``."""
    # A link in the path may lead to a folder that is not there yet.
    target = os.path.realpath(path)
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        _folder(target)
    elif not Path(target).exists():
        _folder(Path(target).parent)
        Path(target).touch()
    source = f"/proc/self/fd/{descriptor}"
    _mount(source, target, None, _BIND | (0 if writable else _REC))
    _seal(target, _NOSUID | (0 if writable else _RDONLY) | (0 if device else _NODEV))


def _seal(target, flags):
    """Add flags to a bind and to each mount that came with it."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        rows = [line.split(" ")[4:6] for line in file]
    for name, options in rows:
        point = re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), name)
        if f"{point}/".startswith(f"{target}/"):
            kept = sum(_KEPT.get(option, 0) for option in options.split(","))
            _mount(None, point, None, _REMOUNT | _BIND | kept | flags)


def _mount(source, target, kind, flags, options=""):
    words = (word and word.encode() for word in (source, target, kind))
    _call(
        f"mount of {target}", _libc.mount, *words, ctypes.c_ulong(flags),
        options.encode(),
    )  # fmt: skip


def limit(limits):
    """Set resource limits, which may be lower already."""
    for name, value in limits.items():
        which = getattr(resource, name)
        hard = resource.getrlimit(which)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (allowed, allowed))


def drop(user):
    """Become ``user``, without capabilities, keys, and a way to get any."""
    # Root's session keyring would be inherited: an empty one of our own.
    _libc.syscall(_KEYCTL[os.uname().machine], _JOIN_SESSION_KEYRING, None)
    capability = 0
    # The kernel says which is the last by refusing the one after it.
    while not _prctl(_CAPBSET_DROP, capability):
        capability += 1
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    if _prctl(_SET_NO_NEW_PRIVS, 1):
        raise Refused("no_new_privs: is not known to this kernel")


def _prctl(option, value):
    zero = ctypes.c_ulong(0)
    return _libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero)


def _private_network():
    """Join a network of our own that has only a loopback, and that is up."""
    _call("network namespace", _libc.unshare, _NEWNET)
    try:
        _loopback_up()
    except OSError:
        _borrowed_network()


def _loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sH22x", b"lo", _IFF_UP)
        fcntl.ioctl(sock, _SIOCSIFFLAGS, request)


def _borrowed_network():
    """
    Join the network of a short-lived child with a user namespace.

    A local host that uses the machine's network has no CAP_NET_ADMIN. In a user
    namespace of one's own everybody has it.
    """
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        with contextlib.suppress(Refused, OSError):
            _call("", _libc.unshare, _NEWUSER | _NEWNET)
            _loopback_up()
            network = os.open("/proc/self/ns/net", os.O_RDONLY)
            descriptors = array.array("i", [network])
            control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)]
            theirs.sendmsg([b"1"], control)
        os._exit(0)
    os.waitpid(child, 0)
    theirs.close()
    _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    if not descriptors:
        raise Refused("loopback of the network namespace: Operation not permitted")
    _call("network namespace", _libc.setns, descriptors[0], _NEWNET)


def _call(what, function, *words):
    if function(*words) < 0:
        raise Refused(f"{what}: {os.strerror(ctypes.get_errno())}")
