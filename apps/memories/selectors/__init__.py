"""Reads of memories in a view. Everything is evaluated before it is returned."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from apps.memories.filters import ANY, Filters
from apps.memories.models import (
    MAIN_BRANCH,
    OPEN,
    Clock,
    Memory,
    MemoryColumns,
    MemoryStats,
    Relation,
    Revision,
)
from apps.memories.records import RECORD_COLUMNS, MemoryRecord, record
from apps.memories.view import View
from apps.tenancy import sql
from memoria.errors import NotFound


@dataclass(frozen=True, slots=True)
class Page:
    """Newest ids first; `next_cursor` is the last id when more rows exist."""

    items: list[MemoryRecord]
    next_cursor: str | None


def memory_get(*, view: View, memory_id: str) -> MemoryRecord:
    """An active memory. Raises NotFound for unknown and for inactive ids alike."""
    row = row_find(view=view, memory_id=memory_id)
    if row is None or not row.is_active:
        raise NotFound("Memory not found")
    return record(row)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two active memories that may contradict each other, the one that was written later first."""

    memory_id: str
    other_id: str
    reason: str


def conflicts_of(*, view: View, memory_ids: Sequence[str]) -> list[Conflict]:
    """The contradictions, as noticed when one of the two was written, between any of these active memories and
    others that the view still holds; oldest first. One statement, and another where some lie among those others.
    """
    if not memory_ids:
        return []
    marks = sql.marks(memory_ids)
    either = f"memory_id IN ({marks}) OR other_id IN ({marks}) ORDER BY id"
    rows = sql.select(Relation, ("memory_id", "other_id", "reason"), either, [*memory_ids, *memory_ids])
    every = [Conflict(*row) for row in rows]
    others = {i for each in every for i in (each.memory_id, each.other_id)}.difference(memory_ids)
    held = {*memory_ids, *_active(view, others)}
    return [each for each in every if each.memory_id in held and each.other_id in held]


def opponents(conflicts: Iterable[Conflict]) -> dict[str, list[str]]:
    """By memory id the ids of those that it may contradict."""
    found: dict[str, list[str]] = defaultdict(list)
    for each in conflicts:
        found[each.memory_id].append(each.other_id)
        found[each.other_id].append(each.memory_id)
    return found


def _active(view: View, memory_ids: set[str]) -> set[str]:
    if not memory_ids:
        return set()
    found: set[str] = set()
    for source in view.sources():
        found.update(
            source.filter(memory_id__in=memory_ids, is_active=True).values_list("memory_id", flat=True)
        )
    return found


def last_repeats(*, memory_ids: Sequence[str]) -> dict[str, float]:
    """When those of the memories that were said again were so last, in seconds since 1970."""
    if not memory_ids:
        return {}
    said_again = f"memory_id IN ({sql.marks(memory_ids)}) AND last_repeated_at IS NOT NULL"
    rows = sql.select(MemoryStats, ("memory_id", "last_repeated_at"), said_again, memory_ids)
    return {memory_id: moment.timestamp() for memory_id, moment in rows}


def row_find(*, view: View, memory_id: str) -> MemoryColumns | None:
    """The view's row in any state, for services that are about to change it."""
    if not view.is_main:
        for own in view.overlay().filter(memory_id=memory_id):
            return None if own.absent else own
    for source in view.inherited():
        for row in source.filter(memory_id=memory_id):
            return row  # type: ignore[no-any-return]
    return None


def memory_list(*, view: View, filters: Filters, limit: int, cursor: str | None = None) -> Page:
    """Active memories, newest id first, after the cursor."""
    if view.is_main_now:
        rows = _after(cursor, filters.apply(Memory.objects.all()))
        items = [MemoryRecord(*row) for row in rows.values_list(*RECORD_COLUMNS)[: limit + 1]]
    else:
        items = _merged(view, filters, limit + 1, cursor)
    more = len(items) > limit
    return Page(items[:limit], items[limit - 1].memory_id if more else None)


def _after(cursor: str | None, rows: QuerySet[Any]) -> QuerySet[Any]:
    if cursor is not None:
        rows = rows.filter(memory_id__lt=cursor)
    return rows.order_by("-memory_id")


def _merged(view: View, filters: Filters, count: int, cursor: str | None) -> list[MemoryRecord]:
    """The first of several sources: the ids of each first, then only the rows that are among the first of all."""
    keys: set[str] = set()
    for source in view.sources():
        # No index serves Django's bare `WHERE is_active`; beside other conditions theirs serve better.
        rows = source.filter(is_active__in=(True,)) if filters == ANY else filters.apply(source)
        keys.update(_after(cursor, rows).values_list("memory_id", flat=True)[:count])
    ids = sorted(keys, reverse=True)[:count]
    found: dict[str, MemoryRecord] = {}
    for source in [*([] if view.is_main else [view.overlay().filter(absent=0)]), *view.inherited()]:
        if missing := [memory_id for memory_id in ids if memory_id not in found]:
            for row in source.filter(memory_id__in=missing).values_list(*RECORD_COLUMNS):
                found[row[0]] = MemoryRecord(*row)
    return [found[memory_id] for memory_id in ids if memory_id in found and found[memory_id].is_active]


def ids_matching(*, view: View, filters: Filters) -> set[str]:
    """Ids of all active memories that the filters admit."""
    return {i for source in view.sources() for i in filters.apply(source).values_list("memory_id", flat=True)}


def memory_count(*, view: View) -> int:
    """Active memories in a view, without the anti-join that reading a branch needs: that would visit every row."""
    if view.is_main_now:
        return Clock.objects.values_list("active_count", flat=True).get(pk=1)
    moment = view.at if view.at is not None else OPEN - 1
    below = moment if view.is_main else min(view.fork_seq, moment)
    inherited: list[QuerySet[Any]] = [  # with `in`, because no index serves Django's bare `WHERE is_active`
        Memory.objects.filter(is_active__in=(True,), born__lte=below),
        Revision.objects.filter(branch_id=MAIN_BRANCH, is_active=True, died__gt=below, born__lte=below),
    ]
    total = sum(rows.count() for rows in inherited)
    if view.is_main:
        return total
    overlay = view.overlay()
    hidden = sum(rows.filter(memory_id__in=overlay.values("memory_id")).count() for rows in inherited)
    return total - hidden + overlay.filter(absent=0, is_active=True).count()
