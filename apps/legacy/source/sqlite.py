"""An old database in a SQLite file, opened so that it refuses writes."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from apps.legacy.checksum import sqlite_sum, teach
from apps.legacy.source.values import FETCHED_AT_ONCE, Row, batched
from memoria.errors import Invalid
from memoria.naming import quoted_identifier


class SqliteSource:
    is_mysql = False

    def __init__(self, path: str) -> None:
        if not Path(path).is_file():
            raise Invalid(f"the old database {path} does not exist, or is no file: see --legacy-url")
        self._path = Path(path).resolve()
        self.label = f"sqlite:{self._path}"[-255:]
        try:
            self._connection = sqlite3.connect(
                f"file:{quote(str(self._path))}?mode=ro", uri=True, timeout=30, check_same_thread=False
            )
            self._connection.execute("PRAGMA query_only = ON")
            self._connection.execute("SELECT COUNT(*) FROM sqlite_master")
        except sqlite3.Error as error:
            raise Invalid(
                f"the old database {path} cannot be opened ({error}): it must be a SQLite file, and readable"
            ) from None
        teach(self._connection)
        self._connection.row_factory = sqlite3.Row
        self._connection.text_factory = _text_or_bytes

    def tables(self) -> dict[str, list[str]]:
        named = (
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        )
        return {
            name: [row[1] for row in self._connection.execute(f"PRAGMA table_info({_any_name(name)})")]
            for (name,) in self._connection.execute(named).fetchall()
        }

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[list[Row]]:
        with closing(self._connection.execute(sql.replace("%s", "?"), parameters)) as cursor:
            yield from batched(
                map(dict, chain.from_iterable(iter(partial(cursor.fetchmany, FETCHED_AT_ONCE), [])))
            )

    def size_bytes(self) -> int:
        return self._path.stat().st_size

    def server(self) -> str:
        return f"SQLite {sqlite3.sqlite_version}"

    def identity(self) -> str:
        return ""  # the resolved path says it all

    def name(self, identifier: str) -> str:
        return quoted_identifier(identifier, '"')

    def bytewise(self, column: str) -> str:
        return f"{self._qualified(column)} COLLATE BINARY"

    def equal(self, left: str, right: str, *, tables: tuple[str, str]) -> str:
        return f"{self._qualified(left)} = {self._qualified(right)} COLLATE BINARY"

    def reads_everything(self) -> bool:
        return True

    def checksum(self, columns: Sequence[str]) -> str:
        return sqlite_sum([self._qualified(column) for column in columns])

    def _qualified(self, column: str) -> str:
        return ".".join(map(self.name, column.split(".")))

    def close(self) -> None:
        self._connection.close()


def _text_or_bytes(raw: bytes) -> str | bytes:
    """Text, or what is none as it is: whoever asks for text tells which row holds it."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _any_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
