"""The entries, in SQLite."""

import contextlib
import sqlite3

_SCHEMA = """
create table if not exists entries (
    id integer primary key,
    author text not null,
    message text not null,
    written text not null default (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
)
"""


class Book:
    """All entries of one database file."""

    def __init__(self, path):
        self._path = path

    @contextlib.contextmanager
    def _connection(self):
        connection = sqlite3.connect(self._path, timeout=5)
        connection.row_factory = sqlite3.Row
        try:
            with connection:
                connection.execute(_SCHEMA)
                yield connection
        finally:
            connection.close()

    def latest(self, limit=20):
        """Return the newest entries, newest first."""
        with self._connection() as connection:
            rows = connection.execute(
                "select * from entries order by id desc limit ?", (limit,)
            )
            return [dict(row) for row in rows]

    def get(self, number):
        """Return one entry, or ``None``."""
        with self._connection() as connection:
            rows = connection.execute("select * from entries where id = ?", (number,))
            return next(map(dict, rows), None)

    def add(self, author, message):
        """Write an entry and return it."""
        with self._connection() as connection:
            done = connection.execute(
                "insert into entries (author, message) values (?, ?)",
                (author, message),
            )
            number = done.lastrowid
        return self.get(number)

    def check(self):
        """Raise :class:`sqlite3.Error` when the database cannot be used."""
        self.latest(1)
