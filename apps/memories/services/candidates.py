"""The known memories that a new one has to be compared with: those that share a decision key with it."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from apps.memories.filters import Filters
from apps.memories.text_index import holding_any, ids_holding_any
from apps.memories.view import View
from apps.tenancy import sql
from memoria.decisions import Statement, keys_in

# Memories that a new one is compared with, at most, for each of its keys.
CANDIDATES = 50
# Keys that are looked up by one statement, and rows such a look-up may bring before each key is asked for by itself.
KEYS_AT_ONCE, ROWS_AT_ONCE = 100, 1_000

_Slot = tuple[str, str | None, str]  # memory type, subject, key


class Candidates:
    """Active rows of a view by what they may be compared with. Belongs to one commit, and never shows a row twice as
    two objects: what the commit did to one of them is seen by all.
    """

    def __init__(self, view: View, rows: dict[str, Any]) -> None:
        self._view = view
        self._rows = rows
        """Every row that the commit has met, by its id."""
        self._found: dict[_Slot, dict[str, Any]] = {}
        self._fresh: dict[_Slot, dict[str, Any]] = {}

    def load(self, statements: Iterable[tuple[Statement, tuple[str, ...]]]) -> None:
        """Look up what all these statements, given with their keys, have to be compared with."""
        wanted = {
            (each.memory_type, each.subject_id, key): None
            for each, keys in statements
            for key in keys
            if (each.memory_type, each.subject_id, key) not in self._found
        }
        self._found.update((slot, {}) for slot in wanted)
        slots = list(wanted)
        for start in range(0, len(slots), KEYS_AT_ONCE):
            part = slots[start : start + KEYS_AT_ONCE]
            for source in self._view.sources():
                self._look_up(source, part)

    def _look_up(self, source: Any, slots: Sequence[_Slot]) -> None:
        keys = list(dict.fromkeys(key for _, _, key in slots))
        limit = CANDIDATES if len(keys) <= 2 else ROWS_AT_ONCE  # one statement has two keys
        ids = ids_holding_any(source, keys, limit)
        if not ids:  # nearly always
            return
        if len(ids) < limit:
            rows = source.filter(is_active=True)
            for start in range(0, len(ids), sql.ROWS_PER_STATEMENT):
                self._take(rows.filter(id__in=ids[start : start + sql.ROWS_PER_STATEMENT]), slots)
            return
        for slot in slots:  # of other subjects, types or times most of them
            memory_type, subject_id, key = slot
            rows = Filters(memory_types=(memory_type,), subject_id=subject_id).apply(source)
            rows = holding_any(rows.filter(subject_id=subject_id), [key])
            self._take(rows.order_by("-id")[:CANDIDATES], [slot])

    def _take(self, rows: Iterable[Any], slots: Sequence[_Slot]) -> None:
        wanted = set(slots)
        for row in sorted(rows, key=lambda row: row.memory_id):
            row = self._rows.setdefault(row.memory_id, row)
            for slot in wanted.intersection(_slots(row)):
                self._found[slot].setdefault(row.memory_id, row)

    def add(self, row: Any) -> None:
        """A memory that the commit adds."""
        for slot in _slots(row):
            self._fresh.setdefault(slot, {})[row.memory_id] = row

    def drop(self, row: Any) -> None:
        """A memory that the commit ends."""
        for slot in _slots(row):
            for rows in (self._found, self._fresh):
                if slot in rows:
                    rows[slot].pop(row.memory_id, None)

    def of(self, statement: Statement, keys: Sequence[str]) -> dict[str, Any]:
        """The newest active rows to compare a statement with, by id. They have been loaded before."""
        slots = [(statement.memory_type, statement.subject_id, key) for key in keys]
        found = {row.memory_id: row for slot in slots for row in islice(self._newest(slot), CANDIDATES)}
        found.pop(statement.memory_id, None)
        return found

    def _newest(self, slot: _Slot) -> Iterator[Any]:
        for rows in (self._fresh, self._found):
            yield from (row for row in reversed(rows.get(slot, {}).values()) if row.is_active)


def _slots(row: Any) -> list[_Slot]:
    return [(row.memory_type, row.subject_id, key) for key in keys_in(row.search_text)]
