"""Full-text indexes over `search_text`: FTS5 tables on SQLite, FULLTEXT on MariaDB and MySQL.

On SQLite triggers keep them, so that every statement that changes a row keeps its words too. Only active rows
are indexed: nothing searches the others. A migration that rebuilds one of the tables drops its triggers and
has to call `create` again.
"""

from typing import Any

TABLES = {"mem_memories": "new.is_active = 1", "mem_revisions": "new.is_active = 1 AND new.absent = 0"}


def create(schema_editor: Any) -> None:
    for table, is_indexed in TABLES.items():
        if schema_editor.connection.vendor == "sqlite":
            _create_fts5(schema_editor, table, is_indexed)
        else:
            schema_editor.execute(f"ALTER TABLE {table} ADD FULLTEXT INDEX {table}_text (search_text)")


def _create_fts5(schema_editor: Any, table: str, is_indexed: str) -> None:
    index = f"{table}_text"
    was_indexed = is_indexed.replace("new.", "old.")
    add = f"INSERT INTO {index} (rowid, search_text) VALUES (new.id, new.search_text);"
    drop = f"INSERT INTO {index} ({index}, rowid, search_text) VALUES ('delete', old.id, old.search_text);"
    for statement in (
        f"CREATE VIRTUAL TABLE IF NOT EXISTS {index} USING fts5"
        f" (search_text, content='{table}', content_rowid='id', tokenize='ascii')",
        f"CREATE TRIGGER {index}_i AFTER INSERT ON {table} WHEN {is_indexed} BEGIN {add} END",
        f"CREATE TRIGGER {index}_d AFTER DELETE ON {table} WHEN {was_indexed} BEGIN {drop} END",
        # One trigger for leaving and one for coming: an update may do either or both.
        f"CREATE TRIGGER {index}_u AFTER UPDATE OF search_text, is_active ON {table} WHEN {was_indexed}"
        f" BEGIN {drop} END",
        f"CREATE TRIGGER {index}_v AFTER UPDATE OF search_text, is_active ON {table} WHEN {is_indexed}"
        f" BEGIN {add} END",
    ):
        schema_editor.execute(statement)
