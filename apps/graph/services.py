"""Linking memories to entities."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from apps.graph.models import Entity, MemoryEntityLink
from apps.tenancy.scope import user_atomic
from memoria.entities import LINK_WEIGHTS, Found, LinkSource

PER_STATEMENT = 400


@dataclass(frozen=True, slots=True)
class Linked:
    created: int
    reused: int
    links: int


def memories_link(*, found: Mapping[str, Sequence[Found]], source: LinkSource, now: datetime) -> Linked:
    """Link memories to the entities found in them, making entities that are new. Safe to repeat.

    A link that exists gets the stronger of both sources; an entity keeps the type it was made with.
    """
    things = {thing.name: thing for every in found.values() for thing in every}
    if not things:
        return Linked(0, 0, 0)
    with user_atomic():
        known = _ids(things)
        fresh = [thing for name, thing in things.items() if name not in known]
        Entity.objects.bulk_create(
            [
                Entity(
                    name=thing.name, display_name=thing.display[:200], entity_type=thing.kind, created_at=now
                )
                for thing in fresh
            ],
            batch_size=PER_STATEMENT,
            ignore_conflicts=True,
        )
        ids = known | _ids(thing.name for thing in fresh)
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
        MemoryEntityLink.objects.bulk_create(links, batch_size=PER_STATEMENT, ignore_conflicts=True)
        if source is not LinkSource.RULES:
            _strengthen(links, source)
    return Linked(len(fresh), len(known), len(links))


def _ids(names: Iterable[str]) -> dict[str, int]:
    every = list(names)
    found: dict[str, int] = {}
    for start in range(0, len(every), PER_STATEMENT):
        rows = Entity.objects.filter(name__in=every[start : start + PER_STATEMENT])
        found |= dict(rows.values_list("name", "id"))
    return found


def _strengthen(links: list[MemoryEntityLink], source: LinkSource) -> None:
    for link in links:
        weaker = Q(memory_id=link.memory_id, entity_id=link.entity_id, weight__lt=LINK_WEIGHTS[source])
        MemoryEntityLink.objects.filter(weaker).update(source=source, weight=LINK_WEIGHTS[source])
