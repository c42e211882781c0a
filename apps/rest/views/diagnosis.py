"""How a user's memories are: /v1/health, and the same over all users for master callers."""

from dataclasses import asdict

import msgspec
from django.db import Error as DatabaseError
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from apps.governance.hygiene import hygiene_count, hygiene_failed, hygiene_total, users_to_count
from apps.memories.embedding import embedder, endpoint_states
from apps.memories.selectors import figures
from apps.rest.base import CallerView, UserView
from apps.rest.openapi import describe
from apps.tenancy.admission import active_route
from apps.tenancy.scope import current_route, user_database
from apps.tenancy.selectors import embedding_refused_count
from memoria.errors import MemoriaError

COUNTED_AT_ONCE = 20


class TypeHealthObject(msgspec.Struct):
    total: int
    avg_confidence: float
    contradiction_rate: float
    avg_staleness_hours: float


class StorageHealthObject(msgspec.Struct):
    total: int
    active: int
    inactive: int
    avg_content_size: float


class Thresholds(msgspec.Struct):
    optimal: int
    degraded: int


class EmbeddingHealthObject(msgspec.Struct):
    """Vectors of the model that is configured now; after a change of model the others follow in the background."""

    model: str | None
    """None where no embedder is configured."""
    width: int
    """0 until an endpoint has told it."""
    embedded: int
    lacking: int
    refused: int
    """Texts that the endpoint did not take when it was last asked, of branches and history too: they stay without."""
    progress: float
    """Share of the active memories that have a vector: 0 to 1."""
    endpoints: dict[str, list[str]]
    """What this process thinks of each endpoint, for texts and for queries: `answering`, `left alone` after failures,
    `trying` when the next call will tell. Empty for built-in embedders."""


class CapacityHealthObject(msgspec.Struct):
    user_active_memories: int
    global_vector_count: int
    """Vectors of this user of the configured model and width; no other user's database is looked at."""
    monthly_growth_rate: int
    ivf_thresholds: Thresholds
    recommendation: str
    embedding: EmbeddingHealthObject


class HygieneObject(msgspec.Struct):
    inactive_memories: int
    stale_working_memories: int
    orphan_memory_entity_links: int
    orphan_entity_links: int
    orphan_graph_nodes: int


class TotalHygieneObject(HygieneObject):
    """Sums over all users."""

    orphan_stats: int
    users: int
    degraded: int
    """Users whose figures are missing, more than an hour old, or could not be counted."""


class AnalyzeView(UserView):
    @describe(summary="Memories by type: trust, contradictions, age", answer=dict[str, TypeHealthObject])
    def get(self, request: Request) -> Response:
        found = figures.health_by_type(now=timezone.now())
        return Response({name: TypeHealthObject(**asdict(health)) for name, health in found.items()})


class StorageView(UserView):
    @describe(summary="How many memories, and how large", answer=StorageHealthObject)
    def get(self, request: Request) -> Response:
        return Response(StorageHealthObject(**asdict(figures.storage_health())))


class CapacityView(UserView):
    @describe(summary="Growth, and whether retrieval keeps up with it", answer=CapacityHealthObject)
    def get(self, request: Request) -> Response:
        found = figures.capacity_health(now=timezone.now())
        embedding = _embedding_health()
        return Response(
            CapacityHealthObject(
                found.active,
                embedding.embedded,
                found.grown,
                Thresholds(figures.OPTIMAL, figures.DEGRADED),
                found.recommendation,
                embedding,
            )
        )


def _embedding_health() -> EmbeddingHealthObject:
    configured = embedder()
    model, dim = (configured.model, configured.dim) if configured is not None else (None, 0)
    found = figures.embedding_health(model=model or "", dim=dim)
    return EmbeddingHealthObject(
        model=model,
        width=found.width,
        embedded=found.embedded,
        lacking=max(found.active - found.embedded, 0),
        refused=embedding_refused_count(user_id=current_route().user_id),
        progress=round(found.embedded / found.active, 4) if found.active else 1.0,
        endpoints={use: list(map(str, states)) for use, states in endpoint_states().items()},
    )


class HygieneView(UserView):
    @describe(summary="What could be tidied up", answer=HygieneObject)
    def get(self, request: Request) -> Response:
        found = figures.hygiene(now=timezone.now())
        return Response(
            HygieneObject(
                found.inactive_memories,
                found.stale_working_memories,
                found.orphan_links,
                found.orphan_links,
                found.orphan_entities,
            )
        )


class TotalHygieneView(CallerView):
    @describe(
        summary="What could be tidied up, over all users (master key only)",
        answer=TotalHygieneObject,
    )
    def get(self, request: Request) -> Response:
        """Sums are kept in the control plane; a request brings a few of them up to date, workers the others."""
        self.caller.require_master()
        now = timezone.now()
        for user_id in users_to_count(now=now, limit=COUNTED_AT_ONCE):
            try:
                with user_database(active_route(user_id=user_id)):
                    hygiene_count(user_id=user_id, now=now)
            except (MemoriaError, DatabaseError) as error:  # one broken database must not hide the others
                hygiene_failed(user_id=user_id, error=error, now=now)
        found, users, degraded = hygiene_total(now=now)
        return Response(
            TotalHygieneObject(
                found["inactive_memories"],
                found["stale_working_memories"],
                found["orphan_links"],
                found["orphan_links"],
                found["orphan_entities"],
                found["orphan_stats"],
                users,
                degraded,
            )
        )
