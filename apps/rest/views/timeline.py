"""The history of the caller's memories: /v1/log."""

import msgspec
from rest_framework.request import Request
from rest_framework.response import Response

from apps.rest.base import UserView
from apps.rest.bodies import Body, read_query
from apps.rest.openapi import describe
from apps.versioning.timeline import timeline
from memoria.times import rfc3339


class LogQuery(Body):
    limit: int = 50
    before: int | None = None
    """Continue before this commit."""


class MarkObject(msgspec.Struct):
    kind: str
    name: str


class StepObject(msgspec.Struct):
    seq: int
    branch: str
    operation: str
    actor_id: str
    created_at: str
    changes: int
    source: str | None
    """The branch whose rows it brought: of merges, applies and picks."""
    snapshot: str | None
    """Where a rollback went back to."""
    marks: list[MarkObject]


class LogAnswer(msgspec.Struct):
    """Commits, newest first; pass `next_before` as `before` for older ones."""

    commits: list[StepObject]
    next_before: int | None


class LogView(UserView):
    @describe(
        summary="Commits, merges, snapshots and rollbacks, newest first", query=LogQuery, answer=LogAnswer
    )
    def get(self, request: Request) -> Response:
        query = read_query(request, LogQuery)
        limit = min(max(query.limit, 1), 500)
        steps = timeline(limit=limit + 1, before=query.before)
        shown = [
            StepObject(
                seq=step.seq,
                branch=step.branch,
                operation=step.operation,
                actor_id=step.actor_id,
                created_at=rfc3339(step.created_at),
                changes=step.changes,
                source=step.source,
                snapshot=step.snapshot,
                marks=[MarkObject(mark.kind, mark.name) for mark in step.marks],
            )
            for step in steps[:limit]
        ]
        return Response(LogAnswer(shown, shown[-1].seq if len(steps) > limit else None))
