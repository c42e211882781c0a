"""Tending memories: /v1/governance, /v1/consolidate, /v1/reflect, and the same for any user by a master caller."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.callers import Caller
from apps.governance.services import (
    Cluster,
    Operation,
    clusters_find,
    conflicts_find,
    cooldown_claim,
    cooldown_left,
    memories_tend,
)
from apps.memories.embedding import embedder
from apps.memories.llm import language_model
from apps.memories.services.entities import link_unlinked
from apps.memories.services.extraction import insights_write
from apps.rest.base import UserView
from apps.rest.bodies import Body, read_body, read_query
from apps.rest.openapi import describe
from apps.tenancy.selectors import registration_find
from apps.versioning.selectors import snapshot_list
from apps.versioning.services.snapshots import snapshots_delete
from memoria.errors import Malformed, Unavailable
from memoria.naming import checked_user_id

CLUSTERS = 10
MILESTONES = 5


class ForceBody(Body):
    force: bool = False
    """Run though the last run was a short while ago."""


class ReflectBody(Body):
    force: bool = False
    mode: str = "auto"
    """auto, candidates or internal; anything else is auto."""


class Skipped(msgspec.Struct):
    """It ran a short while ago."""

    skipped: bool
    cooldown_remaining_s: int


class Tending(msgspec.Struct, omit_defaults=True):
    quarantined: int
    """Memories whose confidence had faded; forgotten, and brought back by the restore point."""
    cleaned_stale: int
    orphan_graph_cleaned: int
    snapshot_name: str | None = None


class Consolidation(msgspec.Struct):
    status: str
    conflicts_detected: int
    orphaned_scenes: int
    promoted: int
    demoted: int
    warnings: list[str]
    decision_count: int


class ClusterMemory(msgspec.Struct):
    memory_id: str
    content: str


class ClusterObject(msgspec.Struct):
    signal: str
    importance: float
    memories: list[ClusterMemory]


class Reflection(msgspec.Struct, omit_defaults=True):
    candidates: list[ClusterObject]
    scenes_created: int | None = None


class Insights(msgspec.Struct):
    scenes_created: int
    """Insights that are remembered now."""
    candidates_found: int


class TriggerQuery(Body):
    op: str = "governance"
    """governance, consolidate, extract_entities or weekly; always runs."""


def _tended(actor_id: str, force: bool) -> Skipped | Tending:
    now = timezone.now()
    if left := cooldown_claim(operation=Operation.GOVERNANCE, now=now, force=force):
        return Skipped(True, left)
    tended = memories_tend(actor_id=actor_id, now=now)
    return Tending(
        tended.quarantined, tended.cleaned_stale, tended.orphan_graph_cleaned, tended.restore_point
    )


def _consolidated(force: bool) -> Skipped | Consolidation:
    if left := cooldown_claim(operation=Operation.CONSOLIDATE, now=timezone.now(), force=force):
        return Skipped(True, left)
    pairs = conflicts_find()
    warnings = [f"{one} and {other} may contradict each other" for one, other in pairs[:50]]
    return Consolidation("success", len(pairs), 0, 0, 0, warnings, len(pairs))


def _shown(clusters: list[Cluster]) -> Reflection | dict[str, Any]:
    if not clusters:
        return {"candidates": [], "scenes_created": 0}
    return Reflection(
        [
            ClusterObject(
                cluster.signal,
                cluster.importance,
                [ClusterMemory(memory.memory_id, memory.content) for memory in cluster.memories],
            )
            for cluster in clusters
        ]
    )


class GovernanceView(UserView):
    @describe(
        summary="Forget what has faded and tidy up; at most once an hour",
        body=ForceBody,
        answer=(Tending, Skipped),
        example={"force": False},
        answer_example={"quarantined": 0, "cleaned_stale": 3, "orphan_graph_cleaned": 0},
    )
    def post(self, request: Request) -> Response:
        body = read_body(request, ForceBody)
        return Response(_tended(self.caller.user_id, body.force))


class ConsolidateView(UserView):
    @describe(
        summary="Find memories that may contradict each other; at most every half hour",
        body=ForceBody,
        answer=(Consolidation, Skipped),
        example={"force": True},
    )
    def post(self, request: Request) -> Response:
        return Response(_consolidated(read_body(request, ForceBody).force))


class ReflectView(UserView):
    @describe(
        summary="Insights that a language model draws from related memories, or those memories for one to read",
        body=ReflectBody,
        answer=(Insights, Reflection, Skipped),
        example={"mode": "candidates"},
        answer_example={"scenes_created": 2, "candidates_found": 1},
    )
    def post(self, request: Request) -> Response:
        body = read_body(request, ReflectBody)
        model, insists = language_model(), body.mode == "internal"
        if insists and model is None:
            raise Unavailable("LLM_API_KEY not configured", retry_after=3600)
        now = timezone.now()
        if model is None or body.mode == "candidates":
            return Response(_shown(clusters_find()[:CLUSTERS]))
        if not body.force and (left := cooldown_left(operation=Operation.REFLECT, now=now)):
            return Response(Skipped(True, left))
        clusters = clusters_find()[:CLUSTERS]
        if not clusters:
            return Response(_shown(clusters))
        try:
            created = insights_write(
                model=model,
                clusters=[cluster.memories for cluster in clusters],
                actor_id=self.caller.user_id,
                now=now,
                embedder=embedder(),
            )
        except Unavailable:
            if insists:
                raise
            return Response(_shown(clusters))
        cooldown_claim(operation=Operation.REFLECT, now=now, force=True)
        return Response(Insights(created, len(clusters)))


class TriggerView(UserView):
    def acting_as(self, caller: Caller, **kwargs: Any) -> Caller:
        caller.require_master()
        user_id = checked_user_id(str(kwargs["target_user_id"]))
        return replace(caller, user_id=user_id, registration=registration_find(user_id=user_id))

    @describe(
        summary="Tend one user's memories now (master key only)",
        query=TriggerQuery,
        answer=dict[str, Any],
        errors=(422,),
    )
    def post(self, request: Request, target_user_id: str) -> Response:
        query = read_query(request, TriggerQuery)
        runs: dict[str, Callable[[], Any]] = {
            "governance": lambda: _tended(target_user_id, True),
            "consolidate": lambda: _consolidated(True),
            "extract_entities": _linked,
            "weekly": _thinned,
        }
        if query.op not in runs:
            raise Malformed(f"Invalid op: {query.op}. Must be {'|'.join(runs)}")
        return Response({"op": query.op, "user_id": target_user_id, **msgspec.to_builtins(runs[query.op]())})


def _linked() -> dict[str, int]:
    """Let the rules read memories that are linked to nothing yet."""
    read, linked = link_unlinked(now=timezone.now())
    return {
        "processed": read,
        "skipped": 0,
        "edges_created": linked.links,
        "entities_linked": linked.created + linked.reused,
    }


def _thinned() -> dict[str, int]:
    """Keep the newest restore points only."""
    points = [point for point in snapshot_list(include_automatic=True) if not point.is_named]
    points.sort(key=lambda point: point.created_at, reverse=True)
    gone = snapshots_delete(names=[point.snapshot_name for point in points[MILESTONES:]])
    return {"cleaned_snapshots": len(gone), "cleaned_branches": 0}
