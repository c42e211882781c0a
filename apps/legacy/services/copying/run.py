"""What every part of copying one user works with: where rows come from, and what is told of them."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import OperationalError
from django.db.models import QuerySet
from django.utils import timezone

from apps.legacy.scratch import Scratch
from apps.legacy.services.ledger import Lease, fence_hold
from apps.legacy.services.odd_rows import OddRows
from apps.legacy.source import Row, Source, user_rows
from apps.tenancy import sql
from apps.tenancy.scope import user_atomic

ATTEMPTS = 4
KEYS_AT_ONCE = 5_000
_FILLED = (
    *("mem_memories", "mem_revisions", "mem_embeddings", "mem_entities", "mem_memory_entity_links"),
    *("mem_memories_stats", "mem_edit_log", "mem_retrieval_feedback"),
)


@dataclass
class Copied:
    """What copying one user did."""

    user_id: str
    read: int = 0
    written: int = 0
    is_unchanged: bool = False
    """Nothing was read: the old rows are those of the last copy."""
    removed: int = 0
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Vectors:
    """Which vectors are taken over: those of this width, as those of this model. None: none."""

    model: str
    dim: int


class Run:
    """One user's copying, while their database is open."""

    def __init__(
        self,
        source: Source,
        tables: dict[str, list[str]],
        lease: Lease,
        vectors: Vectors | None,
        result: Copied,
        tick: Callable[[int], None],
    ) -> None:
        self.source, self.tables, self.user_id = source, tables, result.user_id
        self.vectors, self.result, self._lease, self._tick = vectors, result, lease, tick
        self.now = timezone.now()
        self.odd = OddRows()
        self.unfit_vectors = 0
        self.scratch = Scratch()
        self.is_first = False
        """Nothing is in the open database yet, so that nothing there has to be looked at, or put right."""

    def rows(self, table: str) -> Iterator[list[Row]]:
        """The user's rows of an old table, a batch at a time."""
        for batch in user_rows(self.source, self.tables, table, self.user_id):
            yield self.counted(batch)

    def counted(self, batch: list[Row]) -> list[Row]:
        """The batch, once it is counted as read."""
        self.result.read += len(batch)
        self._tick(len(batch))
        return batch

    def write(self, batch: Callable[[], None]) -> None:
        """Run what writes one batch, in a transaction; a deadlock or a lost connection costs a batch, not the user.

        Raises LeaseLost, and writes nothing, where another process copies this user by now.
        """
        for attempt in range(ATTEMPTS):
            try:
                with user_atomic():
                    fence_hold(self._lease.fence)
                    return batch()
            except OperationalError:
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(0.2 * 2**attempt)
        return None


def is_empty() -> bool:
    """Whether the open database has no rows yet that a copy compares with."""
    anything = " OR ".join(f"EXISTS (SELECT 1 FROM {table})" for table in _FILLED)
    return not sql.query(f"SELECT {anything}")[0][0]


def keys(rows: QuerySet[Any], key: str) -> Iterator[Any]:
    """The keys of these rows in order, a page at a time."""
    return (found for (found,) in keyed(rows, key))


def keyed(rows: QuerySet[Any], key: str, *columns: str) -> Iterator[tuple[Any, ...]]:
    """The keys of these rows in order with other columns, a page at a time: a user may have more rows than memory,
    and drivers hold a whole result."""
    rows = rows.order_by(key).values_list(key, *columns)
    page = list(rows[:KEYS_AT_ONCE])
    while page:
        yield from page
        if len(page) < KEYS_AT_ONCE:
            return
        page = list(rows.filter(**{f"{key}__gt": page[-1][0]})[:KEYS_AT_ONCE])
