"""Statements about the copied tables, the same for both engines."""

import hashlib
from collections.abc import Iterable, Iterator, Set
from itertools import groupby
from typing import Any

from apps.legacy.source.base import Source
from apps.legacy.source.tables import BEFORE, COLUMNS, COPIED
from apps.legacy.source.values import BATCH, Row, as_text, batched, parts
from memoria.naming import SQL_IDENTIFIER, is_encodable


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
        else f"{BEFORE.get((known, name), 'NULL')} AS {source.name(name)}"
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
