"""
What a build command sees, as data: places, devices, files, environment, limits.

A build sees the operating system (programs, libraries, and of ``/etc`` what they
need), its own checkout, and what it was given to read. That is a list of what is
there, not of what is hidden: a place that nobody thought of is not visible.
"""

import re
from dataclasses import dataclass, field

USER_ID = 60999  # no distribution, and no dynamic user of systemd, has it
USER = "build"
HOME = f"/home/{USER}"
HOSTNAME = "holodeck-build"
OUTPUT_BYTES = 64 << 10
# Each of the fresh folders may hold that much; it is memory.
SCRATCH_MB = 1024
SCRATCH = ("/tmp", HOME, "/dev/shm")  # noqa: S108  # the sandbox's own
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
SYSTEM = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/libx32", "/lib64", "/opt",
    "/etc/alternatives", "/etc/ca-certificates", "/etc/crypto-policies", "/etc/fonts",
    "/etc/java", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
    "/etc/magic", "/etc/mime.types", "/etc/os-release", "/etc/perl",
    "/etc/pki/ca-trust", "/etc/pki/tls/cert.pem", "/etc/pki/tls/certs",
    "/etc/pki/tls/openssl.cnf", "/etc/protocols", "/etc/python3", "/etc/services",
    "/etc/sgml", "/etc/ssl/cert.pem", "/etc/ssl/certs", "/etc/ssl/openssl.cnf",
    "/etc/xml",
)  # fmt: skip
# What a build with a network takes from the builder, by content.
NETWORK_FILES = ("/etc/hosts", "/etc/resolv.conf")
_LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
    "/var/tmp": "/tmp",  # noqa: S108
}
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": HOME,
    "USER": USER,
    "LOGNAME": USER,
    "TMPDIR": "/tmp",  # noqa: S108
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
}
_PROCESSES = 4096
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLACE = re.compile(r"(/(?!\.\.?(/|\Z))[^/\0]+){2,}")


@dataclass(frozen=True)
class Job:
    """One command, where it works, and what it is allowed."""

    argv: tuple
    workdir: str
    readable: tuple = ()
    env: dict = field(default_factory=dict)
    network: bool = False
    timeout_s: float = 600
    memory_mb: int | None = None


def faults(job):
    """Return what is wrong with a job, as sentences."""
    return [
        *_faults_of_words(job),
        *_faults_of_places(job),
        *(
            f"Environment {name}: is no variable with a text; write NAME: 'value'."
            for name, value in job.env.items()
            if not (_VARIABLE.fullmatch(str(name)) and _is_text(value))
        ),
    ]


def stays_within(folder, target):
    """
    Tell whether a link's text names something in its tree, wherever that is put.

    A text that goes out and comes in again, or an absolute one, ends elsewhere once
    the tree is moved.

    folder
        The link's own folder, relative to the tree; ``.`` for the tree itself.
    target
        The link's text.
    """
    depth = len([word for word in folder.split("/") if word not in {"", "."}])
    for word in target.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(word, 1)
        if depth < 0:
            return False
    return not target.startswith("/")


def path_with(prefix):
    """Return a PATH on which a virtualenv's programs come first."""
    return f"{prefix}/bin:/usr/local/bin:/usr/bin:/bin"


def environment(extra):
    """Return the whole environment of a build: a fixed one, and what was given."""
    return {**_ENVIRONMENT, **extra}


def plan(job, root, network_files):
    """
    Return what :mod:`holodeck_build.sandbox_inside` is told, JSON-safe.

    root
        An empty folder, on which the new root is mounted.
    network_files
        ``{path: text}`` of the builder's own :data:`NETWORK_FILES`, for a job with
        a network.
    """
    places = [{"path": path, "writable": False} for path in job.readable]
    places.append({"path": job.workdir, "writable": True})
    # What lies within another is mounted after it, or it would be covered.
    places.sort(key=lambda place: place["path"].count("/"))
    return {
        "argv": list(job.argv),
        "workdir": job.workdir,
        "env": environment(job.env),
        "user": USER_ID,
        "hostname": HOSTNAME,
        "network": job.network,
        "timeout_s": job.timeout_s,
        "output_bytes": OUTPUT_BYTES,
        "limits": _limits(job.memory_mb),
        "root": root,
        "system": list(SYSTEM),
        "devices": list(DEVICES),
        "scratch": {path: _scratch_options(path) for path in SCRATCH},
        "places": places,
        "links": dict(_LINKS),
        "files": {**_files(), **(network_files if job.network else {})},
    }


def _faults_of_words(job):
    words = () if isinstance(job.argv, str) else job.argv
    if not (words and words[0] and all(_is_text(word) for word in words)):
        yield f"Command {job.argv!r}: is no list of words; write ['make', 'static']."
    if not job.timeout_s > 0:
        yield f"Deadline {job.timeout_s!r}: is no time; give seconds above 0."
    if job.memory_mb is not None and not job.memory_mb > 0:
        yield f"Memory {job.memory_mb!r}: is no size; give MiB above 0."


def _faults_of_places(job):
    for path in (job.workdir, *job.readable):
        if not (isinstance(path, str) and _PLACE.fullmatch(path)):
            yield (
                f"Folder {path!r}: cannot be shown to a build; give an absolute path "
                "at least two folders deep, without `..` or a slash at the end."
            )
        elif path == job.workdir and any(is_within(each, path) for each in SYSTEM):
            yield (
                f"Folder {path}: belongs to the system, and a build may write to its "
                "folder; give it one of its own."
            )


def _is_text(value):
    return isinstance(value, str) and "\0" not in value


def is_within(path, folder):
    """Tell whether a path is a folder, or below it."""
    return f"{path}/".startswith(f"{folder}/")


def _limits(memory_mb):
    """Return ``{name of a resource limit: value}``; they hold for each process."""
    limits = {"RLIMIT_CORE": 0, "RLIMIT_NPROC": _PROCESSES}
    if memory_mb:
        # Not the address space: V8 and Go reserve far more than they use.
        limits["RLIMIT_DATA"] = memory_mb << 20
    return limits


def _scratch_options(path):
    size = f"size={SCRATCH_MB}m"
    if path == HOME:
        return f"{size},mode=0700,uid={USER_ID},gid={USER_ID}"
    return f"{size},mode=1777"


def _files():
    """Return files that are the same on every builder."""
    return {
        "/etc/passwd": (
            "root:x:0:0:root:/root:/usr/sbin/nologin\n"
            f"{USER}:x:{USER_ID}:{USER_ID}:{USER}:{HOME}:/bin/sh\n"
            "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        ),
        "/etc/group": f"root:x:0:\n{USER}:x:{USER_ID}:\nnogroup:x:65534:\n",
        "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
        "/etc/hosts": f"127.0.0.1 localhost {HOSTNAME}\n::1 localhost\n",
        "/etc/resolv.conf": "",
    }
