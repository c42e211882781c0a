"""Reads of entities and links."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from apps.graph.models import Entity, MemoryEntityLink
from apps.tenancy import sql
from memoria.entities import LinkSource

PER_QUERY = 400


@dataclass(frozen=True, slots=True)
class EntityRecord:
    name: str
    entity_type: str


def entity_list() -> list[EntityRecord]:
    """Every entity, by name."""
    return [EntityRecord(*row) for row in Entity.objects.order_by("name").values_list("name", "entity_type")]


def linked_memory_ids(memory_ids: Iterable[str]) -> set[str]:
    """Those of the given memories that have links."""
    every = list(memory_ids)
    found: set[str] = set()
    for start in range(0, len(every), PER_QUERY):
        rows = MemoryEntityLink.objects.filter(memory_id__in=every[start : start + PER_QUERY])
        found.update(rows.values_list("memory_id", flat=True))
    return found


def memories_by_entity(*, memory_ids: list[str]) -> dict[int, list[str]]:
    """The given memories by what they are linked to."""
    found: dict[int, list[str]] = {}
    rows = MemoryEntityLink.objects.filter(memory_id__in=memory_ids).order_by("memory_id")
    for entity_id, memory_id in rows.values_list("entity_id", "memory_id"):
        found.setdefault(entity_id, []).append(memory_id)
    return found


def orphans(*, known_memories: QuerySet[Any, Any]) -> tuple[int, int]:
    """Links of memories that are not among the known ones, and entities without any link."""
    links = MemoryEntityLink.objects.exclude(memory_id__in=known_memories).count()
    entities = Entity.objects.exclude(id__in=MemoryEntityLink.objects.values("entity_id")).count()
    return links, entities


def newest_link() -> int:
    """The id of the newest link, by which readers notice later ones."""
    return sql.query("SELECT MAX(id) FROM mem_memory_entity_links")[0][0] or 0


def memories_linked_after(link_id: int) -> set[str]:
    """Memories that somebody linked after the given link."""
    found = sql.query(
        "SELECT memory_id FROM mem_memory_entity_links WHERE id > %s AND source <> %s",
        [link_id, LinkSource.RULES],
    )
    return {memory_id for (memory_id,) in found}


def _said() -> QuerySet[MemoryEntityLink]:
    """Links that a person or a model made. What the rules find, ranking reads off the search text itself."""
    return MemoryEntityLink.objects.exclude(source=LinkSource.RULES)


def entities_said_of(memory_ids: list[str]) -> dict[str, list[int]]:
    """Entity ids that somebody linked, by memory, for those of the given memories that have any."""
    found: dict[str, list[int]] = {}
    rows = _said()
    wanted = set(memory_ids)
    parts = [rows]
    if len(memory_ids) <= 4 * PER_QUERY:
        parts = [
            rows.filter(memory_id__in=memory_ids[i : i + PER_QUERY])
            for i in range(0, len(memory_ids), PER_QUERY)
        ]
    for part in parts:
        for memory_id, entity_id in part.values_list("memory_id", "entity_id").iterator(chunk_size=2_000):
            if memory_id in wanted:
                found.setdefault(memory_id, []).append(entity_id)
    return found


def entity_ids(*, names: Iterable[str]) -> dict[str, int]:
    """Ids of the entities with these canonical names."""
    every = list(names)
    if not every:
        return {}
    return dict(Entity.objects.filter(name__in=every).values_list("name", "id"))
