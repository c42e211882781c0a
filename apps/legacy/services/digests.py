"""What each user's part of the old database amounts to: who has not changed need not be read again."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.apps import apps

from apps.legacy.checksum import mysql_sum, sqlite_sum, teach
from apps.legacy.source import COLUMNS, COPIED, Source, as_text, live_branches
from apps.tenancy import sql
from apps.tenancy.scope import user_connection
from apps.tenancy.user_plane import UserModel

STATS = "mem_memories_stats"
_BY_ITSELF = frozenset(("mem_memories_stats", "mem_embeddings", "mem_clock"))


def source_digests(*, source: Source, tables: dict[str, list[str]]) -> dict[str, str]:
    """A digest of all copied rows of every user, made by the old database itself: a query per table, one for each
    branch. Any row that is added, changed or removed changes its owner's digest.
    """
    parts: dict[str, list[str]] = defaultdict(list)

    def add(label: str, columns: list[str], relation: str, user: str, owner: str | None = None) -> None:
        """Count and checksum of a relation's rows by the user column; only the owner's, where there is one."""
        sums = f"SELECT {source.bytewise(user)} AS u, COUNT(*) AS n, {source.checksum(columns)} AS s FROM {relation}"
        values: list[Any] = []
        if owner is not None:
            sums += f" WHERE {user} = %s AND {source.bytewise(user)} = %s"
            values = [owner, owner.encode() if source.is_mysql else owner]
        for batch in source.rows(f"{sums} GROUP BY {source.bytewise(user)}", values):
            for row in batch:
                if (found := as_text(row["u"])) is not None:
                    parts[found].append(f"{label}:{row['n']}:{as_text(row['s'])}")

    for table in sorted(COPIED & set(tables)):
        known = [name for name in COLUMNS[table].split() if name in tables[table]]
        if "user_id" in known:
            add(table, known, source.name(table), "user_id")
    with_stats = STATS in tables
    stats = [f"s.{name}" for name in COLUMNS[STATS].split() if name in tables.get(STATS, ())]

    def joined(table: str) -> str:
        same = source.equal("s.memory_id", "m.memory_id", tables=(STATS, table))
        return f"{source.name(STATS)} s JOIN {source.name(table)} m ON {same}"

    if with_stats:
        add(STATS, stats, joined("mem_memories"), "m.user_id")
    for owner, table in live_branches(source, tables):
        known = [name for name in COLUMNS["mem_memories"].split() if name in tables[table]]
        add(table, known, source.name(table), "user_id", owner)
        if with_stats:
            add(f"{STATS} {table}", stats, joined(table), "m.user_id", owner)
    return {user: _hash(sorted(found)) for user, found in parts.items()}


@dataclass(frozen=True, slots=True)
class TargetDigest:
    everything: str
    content: str
    """Without vectors, counters and the clock, which change without anybody writing."""
    tables: dict[str, str]
    """Count and sums of each table."""


def target_digest() -> TargetDigest:
    """Digests of the open user database, made by its server in one statement: it may be far away."""
    connection = user_connection()
    is_sqlite = connection.vendor == "sqlite"
    if is_sqlite:
        connection.ensure_connection()
        teach(connection.connection)
    row_sum = sqlite_sum if is_sqlite else mysql_sum
    models = sorted(
        (m for m in apps.get_models() if issubclass(m, UserModel)), key=lambda m: m._meta.db_table
    )
    sums = []
    for number, model in enumerate(models):
        columns = [field.attname for field in model._meta.concrete_fields]
        vectors = {"embedding_id"} & set(columns)
        rest = row_sum([sql.quoted(name) for name in columns if name not in vectors])
        own = row_sum([sql.quoted(columns[0]), sql.quoted("embedding_id")]) if vectors else "NULL"
        sums.append(
            f"SELECT {number} AS t, COUNT(*) AS n, {rest} AS r, {own} AS v FROM {sql.quoted(model._meta.db_table)}"
        )
    tables: dict[str, str] = {}
    content = []
    for number, count, rest, own in sorted(sql.query(" UNION ALL ".join(sums))):
        table, found = models[number]._meta.db_table, [as_text(rest), as_text(own)]
        tables[table] = f"{count}:{':'.join(str(value) for value in found)}"
        if table not in _BY_ITSELF:
            content.append(f"{table}:{count}:{found[0]}")
    everything = [f"{table}:{sums}" for table, sums in tables.items()]
    return TargetDigest(_hash(everything), _hash(content), tables)


def _hash(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
