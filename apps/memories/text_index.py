"""Full-text indexes over `search_text`: FTS5 tables on SQLite, FULLTEXT on MariaDB and MySQL.

On SQLite triggers keep them, so that every statement that changes a row keeps its words too. Only active rows
are indexed: nothing searches the others. A migration that rebuilds one of the tables drops its triggers and
has to call `rebuild`.
"""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from apps.tenancy import sql
from apps.tenancy.scope import user_connection

# How many rows of a user too large for memory are looked at closely.
CANDIDATES = 2_000

TABLES = {"mem_memories": "new.is_active = 1", "mem_revisions": "new.is_active = 1 AND new.absent = 0"}


def create(schema_editor: Any) -> None:
    for table, is_indexed in TABLES.items():
        if schema_editor.connection.vendor == "sqlite":
            _create_fts5(schema_editor, table, is_indexed)
        else:
            schema_editor.execute(f"ALTER TABLE {table} ADD FULLTEXT INDEX {table}_text (search_text)")


def rebuild(schema_editor: Any) -> None:
    """Make the triggers and the index anew from the rows; MariaDB and MySQL keep theirs by themselves."""
    if schema_editor.connection.vendor != "sqlite":
        return
    for table, is_indexed in TABLES.items():
        for trigger in "iduvw":
            schema_editor.execute(f"DROP TRIGGER IF EXISTS {table}_text_{trigger}")
        schema_editor.execute(f"DROP TABLE IF EXISTS {table}_text")
        _create_fts5(schema_editor, table, is_indexed)
        schema_editor.execute(
            f"INSERT INTO {table}_text (rowid, search_text) SELECT id, search_text FROM {table}"
            f" WHERE {is_indexed.replace('new.', '')}"
        )


def _create_fts5(schema_editor: Any, table: str, is_indexed: str) -> None:
    index = f"{table}_text"
    was_indexed = is_indexed.replace("new.", "old.")
    add = f"INSERT INTO {index} (rowid, search_text) VALUES (new.id, new.search_text);"
    drop = f"INSERT INTO {index} ({index}, rowid, search_text) VALUES ('delete', old.id, old.search_text);"
    changed = f"AFTER UPDATE OF search_text, is_active ON {table}"
    for statement in (
        f"CREATE VIRTUAL TABLE IF NOT EXISTS {index} USING fts5"
        f" (search_text, content='{table}', content_rowid='id', tokenize='ascii')",
        f"CREATE TRIGGER {index}_i AFTER INSERT ON {table} WHEN {is_indexed} BEGIN {add} END",
        f"CREATE TRIGGER {index}_d AFTER DELETE ON {table} WHEN {was_indexed} BEGIN {drop} END",
        # A trigger each for leaving, coming and staying: of two that fire for one row, nobody says which is first.
        f"CREATE TRIGGER {index}_u {changed} WHEN {was_indexed} AND NOT ({is_indexed}) BEGIN {drop} END",
        f"CREATE TRIGGER {index}_v {changed} WHEN {is_indexed} AND NOT ({was_indexed}) BEGIN {add} END",
        f"CREATE TRIGGER {index}_w {changed} WHEN {is_indexed} AND {was_indexed} BEGIN {drop} {add} END",
    ):
        schema_editor.execute(statement)


def candidates(rows: QuerySet[Any], terms: Sequence[str]) -> tuple[list[int], bool]:
    """Keys of at most CANDIDATES of the rows: all of them where they are no more, else those that have the terms
    best, filled up with the newest. And whether that leaves any out.
    """
    newest = list(rows.order_by("-id").values_list("id", flat=True)[: CANDIDATES + 1])
    if len(newest) <= CANDIDATES or not terms:
        return newest[:CANDIDATES], len(newest) > CANDIDATES
    worded = list(_ranked(rows, list(dict.fromkeys(terms))).values_list("id", flat=True)[:CANDIDATES])
    return list(dict.fromkeys([*worded, *newest]))[:CANDIDATES], True


def _ranked(rows: QuerySet[Any], terms: Sequence[str]) -> QuerySet[Any]:
    """Those of the rows that have any of the terms, best first."""
    table = rows.model._meta.db_table
    if user_connection().vendor == "sqlite":
        index = f"{table}_text"
        return rows.extra(  # noqa: S610  the table is our own
            tables=[index],
            where=[f"{index}.rowid = {table}.id", f"{index} MATCH %s"],
            params=[" OR ".join(f'"{term}"' for term in terms)],
            select={"text_rank": f"{index}.rank"},
            order_by=["text_rank", "-id"],
        )
    match, text = f"MATCH ({table}.search_text) AGAINST (%s)", " ".join(terms)
    return rows.extra(  # noqa: S610  the table is our own
        where=[match],
        params=[text],
        select={"text_rank": match},
        select_params=[text],
        order_by=["-text_rank", "-id"],
    )


def holding_any(rows: QuerySet[Any], words: Sequence[str]) -> QuerySet[Any]:
    """Those of the rows that have any of the words."""
    table = rows.model._meta.db_table
    if user_connection().vendor == "sqlite":
        held = f"{table}.id IN (SELECT rowid FROM {table}_text WHERE {table}_text MATCH %s)"
        return rows.extra(where=[held], params=[" OR ".join(f'"{word}"' for word in words)])  # noqa: S610
    held = f"MATCH ({table}.search_text) AGAINST (%s IN BOOLEAN MODE)"
    return rows.extra(where=[held], params=[" ".join(words)])  # noqa: S610  the table is our own


def ids_holding_any(rows: QuerySet[Any], words: Sequence[str], limit: int) -> list[int]:
    """Keys of rows of the table, newest first, that have any of the words; not narrowed to the given rows."""
    table = rows.model._meta.db_table
    if user_connection().vendor == "sqlite":
        found = sql.query(
            f"SELECT rowid FROM {table}_text WHERE {table}_text MATCH %s ORDER BY rowid DESC LIMIT %s",
            [" OR ".join(f'"{word}"' for word in words), limit],
        )
    else:
        found = sql.query(
            f"SELECT id FROM {table} WHERE MATCH (search_text) AGAINST (%s IN BOOLEAN MODE)"
            " ORDER BY id DESC LIMIT %s",
            [" ".join(words), limit],
        )
    return [key for (key,) in found]
