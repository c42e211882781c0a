"""Plain SQL on the open user database, for what the ORM cannot say, or says too slowly on the hottest path.

Values are always parameters; table and column names come from our own models. Everything runs in the caller's
transaction.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
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
    models.BooleanField,
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


def select(
    model: type[Model], columns: Sequence[str], condition: str, parameters: Sequence[Any] = ()
) -> list[tuple[Any, ...]]:
    """Columns of a model's rows as the ORM would give them; building its statement takes ten times the query."""
    names = _names(tuple(columns), user_connection().vendor)
    rows = query(f"SELECT {names} FROM {model._meta.db_table} WHERE {condition}", parameters)
    return converted(model, columns, rows)


def converted(
    model: type[Model], columns: Sequence[str], rows: list[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    """Rows that begin with these columns of a model as the ORM would give them."""
    connection = user_connection()
    converters = _converters(model, tuple(columns), connection.vendor)
    if not converters:
        return rows
    found = []
    for row in rows:
        values = list(row)
        for place, convert in converters:
            values[place] = convert(values[place], connection)
        found.append(tuple(values))
    return found


@cache
def _names(columns: tuple[str, ...], vendor: str) -> str:
    return ", ".join(map(quoted, columns))


_Convert = Callable[[Any, BaseDatabaseWrapper], Any]


@cache
def _converters(model: type[Model], columns: tuple[str, ...], vendor: str) -> list[tuple[int, _Convert]]:
    """For each place that needs it how the driver's value becomes ours."""
    connection = user_connection()
    fields: dict[str, Any] = {field.attname: field for field in model._meta.concrete_fields}
    converters: list[tuple[int, _Convert]] = []
    for place, name in enumerate(columns):
        column = fields[name].get_col(model._meta.db_table)
        every = [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]
        if every:
            converters.append((place, partial(_converted, column, every)))
    return converters


def _converted(column: Any, converters: list[Any], value: Any, connection: BaseDatabaseWrapper) -> Any:
    for convert in converters:
        value = convert(value, column, connection)
    return value


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


def insert(rows: Sequence[Model], *, or_ignore: bool = False) -> int | None:
    """Insert rows of one model as they are. Automatic keys must be set, or be left to the database on all rows.
    Returns the key that the database gave to a single row.

    `or_ignore` passes over rows that a unique constraint refuses.
    """
    if not rows:
        return None
    own_rows(rows)
    connection = user_connection()
    has_key = rows[0].pk is not None
    prepared, columns = _columns(type(rows[0]), has_key, connection.vendor)
    verb = "INSERT"
    if or_ignore:
        verb = "INSERT OR IGNORE" if connection.vendor == "sqlite" else "INSERT IGNORE"
    statement = f"{verb} INTO {rows[0]._meta.db_table} ({columns}) VALUES ({marks(len(prepared))})"
    values = [
        [
            getattr(row, name) if prepare is None else prepare(getattr(row, name), connection)
            for name, prepare in prepared
        ]
        for row in rows
    ]
    with connection.cursor() as cursor:
        if len(values) == 1:
            cursor.execute(statement, values[0])
            return int(cursor.lastrowid or 0)
        cursor.executemany(statement, values)
    return None


_Prepare = Callable[[Any, BaseDatabaseWrapper], Any]


@cache
def _columns(
    model: type[Model], has_key: bool, vendor: str
) -> tuple[tuple[tuple[str, _Prepare | None], ...], str]:
    """Attribute and preparation of each column, None where the driver takes the value as it is; and their names."""
    fields = [field for field in model._meta.concrete_fields if has_key or not field.primary_key]
    prepared = tuple((field.attname, _preparation(field)) for field in fields)
    return prepared, ", ".join(quoted(field.attname) for field in fields)


def _preparation(field: "Field[Any, Any]") -> _Prepare | None:
    if type(field) in _PLAIN:
        return None
    if type(field) is models.DateTimeField:
        return lambda value, connection: connection.ops.adapt_datetimefield_value(value)
    if type(field) is models.JSONField:
        return lambda value, connection: (
            None if value is None else connection.ops.adapt_json_value(value, field.encoder)
        )
    return field.get_db_prep_save


def insert_numbered(rows: Sequence[Model]) -> None:
    """Insert rows of one model with an automatic key, which they get here. Only inside a commit, where the clock's
    lock keeps other writers out.
    """
    if len(rows) == 1:  # the usual case, for which the database tells
        rows[0].pk = insert(rows)
        return
    if rows:
        first = int(query(f"SELECT COALESCE(MAX(id), 0) + 1 FROM {rows[0]._meta.db_table}")[0][0])
        for number, row in enumerate(rows):
            row.pk = first + number
        insert(rows)
