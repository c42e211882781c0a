"""Sums over rows that do not depend on their order, made by the database itself: any changed value changes them."""

import hashlib
from collections.abc import Sequence
from typing import Any


def mysql_sum(names: Sequence[str]) -> str:
    """An aggregate for MySQL-protocol servers, over quoted column names."""
    values = ", ".join(f"ISNULL({name}), COALESCE(CAST({name} AS BINARY), '')" for name in names)
    number = f"CAST(CONV(LEFT(MD5(CONCAT_WS(0x1F, {values})), 15), 16, 10) AS UNSIGNED)"
    return f"CAST(SUM({number}) AS CHAR)"


def sqlite_sum(names: Sequence[str]) -> str:
    """The same for SQLite connections that `teach` has seen; the sums of two engines are not comparable.

    Texts are handed over as bytes, since old ones may be no UTF-8.
    """
    values = (f"CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END" for name in names)
    return f"row_sum({', '.join(values)})"


def teach(raw: Any) -> None:
    """Give an sqlite3 connection the aggregate."""
    raw.create_aggregate("row_sum", -1, _RowSum)


class _RowSum:
    def __init__(self) -> None:
        self._total = 0

    def step(self, *values: Any) -> None:
        hashed = hashlib.blake2b(repr(values).encode(), digest_size=8).digest()
        self._total += int.from_bytes(hashed, "big")

    def finalize(self) -> str:
        return str(self._total)
