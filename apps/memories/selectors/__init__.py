"""Reads of memories in a view. Everything is evaluated before it is returned."""

from dataclasses import dataclass

from apps.memories.filters import Filters
from apps.memories.models import MAIN_BRANCH, OPEN, Clock, Memory, MemoryColumns, Revision
from apps.memories.records import RECORD_COLUMNS, MemoryRecord, record
from apps.memories.view import View
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


def row_find(*, view: View, memory_id: str) -> MemoryColumns | None:
    """The view's row in any state, for services that are about to change it."""
    for source in view.sources():
        for row in source.filter(memory_id=memory_id):
            return row  # type: ignore[no-any-return]
    return None


def memory_list(*, view: View, filters: Filters, limit: int, cursor: str | None = None) -> Page:
    """Active memories, newest id first, after the cursor."""
    found: dict[str, MemoryRecord] = {}
    for source in view.sources():
        rows = filters.apply(source)
        if cursor is not None:
            rows = rows.filter(memory_id__lt=cursor)
        for row in rows.order_by("-memory_id").only(*RECORD_COLUMNS)[: limit + 1]:
            found.setdefault(row.memory_id, record(row))
    items = sorted(found.values(), key=lambda item: item.memory_id, reverse=True)
    more = len(items) > limit
    return Page(items[:limit], items[limit - 1].memory_id if more else None)


def memory_count(*, view: View) -> int:
    """Active memories in a view, without the anti-join that reading a branch needs: that would visit every row."""
    if view.is_main_now:
        return Clock.objects.values_list("active_count", flat=True).get(pk=1)
    moment = view.at if view.at is not None else OPEN - 1
    below = moment if view.is_main else min(view.fork_seq, moment)
    inherited = [
        Memory.objects.filter(is_active=True, born__lte=below),
        Revision.objects.filter(branch_id=MAIN_BRANCH, is_active=True, died__gt=below, born__lte=below),
    ]
    total = sum(rows.count() for rows in inherited)
    if view.is_main:
        return total
    overlay = view.overlay()
    hidden = sum(rows.filter(memory_id__in=overlay.values("memory_id")).count() for rows in inherited)
    return total - hidden + overlay.filter(absent=0, is_active=True).count()
