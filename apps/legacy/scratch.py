"""Keys and small values of one user that are many: in a nameless SQLite file, which is gone with its connection.

A set of a million ids of 32 letters took 124 MB (CPython 3.11); this keeps a few of them in memory, whatever their
number.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

_PAGE = 500
_PAGES_KIB = 2_048
"""What of the file is kept in memory."""


class Scratch:
    """Where `Shelf`s live. Not shared between threads."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_PAGES_KIB}"):
            self.connection.execute(f"PRAGMA {pragma}")
        self.connection.execute("BEGIN")  # one for all: what is lost with the process is not missed
        self._shelves = 0

    def shelf(self) -> "Shelf":
        """An empty one."""
        self._shelves += 1
        return Shelf(self.connection, f"shelf_{self._shelves}")

    def close(self) -> None:
        self.connection.close()


class Shelf:
    """A mapping from keys (texts, numbers, or tuples of them) to JSON values; without values it is a set."""

    def __init__(self, connection: sqlite3.Connection, table: str) -> None:
        self._connection, self._table = connection, table
        connection.execute(f"CREATE TABLE {table} (k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID")

    def add(self, keys: Iterable[Any]) -> None:
        """Put keys there that may be there already."""
        self._connection.executemany(
            f"INSERT OR IGNORE INTO {self._table} VALUES (?, NULL)", [(_stored(key),) for key in keys]
        )

    def put(self, items: Iterable[tuple[Any, Any]]) -> None:
        """Put keys there with their values; the last value of a key stays."""
        self._connection.executemany(
            f"INSERT OR REPLACE INTO {self._table} VALUES (?, ?)",
            [(_stored(key), json.dumps(value)) for key, value in items],
        )

    def found(self, keys: Iterable[Any]) -> dict[Any, Any]:
        """Those of these keys that are there, with their values."""
        stored = {_stored(key): key for key in keys}
        found: dict[Any, Any] = {}
        listed = list(stored)
        for start in range(0, len(listed), _PAGE):
            part = listed[start : start + _PAGE]
            marks = ", ".join("?" * len(part))
            rows = self._connection.execute(f"SELECT k, v FROM {self._table} WHERE k IN ({marks})", part)
            found.update({stored[k]: None if v is None else json.loads(v) for k, v in rows})
        return found

    def lacking(self, keys: Iterable[Any]) -> Iterator[Any]:
        """Those of these keys that are not there, in their order, a page at a time."""
        left = iter(keys)
        while page := list(islice(left, _PAGE)):
            found = self.found(page)
            yield from (key for key in page if key not in found)

    def __contains__(self, key: Any) -> bool:
        return bool(self.found([key]))

    def __iter__(self) -> Iterator[Any]:
        """The keys in order, a page at a time."""
        for page in self._pages("k"):
            yield from (_key(k) for (k,) in page)

    def items(self) -> Iterator[tuple[Any, Any]]:
        """Keys in order, with their values."""
        for page in self._pages("k, v"):
            yield from ((_key(k), None if v is None else json.loads(v)) for k, v in page)

    def _pages(self, columns: str) -> Iterator[Sequence[tuple[Any, ...]]]:
        beyond = ""
        last: list[str] = []
        while page := self._connection.execute(
            f"SELECT {columns} FROM {self._table} {beyond} ORDER BY k LIMIT {_PAGE}", last
        ).fetchall():
            yield page
            beyond, last = "WHERE k > ?", [page[-1][0]]


def _stored(key: Any) -> str:
    """Texts as they are, so that they sort as such, behind a letter that tells them from other keys."""
    return f"t{key}" if isinstance(key, str) else f"j{json.dumps(key)}"


def _key(stored: str) -> Any:
    if stored[0] == "t":
        return stored[1:]
    key = json.loads(stored[1:])
    return tuple(key) if isinstance(key, list) else key
