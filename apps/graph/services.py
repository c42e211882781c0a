"""Linking memories to entities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.graph.models import Entity, MemoryEntityLink
from apps.tenancy import sql
from apps.tenancy.scope import user_atomic
from memoria.entities import LINK_WEIGHTS, Found, LinkSource

# SQLite allows an expression to be 1,000 levels deep.
DROPPED_PER_STATEMENT = 250


@dataclass(frozen=True, slots=True)
class Linked:
    created: int
    reused: int
    links: int


def memories_link(*, found: Mapping[str, Sequence[Found]], source: LinkSource, now: datetime) -> Linked:
    """Link memories to the entities found in them, making entities that are new. Safe to repeat; inside a commit.

    A link that exists gets the stronger of both sources; an entity keeps the type it was made with.
    """
    things = {thing.name: thing for every in found.values() for thing in every}
    if not things:
        return Linked(0, 0, 0)
    with user_atomic(savepoint=False):  # a failure undoes the commit around it, if there is one
        known = _ids(list(things))
        fresh = [thing for name, thing in things.items() if name not in known]
        ids = known | _create(fresh, now)
        links = [
            MemoryEntityLink(
                memory_id=memory_id,
                entity_id=ids[thing.name],
                source=source,
                weight=LINK_WEIGHTS[source],
                created_at=now,
            )
            for memory_id, every in found.items()
            for thing in every
        ]
        if source is not LinkSource.RULES:
            _drop_weaker(links, source)
        sql.insert(links, or_ignore=True)
    return Linked(len(fresh), len(known), len(links))


def _ids(names: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(names), sql.ROWS_PER_STATEMENT):
        part = names[start : start + sql.ROWS_PER_STATEMENT]
        found.update(sql.query(f"SELECT name, id FROM mem_entities WHERE name IN ({sql.marks(part)})", part))  # type: ignore[arg-type]
    return found


def _create(things: list[Found], now: datetime) -> dict[str, int]:
    if not things:
        return {}
    rows = [
        Entity(name=thing.name, display_name=thing.display[:200], entity_type=thing.kind, created_at=now)
        for thing in things
    ]
    sql.insert_numbered(rows)
    return {row.name: row.pk for row in rows}


def _drop_weaker(links: list[MemoryEntityLink], source: LinkSource) -> None:
    """Make room for stronger links. They become new rows, because readers notice new rows only."""
    for start in range(0, len(links), DROPPED_PER_STATEMENT):
        part = links[start : start + DROPPED_PER_STATEMENT]
        either = " OR ".join(["(memory_id = %s AND entity_id = %s)"] * len(part))
        sql.execute(
            f"DELETE FROM mem_memory_entity_links WHERE weight < %s AND ({either})",
            [LINK_WEIGHTS[source], *(value for link in part for value in (link.memory_id, link.entity_id))],
        )


def orphans_drop(*, known: set[str]) -> int:
    """Drop links of memories that are not known, and entities nothing is linked to. Returns how many."""
    linked = set(MemoryEntityLink.objects.values_list("memory_id", flat=True).distinct())
    dropped = 0
    for start in range(0, len(gone := sorted(linked - known)), sql.ROWS_PER_STATEMENT):
        part = gone[start : start + sql.ROWS_PER_STATEMENT]
        dropped += MemoryEntityLink.objects.filter(memory_id__in=part).delete()[0]
    return dropped + Entity.objects.exclude(id__in=MemoryEntityLink.objects.values("entity_id")).delete()[0]
