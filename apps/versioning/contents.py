"""What a view held: pages of it, and what came and went between two views."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count

from apps.memories.records import RECORD_COLUMNS, MemoryRecord, record
from apps.memories.view import View

IDS_PER_QUERY = 500

ActiveMemory = MemoryRecord


@dataclass(frozen=True, slots=True)
class Contents:
    """A page of the active memories of a view, the last observed first, and counts over all of them."""

    items: list[ActiveMemory]
    total: int
    by_type: dict[str, int]


@dataclass(frozen=True, slots=True)
class Difference:
    """Active memories that only the later or only the earlier view has, in id order; counts of both views."""

    before_count: int
    after_count: int
    added: list[ActiveMemory]
    removed: list[ActiveMemory]


def snapshot_contents(*, view: View, limit: int, offset: int) -> Contents:
    by_type: dict[str, int] = {}
    keys = []
    for source in view.sources():
        rows = source.filter(is_active=True)
        # With `in`, because no index serves Django's bare `WHERE is_active`.
        types = source.filter(is_active__in=(True,)).order_by().values_list("memory_type")
        for memory_type, count in types.annotate(count=Count("*")):
            by_type[memory_type] = by_type.get(memory_type, 0) + count
        ordered = rows.order_by("-observed_at", "-memory_id").values_list("observed_at", "memory_id")
        keys += list(ordered[: offset + limit])
    page = [memory_id for _, memory_id in sorted(keys, reverse=True)[offset : offset + limit]]
    rows_by_id = _rows(view, page)
    return Contents([rows_by_id[i] for i in page], sum(by_type.values()), dict(sorted(by_type.items())))


def snapshot_diff(*, before: View, after: View, limit: int) -> Difference:
    then, now = _active_ids(before), _active_ids(after)
    added, removed = sorted(now - then)[:limit], sorted(then - now)[:limit]
    return Difference(
        len(then), len(now), list(_rows(after, added).values()), list(_rows(before, removed).values())
    )


def _active_ids(view: View) -> set[str]:
    return {
        memory_id
        for source in view.sources()
        for memory_id in source.filter(is_active=True).values_list("memory_id", flat=True)
    }


def _rows(view: View, memory_ids: Iterable[str]) -> dict[str, ActiveMemory]:
    """The given active memories, by id, in the order given."""
    every = list(memory_ids)
    found: dict[str, ActiveMemory] = {}
    for start in range(0, len(every), IDS_PER_QUERY):
        for source in view.sources():
            rows = source.filter(memory_id__in=every[start : start + IDS_PER_QUERY], is_active=True)
            for row in rows.only(*RECORD_COLUMNS):
                found.setdefault(row.memory_id, record(row))
    return {memory_id: found[memory_id] for memory_id in every if memory_id in found}
