"""Text that compares byte by byte on every engine: no case folding, no padding, no accents folded."""

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


def bytewise_collation(connection: BaseDatabaseWrapper) -> str | None:
    """The engine's collation under which 'a', 'A', 'a ' and both spellings of 'é' are four values.

    SQLite compares so by default. utf8mb4_bin would ignore trailing blanks, hence the NO PAD collations.
    """
    if connection.vendor != "mysql":
        return None
    return "utf8mb4_nopad_bin" if connection.mysql_is_mariadb else "utf8mb4_0900_bin"  # type: ignore[attr-defined]


class BytewiseField(models.CharField):  # type: ignore[type-arg]
    """An id or a name."""

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        return {**super().db_parameters(connection), "collation": bytewise_collation(connection)}
