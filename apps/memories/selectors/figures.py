"""Figures about a user's memories: the profile's statistics and the four diagnoses."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Avg, Count, F, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Length

from apps.graph.selectors import orphans
from apps.memories.filters import Filters
from apps.memories.models import Clock, Memory, MemoryStats, Revision
from apps.memories.selectors import memory_list
from apps.memories.view import View
from apps.tenancy import sql
from memoria.types import MemoryType

PROFILE_MEMORIES = 50
STALE_AFTER = timedelta(hours=24)
# Sizes up to which one process serves a user's retrieval from memory, and up to which it should be split.
OPTIMAL, DEGRADED = 50_000, 200_000
GROWTH_WINDOW = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Active memories of a view."""

    by_type: dict[str, int]
    total: int
    average_confidence: float | None
    oldest: datetime | None
    newest: datetime | None


def profile_text(*, view: View, subject_id: str | None) -> str:
    """The newest active profile memories, newest first, a line each."""
    filters = Filters(memory_types=(MemoryType.PROFILE,), subject_id=subject_id)
    page = memory_list(view=view, filters=filters, limit=PROFILE_MEMORIES)
    return "\n".join(item.content for item in page.items)


def statistics(*, view: View, subject_id: str | None = None) -> Statistics:
    by_type: dict[str, int] = defaultdict(int)
    confidence, oldest, newest = 0.0, [], []
    for row in _grouped(Filters(subject_id=subject_id).apply(source) for source in view.sources()):
        by_type[row["memory_type"]] += row["count"]
        confidence += row["confidence"]
        oldest.append(row["oldest"])
        newest.append(row["newest"])
    total = sum(by_type.values())
    average = round(confidence / total, 2) if total else None
    return Statistics(
        dict(sorted(by_type.items())), total, average, min(oldest, default=None), max(newest, default=None)
    )


def _grouped(sources: Iterable[QuerySet[Any]]) -> Iterable[dict[str, Any]]:
    for source in sources:
        yield from source.values("memory_type").annotate(
            count=Count("memory_id"),
            confidence=Sum("initial_confidence"),
            oldest=Min("observed_at"),
            newest=Max("observed_at"),
        )


@dataclass(frozen=True, slots=True)
class TypeHealth:
    """Main's memories of a type, inactive ones included."""

    total: int
    avg_confidence: float
    contradiction_rate: float
    """Share that was superseded."""
    avg_staleness_hours: float


def health_by_type(*, now: datetime) -> dict[str, TypeHealth]:
    found = {}
    rows = Memory.objects.values("memory_type").annotate(
        total=Count("id"),
        confidence=Avg("initial_confidence"),
        superseded=Count("id", filter=Q(superseded_by__isnull=False)),
    )
    ages: dict[str, list[float]] = defaultdict(list)
    for memory_type, moment in Memory.objects.values_list("memory_type", "observed_at").iterator(
        chunk_size=5_000
    ):
        ages[memory_type].append((now - moment) / timedelta(hours=1))
    for row in rows.order_by("memory_type"):
        hours = ages[row["memory_type"]]
        found[row["memory_type"]] = TypeHealth(
            row["total"],
            round(row["confidence"], 4),
            round(row["superseded"] / row["total"], 4),
            round(sum(hours) / max(len(hours), 1), 2),
        )
    return found


@dataclass(frozen=True, slots=True)
class StorageHealth:
    total: int
    active: int
    inactive: int
    avg_content_size: float
    """Characters of an active memory."""


def storage_health() -> StorageHealth:
    total = Memory.objects.count()
    active = Clock.objects.values_list("active_count", flat=True).get(pk=1)
    size = Memory.objects.filter(is_active=True).aggregate(size=Avg(Length("content")))["size"]
    return StorageHealth(total, active, total - active, round(size or 0.0, 1))


@dataclass(frozen=True, slots=True)
class EmbeddingHealth:
    width: int
    active: int
    embedded: int
    """Active memories that have a vector of the model and width asked for."""


def embedding_health(*, model: str, dim: int) -> EmbeddingHealth:
    """How far main's memories have vectors of a model and width; width 0, that of an endpoint which this process has
    not asked yet: of the width that was made last.
    """
    latest = "SELECT dim FROM mem_embeddings WHERE model = %s ORDER BY id DESC LIMIT 1"
    dim = dim or next((int(found) for (found,) in sql.query(latest, [model])), 0)
    active = Clock.objects.values_list("active_count", flat=True).get(pk=1)
    embedded = sql.query(
        "SELECT COUNT(*) FROM mem_memories m JOIN mem_embeddings e ON e.id = m.embedding_id"
        " WHERE m.is_active = 1 AND e.model = %s AND e.dim = %s",
        [model, dim],
    )
    return EmbeddingHealth(dim, active, embedded[0][0])


@dataclass(frozen=True, slots=True)
class CapacityHealth:
    active: int
    grown: int
    """Memories that came in the last 30 days."""
    recommendation: str


def capacity_health(*, now: datetime) -> CapacityHealth:
    active = Clock.objects.values_list("active_count", flat=True).get(pk=1)
    grown = Memory.objects.filter(created_at__gt=now - GROWTH_WINDOW).count()
    advice = "ok" if active <= OPTIMAL else "monitor_query_latency"
    return CapacityHealth(active, grown, advice if active <= DEGRADED else "partition_required")


@dataclass(frozen=True, slots=True)
class Hygiene:
    inactive_memories: int
    """Inactive for a day and superseded by nothing."""
    stale_working_memories: int
    orphan_links: int
    orphan_entities: int
    orphan_stats: int
    """Statistics of memories that no view has any more."""


def hygiene(*, now: datetime) -> Hygiene:
    stale = now - STALE_AFTER
    inactive = Memory.objects.filter(is_active=False, superseded_by=None)
    inactive = inactive.filter(Q(updated_at__lt=stale) | Q(updated_at=None, created_at__lt=stale))
    working = Memory.objects.filter(
        is_active__in=(True,), memory_type=MemoryType.WORKING, observed_at__lt=stale
    )
    known = Memory.objects.annotate(known=F("memory_id")).values("known")
    links, entities = orphans(known_memories=known)
    changed = Revision.objects.values("memory_id")
    stats = MemoryStats.objects.exclude(pk__in=known).exclude(pk__in=changed)
    return Hygiene(inactive.count(), working.count(), links, entities, stats.count())
