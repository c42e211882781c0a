"""Reading the old shared database, and nothing else: both engines are opened so that they refuse writes."""

import hashlib
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import closing
from functools import cached_property, partial
from itertools import chain, groupby
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from apps.legacy.checksum import mysql_sum, sqlite_sum, teach
from config.env import Database, database
from memoria.errors import Invalid
from memoria.naming import SQL_IDENTIFIER, is_encodable, quoted_identifier

BATCH, BATCH_BYTES = 1_000, 4_000_000
"""So many rows at once, and of long ones fewer: a thousand of the longest texts took half a gigabyte to work on."""
FETCHED_AT_ONCE = 100
Row = dict[str, Any]

COPIED = frozenset(
    "mem_memories mem_memories_stats mem_branches mem_snapshots mem_user_state mem_edit_log mem_retrieval_feedback"
    " mem_user_retrieval_params mem_entities mem_memory_entity_links mem_entity_links mem_api_keys mem_tool_usage"
    " mem_governance_cooldown".split()
)
SKIPPED = {
    "mem_user_registry": "rebuilt: every user gets a database of their own",
    "mem_schema_meta": "the new databases have a schema of their own",
    "mem_distributed_locks": "runtime state",
    "mem_async_tasks": "runtime state",
    "mem_api_call_log": "counters start anew",
    "mem_governance_runtime_state": "runtime state",
    "mem_metrics_user_state": "computed anew",
    "mem_metrics_user_rollups": "computed anew",
    "memory_graph_nodes": "derived: links are found anew in the texts",
    "memory_graph_edges": "derived: links are found anew in the texts",
    "mem_groups": "groups are not migrated",
    "mem_group_members": "groups are not migrated",
    "mem_user_memory_config": "no counterpart",
}
SKIPPED_PREFIXES = {"srv_": "counters start anew", "mem_plugin_": "plugins have no counterpart"}

# What is used of each copied table.
COLUMNS = {
    "mem_memories": "memory_id user_id author_id subject_id memory_type content embedding session_id source_event_ids"
    " extra_metadata is_active superseded_by trust_tier initial_confidence observed_at created_at updated_at",
    "mem_memories_stats": "memory_id access_count last_accessed_at feedback_useful feedback_irrelevant"
    " feedback_outdated feedback_wrong last_feedback_at",
    "mem_branches": "id user_id name table_name status created_at",
    "mem_snapshots": "id user_id name snapshot_name extra status created_at",
    "mem_user_state": "user_id active_branch updated_at",
    "mem_edit_log": "edit_id user_id memory_id operation payload reason snapshot_before created_at created_by",
    "mem_retrieval_feedback": "id user_id memory_id signal context created_at",
    "mem_user_retrieval_params": "user_id feedback_weight temporal_decay_hours confidence_weight updated_at",
    "mem_entities": "entity_id user_id name display_name entity_type embedding created_at",
    "mem_memory_entity_links": "memory_id entity_id user_id source weight created_at",
    "mem_entity_links": "id user_id memory_id entity_name entity_type source created_at",
    "mem_api_keys": "key_id user_id group_id name key_hash key_prefix is_active created_at expires_at last_used_at",
    "mem_tool_usage": "user_id tool_name last_used_at",
    "mem_governance_cooldown": "user_id operation last_run_at",
}
# Without these a table means nothing; what else is lacking was not there yet in older versions.
REQUIRED = {
    "mem_memories": "memory_id user_id memory_type content created_at",
    "mem_memories_stats": "memory_id",
    "mem_branches": "user_id name",
    "mem_snapshots": "user_id name snapshot_name",
    "mem_user_state": "user_id active_branch",
    "mem_edit_log": "edit_id user_id operation",
    "mem_retrieval_feedback": "id user_id memory_id signal",
    "mem_user_retrieval_params": "user_id feedback_weight temporal_decay_hours confidence_weight",
    "mem_entities": "entity_id user_id name",
    "mem_memory_entity_links": "memory_id entity_id user_id source",
    "mem_entity_links": "user_id memory_id entity_name",
    "mem_api_keys": "key_id user_id name key_hash key_prefix created_at",
    "mem_tool_usage": COLUMNS["mem_tool_usage"],
    "mem_governance_cooldown": COLUMNS["mem_governance_cooldown"],
}
# What a column meant before there was one.
_BEFORE = {("mem_branches", "status"): "'active'", ("mem_snapshots", "status"): "'active'"}


class Source(Protocol):
    """An open old database. Not shared between threads."""

    label: str
    is_mysql: bool

    def tables(self) -> dict[str, list[str]]:
        """Tables and their columns."""
        ...

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[list[Row]]:
        """Rows as dictionaries, a batch at a time, streamed."""
        ...

    def size_bytes(self) -> int: ...

    def server(self) -> str:
        """The engine and its version."""
        ...

    def identity(self) -> str:
        """What the database says of itself, the same under every spelling of its URL; "" where it says nothing."""
        ...

    def name(self, identifier: str) -> str: ...

    def bytewise(self, column: str) -> str:
        """The column compared byte by byte, whatever its collation."""
        ...

    def equal(self, left: str, right: str, *, tables: tuple[str, str]) -> str:
        """The condition that two qualified columns of these tables are equal, whatever their collations; an index on
        the left one can be used."""
        ...

    def reads_everything(self) -> bool:
        """Whether the account may read every table: those that it may not look as if they were not there."""
        ...

    def checksum(self, columns: Sequence[str]) -> str:
        """An aggregate over rows that does not depend on their order: any changed value changes it. `columns` may be
        qualified, and are quoted here."""
        ...

    def close(self) -> None: ...


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
        try:
            self._connection = MySQLdb.connect(
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
        except MySQLdb.Error as error:
            raise Invalid(
                f"the old database cannot be opened ({error.args[-1]}): see --legacy-url and whether its server runs"
            ) from None
        for statement in ("SET SESSION TRANSACTION READ ONLY", "SET time_zone = '+00:00'"):
            with closing(self._connection.cursor()) as cursor:
                cursor.execute(statement)

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


def open_source(url: str) -> Source:
    """Open the old database for reading. Raises Invalid, without the password, where that fails."""
    place = database("--legacy-url", url)
    return SqliteSource(place.name) if place.engine == "sqlite" else MysqlSource(place)


def count_by_user(source: Source, table: str) -> dict[str, int]:
    """Rows of a table per user, in one query."""
    column = source.bytewise("user_id")
    found: dict[str, int] = {}
    sql = f"SELECT {column} AS u, COUNT(*) AS n FROM {source.name(table)} GROUP BY {column}"
    for batch in source.rows(sql):
        for row in batch:
            if (user := as_text(row["u"])) is not None:
                found[user] = int(row["n"])
    return found


def user_rows(source: Source, tables: dict[str, list[str]], table: str, user_id: str) -> Iterator[list[Row]]:
    """One user's rows of a table, batch by batch; none where there is no such table."""
    if table not in tables:
        return
    where, parameters = _owned(source, user_id)
    listed = _listed(source, tables, table)
    yield from source.rows(f"SELECT {listed} FROM {source.name(table)} WHERE {where}", parameters)


def _listed(source: Source, tables: dict[str, list[str]], table: str) -> str:
    """The columns of a copied table or branch table, for a SELECT; those that the old database lacks as well."""
    known = table if table in COLUMNS else "mem_memories"
    return ", ".join(
        source.name(name)
        if name in tables[table]
        else f"{_BEFORE.get((known, name), 'NULL')} AS {source.name(name)}"
        for name in COLUMNS[known].split()
    )


def log_rows(source: Source, tables: dict[str, list[str]], user_id: str) -> Iterator[list[Row]]:
    """One user's log entries. The table has no key, and the old server wrote entries again where it did not know
    whether it had: of those the earliest is taken. Other entries of the same id, and those without any, get ids that
    are made of what they say.
    """
    if "mem_edit_log" not in tables:
        return
    where, parameters = _owned(source, user_id)
    entry, log = source.name("edit_id"), source.name("mem_edit_log")
    doubled = f"SELECT {entry} FROM {log} WHERE {where} GROUP BY {entry} HAVING COUNT(*) > 1 LIMIT 1"
    if any(batch for batch in source.rows(doubled, parameters)):
        listed = _listed(source, tables, "mem_edit_log")
        ordered = f"SELECT {listed} FROM {log} WHERE {where} ORDER BY {source.bytewise('edit_id')}"
        batches = source.rows(ordered, parameters)
    else:
        batches = user_rows(source, tables, "mem_edit_log", user_id)
    rows = (row for batch in batches for row in batch)
    yield from batched(
        each
        for edit_id, same in groupby(rows, key=lambda row: as_text(row["edit_id"]) or "")
        for each in _entries(edit_id, same)
    )


def _entries(edit_id: str, rows: Iterable[Row]) -> Iterator[Row]:
    """The entries of one id; those without one are not held, for they may be many."""
    if not is_encodable(edit_id):  # cannot be carried, and whoever tries tells so
        yield from rows
        return
    if not edit_id:
        yield from (row | {"edit_id": f"~{_said(row, 'created_at')}"} for row in rows)
        return
    said: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: str(row["created_at"])):
        said.setdefault(_said(row), row)
    for number, (digest, row) in enumerate(said.items()):
        yield row if not number else row | {"edit_id": f"{edit_id[:31]}~{digest}"}


_SAID = "memory_id operation payload reason snapshot_before created_by".split()


def _said(row: Row, *more: str) -> str:
    """32 hex digits for what a log entry says, of these columns too."""
    said = [as_text(row[name]) or "" for name in (*_SAID, *more)]
    return hashlib.sha256("\n".join(said).encode(errors="surrogateescape")).hexdigest()[:32]


def log_count(source: Source, tables: dict[str, list[str]], user_id: str) -> int:
    """How many rows the log has of a user, entries that were written twice counted twice."""
    if "mem_edit_log" not in tables:
        return 0
    where, parameters = _owned(source, user_id)
    counted = f"SELECT COUNT(*) AS n FROM {source.name('mem_edit_log')} WHERE {where}"
    return sum(int(row["n"]) for batch in source.rows(counted, parameters) for row in batch)


def _owned(source: Source, user_id: str) -> tuple[str, list[Any]]:
    """The condition that a row is this user's, by index and then byte by byte."""
    where = f"{source.name('user_id')} = %s AND {source.bytewise('user_id')} = %s"
    return where, [user_id, user_id.encode() if source.is_mysql else user_id]


def rows_of(source: Source, tables: dict[str, list[str]], table: str, users: Set[str]) -> Iterator[list[Row]]:
    """These users' rows of a small table, in one pass over it; none where there is no such table."""
    if table not in tables:
        return
    for batch in source.rows(f"SELECT {_listed(source, tables, table)} FROM {source.name(table)}"):
        yield [row | {"user_id": user} for row in batch if (user := as_text(row["user_id"])) in users]


def branch_table(tables: dict[str, list[str]], row: Row) -> str | None:
    """The table of a row of mem_branches; None where the branch is gone, or where its table is not there."""
    table = as_text(row["table_name"]) or ""
    if as_text(row["status"]) != "active" or as_text(row["name"]) == "main" or table not in tables:
        return None
    return table if table.startswith("br_") and SQL_IDENTIFIER.match(table) else None


def branch_rows(source: Source, tables: dict[str, list[str]]) -> Iterator[Row]:
    """Everybody's branches."""
    if "mem_branches" in tables:
        for batch in source.rows(f"SELECT {_listed(source, tables, 'mem_branches')} FROM mem_branches"):
            yield from batch


def live_branches(source: Source, tables: dict[str, list[str]]) -> list[tuple[str, str]]:
    """(owner, table) of every branch in use whose table is there."""
    found = []
    for row in branch_rows(source, tables):
        owner, table = as_text(row["user_id"]), branch_table(tables, row)
        if owner is not None and is_encodable(owner) and table is not None:
            found.append((owner, table))
    return sorted(found)


def stats_rows(source: Source, tables: dict[str, list[str]], ids: Iterable[str]) -> Iterator[list[Row]]:
    """Statistics of these memories; the table has no user."""
    if "mem_memories_stats" not in tables:
        return
    columns = [c for c in COLUMNS["mem_memories_stats"].split() if c in tables["mem_memories_stats"]]
    listed = ", ".join(map(source.name, columns))
    for part in parts(ids, BATCH):
        marks = ", ".join(["%s"] * len(part))
        yield from source.rows(
            f"SELECT {listed} FROM {source.name('mem_memories_stats')} WHERE memory_id IN ({marks})", part
        )


def fingerprint(source: Source, tables: dict[str, list[str]]) -> dict[str, tuple[Any, ...]]:
    """What moves when somebody writes: count and latest times of every copied table and branch in use. Many tables in
    a statement: the servers may be far away.
    """
    found: dict[str, tuple[Any, ...]] = {}
    branches = {table for _, table in live_branches(source, tables)}
    looked_at = [table for table in tables if table in COPIED or table in branches]
    for part in parts(looked_at, 50):
        sums = []
        for number, table in enumerate(part):
            values = ["COUNT(*)"]
            for column in ("created_at", "updated_at", "is_active", "last_accessed_at"):
                function = "SUM" if column == "is_active" else "MAX"
                values.append(f"{function}({source.name(column)})" if column in tables[table] else "NULL")
            listed = ", ".join(f"CAST({value} AS CHAR) AS v{n}" for n, value in enumerate(values))
            sums.append(f"SELECT {number} AS t, {listed} FROM {source.name(table)}")
        for batch in source.rows(" UNION ALL ".join(sums)):
            found.update({part[int(row["t"])]: tuple(row[f"v{n}"] for n in range(5)) for row in batch})
    return found


def _text_or_bytes(raw: bytes) -> str | bytes:
    """Text, or what is none as it is: whoever asks for text tells which row holds it."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def as_text(value: Any) -> str | None:
    """Text to compare and to show. What is no UTF-8 becomes text that no name of ours is: nothing here takes it."""
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    return None if value is None else str(value)


def as_shown(value: Any) -> str:
    """A value for a message, whatever is in it."""
    return repr(value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value)


def batched(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows a batch at a time: BATCH of them, or as many as have BATCH_BYTES."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(len(value) for value in row.values() if isinstance(value, str | bytes))
        if len(batch) >= BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def parts(items: Iterable[Any], size: int = 500) -> Iterator[list[Any]]:
    """Lists of so many items, as many as one statement takes well."""
    part: list[Any] = []
    for item in items:
        part.append(item)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def _any_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
