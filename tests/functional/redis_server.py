"""A Redis of one's own: on a socket in a folder, and nowhere else."""

import contextlib
import subprocess

import redis
from waiting import until

# Debian's redis-tools has the server too, under a name that checks its files.
_PROGRAM = "/usr/bin/redis-check-rdb"
_PATIENCE_S = 20


@contextlib.contextmanager
def running(folder):
    """Run a Redis; yield the master's options that make it Salt's cache."""
    socket = folder / "redis.sock"
    words = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", folder]
    argv = ["redis-server", *map(str, words)]
    with subprocess.Popen(
        argv, executable=_PROGRAM, stdout=subprocess.DEVNULL
    ) as process:
        try:
            until(lambda: _answers(socket), socket, _PATIENCE_S)
            yield {"cache": "redis", "cache.redis.unix_socket_path": str(socket)}
        finally:
            process.terminate()


def _answers(socket):
    try:
        return redis.Redis(unix_socket_path=str(socket)).ping()
    except redis.ConnectionError:
        return False
