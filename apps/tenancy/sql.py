"""Plain SQL on the open user database, for what the ORM cannot say, or says too slowly on the hottest path.

Values are always parameters; table and column names come from our own models. Everything runs in the caller's
transaction.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import models
from django.db.models import Field, Model

from apps.tenancy.fields import BytewiseField
from apps.tenancy.scope import user_connection
from apps.tenancy.user_plane import own_rows

# What drivers take as it is; preparing it costs a fifth of an insert.
_PLAIN = {
    models.CharField,
    models.TextField,
    BytewiseField,
    models.BigAutoField,
    models.BigIntegerField,
    models.IntegerField,
    models.SmallIntegerField,
    models.FloatField,
}

# SQLite allows 32,766 parameters in a statement, and a long list of them parses slowly.
ROWS_PER_STATEMENT = 500


def query(sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with user_connection().cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def execute(sql: str, parameters: Sequence[Any] = ()) -> int:
    """Run a statement; returns the number of rows it touched."""
    with user_connection().cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)


def execute_many(sql: str, parameters: Sequence[Sequence[Any]]) -> None:
    if parameters:
        with user_connection().cursor() as cursor:
            cursor.executemany(sql, parameters)


def marks(count: int | Sequence[Any]) -> str:
    """So many parameter marks, for an IN list."""
    return ", ".join(["%s"] * (count if isinstance(count, int) else len(count)))


def quoted(name: str) -> str:
    return str(user_connection().ops.quote_name(name))


def insert(rows: Sequence[Model], *, or_ignore: bool = False) -> None:
    """Insert rows of one model as they are. Automatic keys must be set, or be left to the database on all rows.

    `or_ignore` passes over rows that a unique constraint refuses.
    """
    if not rows:
        return
    own_rows(rows)
    connection = user_connection()
    has_key = rows[0].pk is not None
    fields, columns = _columns(type(rows[0]), has_key, connection.vendor)
    verb = "INSERT"
    if or_ignore:
        verb = "INSERT OR IGNORE" if connection.vendor == "sqlite" else "INSERT IGNORE"
    statement = f"{verb} INTO {rows[0]._meta.db_table} ({columns}) VALUES ({marks(len(fields))})"
    values = [
        [
            getattr(row, field.attname)
            if type(field) in _PLAIN
            else field.get_db_prep_save(getattr(row, field.attname), connection)
            for field in fields
        ]
        for row in rows
    ]
    execute_many(statement, values)


@cache
def _columns(model: type[Model], has_key: bool, vendor: str) -> tuple[list["Field[Any, Any]"], str]:
    fields = [field for field in model._meta.concrete_fields if has_key or not field.primary_key]
    return fields, ", ".join(quoted(field.attname) for field in fields)


def next_id(model: type[Model]) -> int:
    """The next automatic key of a table. Only inside a commit, where the clock's lock keeps other writers out."""
    return int(query(f"SELECT COALESCE(MAX(id), 0) + 1 FROM {model._meta.db_table}")[0][0])
