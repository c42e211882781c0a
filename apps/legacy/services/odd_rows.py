"""Rows of the old database that cannot be carried: they are counted, and the first of them named."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from django.db.models import Model

from apps.legacy import mapping
from apps.legacy.source import Row, as_shown
from memoria.errors import Invalid

T = TypeVar("T")

NAMED = 20
"""So many are named; all are counted."""


class OddRows:
    def __init__(self) -> None:
        self._named: list[str] = []
        self._count = 0

    def mapped(self, table: str, keys: str, made: Callable[[Row], T], rows: Iterable[Row]) -> Iterator[T]:
        """What is made of these rows. Those that cannot be carried are named by the columns in `keys`, and left out
        until `check`."""
        for row in rows:
            try:
                found = made(row)
                if isinstance(found, Model):
                    mapping.fits(found)
            except mapping.Odd as error:
                self._add(table, keys, row, error)
            except UnicodeDecodeError as error:
                self._add(table, keys, row, mapping.not_text(row, error))
            else:
                yield found

    def _add(self, table: str, keys: str, row: Row, error: mapping.Odd) -> None:
        self._count += 1
        if len(self._named) < NAMED:
            key = ", ".join(f"{name} {as_shown(row.get(name))}" for name in keys.split())
            self._named.append(f"table {table}, {key}, {error}")

    def check(self) -> None:
        """Raises Invalid where rows could not be carried: all come, or none."""
        if self._named:
            raise Invalid(
                f"{self._count} rows of the old database cannot be carried, mend them there:"
                f" {'; '.join(self._named)}{'; …' if self._count > NAMED else ''}"
            )
