"""How a user's memories are: /v1/health, and the same over all users for master callers."""

from dataclasses import asdict

import msgspec
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from apps.memories.selectors import figures
from apps.rest.base import UserView
from apps.rest.openapi import describe


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


class CapacityHealthObject(msgspec.Struct):
    user_active_memories: int
    global_vector_count: int
    """Vectors of this user; no other user's database is looked at."""
    monthly_growth_rate: int
    ivf_thresholds: Thresholds
    recommendation: str


class HygieneObject(msgspec.Struct):
    inactive_memories: int
    stale_working_memories: int
    orphan_memory_entity_links: int
    orphan_entity_links: int
    orphan_graph_nodes: int


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
        return Response(
            CapacityHealthObject(
                found.active,
                found.vectors,
                found.grown,
                Thresholds(figures.OPTIMAL, figures.DEGRADED),
                found.recommendation,
            )
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
