"""An old database on a MySQL-protocol server, in a session that refuses writes."""

import hashlib
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import cached_property, partial
from itertools import chain
from typing import Any

from apps.legacy.checksum import mysql_sum
from apps.legacy.source.values import FETCHED_AT_ONCE, Row, as_text, batched
from config.env import Database
from memoria.errors import Invalid
from memoria.naming import quoted_identifier

SILENT_SECONDS = 30.0


class MysqlSource:
    is_mysql = True

    def __init__(self, place: Database) -> None:
        import MySQLdb
        from MySQLdb.cursors import SSDictCursor

        where = place.options.get("unix_socket") or f"{place.host or 'localhost'}:{place.port}"
        self.label = f"mysql:{where}/{place.name}"[-255:]
        if not place.name:
            raise Invalid("the old database's URL names no database: end --legacy-url in /<name>")
        self._schema = place.name
        self._cursor = SSDictCursor
        self._connect = partial(
            MySQLdb.connect,
            host=place.host or "localhost",
            port=place.port,
            user=place.user,
            passwd=place.password,
            db=place.name,
            charset="utf8mb4",
            use_unicode=True,
            autocommit=True,
            **place.options,
        )
        self._error = MySQLdb.Error
        self._open()

    def _open(self) -> None:
        try:
            self._connection = self._connect()
        except self._error as error:
            raise Invalid(
                f"the old database cannot be opened ({error.args[-1]}): see --legacy-url and whether its server runs"
            ) from None
        for statement in ("SET SESSION TRANSACTION READ ONLY", "SET time_zone = '+00:00'"):
            with closing(self._connection.cursor()) as cursor:
                cursor.execute(statement)
        self._used_at = time.monotonic()

    def _wake(self) -> None:
        """Servers and proxies end connections that were silent for long, as the command's is meanwhile."""
        if time.monotonic() - self._used_at > SILENT_SECONDS:
            try:
                self._connection.ping()
            except self._error:
                self._open()
        self._used_at = time.monotonic()

    def tables(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        listed = (
            "SELECT table_name AS t, column_name AS c FROM information_schema.columns"
            " WHERE table_schema = %s ORDER BY table_name, ordinal_position"
        )
        for batch in self.rows(listed, [self._schema]):
            for row in batch:
                if not str(row["c"]).startswith("__mo_"):
                    found.setdefault(row["t"], []).append(row["c"])
        return found

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[list[Row]]:
        self._wake()
        with closing(self._connection.cursor(self._cursor)) as cursor:
            cursor.execute(sql, list(parameters))
            pages = iter(partial(cursor.fetchmany, FETCHED_AT_ONCE), ())
            yield from batched(chain.from_iterable(pages))

    def size_bytes(self) -> int:
        sizes = "SELECT SUM(data_length) AS n FROM information_schema.tables WHERE table_schema = %s"
        return sum(int(row["n"] or 0) for batch in self.rows(sizes, [self._schema]) for row in batch)

    def server(self) -> str:
        found = [as_text(row["v"]) for batch in self.rows("SELECT VERSION() AS v") for row in batch]
        return f"MySQL protocol {found[0]}"

    def identity(self) -> str:
        rows = [row for batch in self.rows(SERVER_NAMES) for row in batch]
        return server_identity([(row["Variable_name"], row["Value"]) for row in rows], self._schema)

    def name(self, identifier: str) -> str:
        return quoted_identifier(identifier, "`")

    def bytewise(self, column: str) -> str:
        return f"CAST(CONVERT({self._qualified(column)} USING utf8mb4) AS BINARY)"

    def equal(self, left: str, right: str, *, tables: tuple[str, str]) -> str:
        names = [column.rsplit(".", 1)[1] for column in (left, right)]
        mine, theirs = (self._collation(table, name) for table, name in zip(tables, names, strict=True))
        if mine == theirs or not mine:
            return f"{self._qualified(left)} = {self._qualified(right)}"
        converted = f"CONVERT({self._qualified(right)} USING {mine.split('_')[0]})"
        return f"{self._qualified(left)} = {converted} COLLATE {mine}"

    def _collation(self, table: str, column: str) -> str:
        name = str(self._collations.get((table, column)) or "")
        return name if name.replace("_", "").isalnum() else ""

    @cached_property
    def _collations(self) -> dict[tuple[str, str], str | None]:
        """Of all columns at once: there may be many branches."""
        listed = (
            "SELECT table_name AS t, column_name AS n, collation_name AS c FROM information_schema.columns"
            " WHERE table_schema = %s"
        )
        rows = (row for batch in self.rows(listed, [self._schema]) for row in batch)
        return {(row["t"], row["n"]): row["c"] for row in rows}

    def reads_everything(self) -> bool:
        granted = [
            str(as_text(v)) for batch in self.rows("SHOW GRANTS") for row in batch for v in row.values()
        ]
        return any(grants_reading(grant, self._schema) for grant in granted)

    def checksum(self, columns: Sequence[str]) -> str:
        return mysql_sum([self._qualified(column) for column in columns])

    def _qualified(self, column: str) -> str:
        return ".".join(map(self.name, column.split(".")))

    def close(self) -> None:
        self._connection.close()


SERVER_NAMES = (
    "SHOW VARIABLES WHERE variable_name IN ('server_uuid', 'server_uid', 'hostname', 'port', 'datadir')"
)


def server_identity(variables: Iterable[tuple[Any, Any]], schema: str) -> str:
    """A digest of what SERVER_NAMES found and the database's name; "" where the server has no name."""
    said = sorted((str(as_text(name)), str(as_text(value))) for name, value in variables)
    if not any(value for name, value in said if name in ("server_uuid", "server_uid", "hostname")):
        return ""
    return hashlib.sha256(repr((said, schema)).encode()).hexdigest()


def grants_reading(grant: str, schema: str) -> bool:
    """Whether a line of SHOW GRANTS lets its holder read all tables of a database. Roles are believed."""
    found = re.match(r"GRANT (?P<rights>.+?) ON (?P<where>\S+)\.\* TO ", grant)
    if found is None:
        return grant.startswith("GRANT ") and " ON " not in grant
    if not re.search(r"\b(ALL PRIVILEGES|SELECT)\b(?! \w)", found["rights"]):
        return False
    where = found["where"].strip("`'\"")
    if where == "*":
        return True
    pattern = re.sub(r"\\\\?(.)|([%_])|(.)", _like, where)
    return re.fullmatch(pattern, schema) is not None


def _like(match: "re.Match[str]") -> str:
    escaped, wild, plain = match.groups()
    return {"%": ".*", "_": "."}[wild] if wild else re.escape(escaped or plain)
