"""A host's disk: its own changes, laid over an image that all hosts share."""

import os
import secrets
from pathlib import Path

from holodeck_io.process import run

# `upper` has the changes, `work` is the kernel's, `root` is all with the image.
_FOLDERS = ("upper", "work", "root")


def make(provider, record, files):
    """
    Make the host's disk with ``files`` on it.

    files
        Path in the host to ``(content, mode)``.

    With ``disk_mb`` in the record the changes live in a file system of that size, so
    that the disk can be full.
    """
    folder = provider.folder(record["name"])
    for each in (*_FOLDERS, "small"):
        (folder / each).mkdir()
    own = identity(record, provider.master, secrets.token_hex(16))
    seed(folder / "upper", {**own, **files})
    if record.get("disk_mb"):
        for argv in filesystem_argvs(folder, record["disk_mb"]):
            run(argv)


def identity(record, master, machine_id):
    """Return the files that make a host this host."""
    name, address = record["name"], record["address"] or "127.0.1.1"
    hosts = ["127.0.0.1 localhost", f"{address} {name}", f"{master} salt"]
    return {
        "etc/hostname": (f"{name}\n", 0o644),
        "etc/hosts": ("\n".join(hosts) + "\n", 0o644),
        "etc/machine-id": (f"{machine_id}\n", 0o444),
    }


def seed(upper, files):
    """Write ``files`` below ``upper``, each with its mode from the first byte on."""
    for name, (content, mode) in files.items():
        path = Path(upper) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
    for path in (Path(upper), *Path(upper).rglob("*")):
        if path.is_dir():
            path.chmod(0o755)


def filesystem_argvs(folder, size_mb):
    """Return the commands that make a file system of ``size_mb`` with the changes."""
    image = f"{folder}/small.img"
    return [
        ["truncate", "--size", f"{int(size_mb)}M", image],
        # Filled by mkfs itself, so that nothing is mounted on the machine.
        ["mkdir", f"{folder}/content", f"{folder}/content/work"],
        ["mv", f"{folder}/upper", f"{folder}/content/upper"],
        ["mkfs.ext4", "-q", "-m", "0", "-d", f"{folder}/content", image],
        ["rm", "-r", f"{folder}/content"],
    ]


def mount_lines(provider, record):
    """Return the shell lines that put the disk together at the host's ``root``."""
    folder = provider.folder(record["name"])
    changes, lines = folder, []
    if record.get("disk_mb"):
        changes = folder / "small"
        lines.append(f"mount -o loop {folder}/small.img {changes}")
    options = [f"lowerdir={record['image_root']}", f"upperdir={changes}/upper"]
    options += [f"workdir={changes}/work", "volatile"]
    return [
        *lines,
        # `volatile` spares the syncs at every stop. Its marker forbids a second mount,
        # for a machine's crash would leave it torn: there the page cache is gone, here
        # it is not.
        f"rm -rf {changes}/work/work/incompat",
        f"mount -t overlay -o {','.join(options)} overlay {folder}/root",
    ]
