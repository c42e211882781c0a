"""What each user's part of the old database amounts to: who has not changed need not be read again."""

import hashlib
from collections import defaultdict
from typing import Any

from django.apps import apps

from apps.legacy.checksum import mysql_sum, sqlite_sum, teach
from apps.legacy.source import COLUMNS, COPIED, Source, as_text, live_branches
from apps.tenancy import sql
from apps.tenancy.scope import user_connection
from apps.tenancy.user_plane import UserModel

STATS = "mem_memories_stats"


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
        return f"{source.name(STATS)} s JOIN {source.name(table)} m ON m.memory_id = s.memory_id"

    if with_stats:
        add(STATS, stats, joined("mem_memories"), "m.user_id")
    for owner, table in live_branches(source, tables):
        known = [name for name in COLUMNS["mem_memories"].split() if name in tables[table]]
        add(table, known, source.name(table), "user_id", owner)
        if with_stats:
            add(f"{STATS} {table}", stats, joined(table), "m.user_id", owner)
    return {
        user: hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest() for user, found in parts.items()
    }


def target_digest() -> str:
    """A digest of everything in the open user database, made by its server."""
    connection = user_connection()
    is_sqlite = connection.vendor == "sqlite"
    if is_sqlite:
        connection.ensure_connection()
        teach(connection.connection)
    found = []
    for model in sorted(
        (m for m in apps.get_models() if issubclass(m, UserModel)), key=lambda m: m._meta.db_table
    ):
        names = [sql.quoted(field.attname) for field in model._meta.concrete_fields]
        total = sqlite_sum(names) if is_sqlite else mysql_sum(names)
        rows = sql.query(f"SELECT COUNT(*), {total} FROM {sql.quoted(model._meta.db_table)}")
        found.append(f"{model._meta.db_table}:{rows[0][0]}:{as_text(rows[0][1])}")
    return hashlib.sha256("\n".join(found).encode()).hexdigest()
