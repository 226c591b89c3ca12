"""What `up` asks of MariaDB: `database.py SOCKET wait`, or `create NAME …`."""

import sys
import time

import pymysql

_PATIENCE_S = 60


def main(path, verb, *names):
    """Do what the command line says."""
    if verb == "wait":
        _wait(path)
    for name in names:
        _connected(path).cursor().execute(
            f"create database if not exists {name} character set utf8mb3"
        )


def _wait(path):
    end = time.monotonic() + _PATIENCE_S
    while not _answers(path):
        if time.monotonic() > end:
            sys.exit(f"{path}: no database answers")
        time.sleep(0.1)


def _answers(path):
    try:
        return _connected(path).ping() or True
    except pymysql.Error:
        return False


def _connected(path):
    return pymysql.connect(unix_socket=path, user="root")


if __name__ == "__main__":
    main(*sys.argv[1:])
