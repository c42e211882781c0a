"""Snapshots and going back to them: /v1/snapshots."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from django.conf import settings
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from apps.rest.base import UserView, no_content
from apps.rest.bodies import Body, read_body, read_query
from apps.rest.openapi import describe
from apps.versioning import selectors
from apps.versioning.contents import ActiveMemory, snapshot_contents, snapshot_diff
from apps.versioning.selectors import SnapshotRecord
from apps.versioning.services.rollback import rollback
from apps.versioning.services.snapshots import snapshot_create, snapshots_delete
from memoria.errors import Conflict, Invalid, Malformed, NotFound
from memoria.redaction import refuse_secrets
from memoria.times import rfc3339

# How much of a memory's text each level of detail shows.
DETAIL = {"brief": 80, "normal": 200, "full": 2000}

# Databases count no further than 64 bits.
FARTHEST = 2**31


class CreateBody(Body):
    name: str
    description: str | None = None


class SnapshotObject(msgspec.Struct, kw_only=True):
    name: str
    snapshot_name: str
    description: str | None = None
    memory_count: int
    created_at: str
    timestamp: str
    registered: bool


class CreatedSnapshot(SnapshotObject, kw_only=True):
    result: str
    created: bool = True


class NotCreated(msgspec.Struct, kw_only=True):
    """Nothing was made; `result` says why. Answered with 201, as clients expect."""

    name: str
    description: str | None
    result: str
    created: bool = False


class ListQuery(Body):
    limit: int = 20
    offset: int = 0
    include: str = ""
    """`automatic` shows restore points too."""


class SnapshotList(msgspec.Struct):
    snapshots: list[SnapshotObject]
    total: int
    limit: int
    offset: int
    has_more: bool
    result: str


class DetailQuery(Body):
    limit: int = 50
    offset: int = 0
    detail: str = "brief"
    branch: str | None = None


class DiffQuery(Body):
    limit: int = 50
    against: str | None = None
    """Another snapshot to compare with, instead of now."""
    branch: str | None = None


class DiffEntry(msgspec.Struct):
    memory_id: str
    content: str
    memory_type: str
    trust_tier: str


class SnapshotDiff(msgspec.Struct):
    """What came and went between the snapshot and now, or another snapshot."""

    snapshot_name: str
    snapshot_count: int
    current_count: int
    added: list[DiffEntry]
    removed: list[DiffEntry]


class DeleteBody(Body):
    names: str | list[str] | None = None
    prefix: str | None = None
    older_than: str | None = None


class Result(msgspec.Struct):
    result: str


class RollbackQuery(Body):
    branch: str | None = None
    """Go back on this branch; main unless given, whatever is checked out."""


class RollbackAnswer(msgspec.Struct):
    result: str
    restore_point: str
    """Roll back to this to undo."""
    changed: int
    """How many memories differed."""


class SnapshotsView(UserView):
    @property
    def creates_user(self) -> bool:  # type: ignore[override]
        return self.request.method == "POST"

    @describe(
        summary="Name the present state of all branches",
        body=CreateBody,
        answer=(CreatedSnapshot, NotCreated),
        status=201,
        example={"name": "before_import"},
    )
    def post(self, request: Request) -> Response:
        body = read_body(request, CreateBody)
        refuse_secrets(body.description or "", settings.MEMORIA_REDACTION)  # not kept, but answered
        try:
            made = snapshot_create(name=body.name, now=timezone.now())
        except Conflict as refusal:
            return Response(
                NotCreated(name=body.name, description=body.description, result=str(refusal)), status=201
            )
        shown = msgspec.structs.asdict(_shown(made)) | {"description": body.description}
        text = f"Snapshot '{made.name}' created at {rfc3339(made.created_at)}"
        return Response(CreatedSnapshot(**shown, result=text), status=201)

    @describe(summary="List snapshots, newest first", query=ListQuery, answer=SnapshotList)
    def get(self, request: Request) -> Response:
        query = read_query(request, ListQuery)
        limit, offset = max(query.limit, 0), min(max(query.offset, 0), FARTHEST)
        every = selectors.snapshot_list(include_automatic="automatic" in query.include.split(","))
        page = every[offset : offset + limit]
        lines = "".join(f"\n{item.name} ({rfc3339(item.created_at)})" for item in page)
        text = f"Snapshots ({len(every)} total):{lines}" if page else "Snapshots (0):"
        shown = [_shown(item) for item in page]
        more = offset + len(page) < len(every)
        return Response(SnapshotList(shown, len(every), limit, offset, more, text))


class DeleteSnapshotsView(UserView):
    @describe(
        summary="Delete snapshots by names, prefix or age",
        body=DeleteBody,
        answer=Result,
        example={"names": ["before_import"]},
    )
    def post(self, request: Request) -> Response:
        body = read_body(request, DeleteBody)
        if body.names is None and body.prefix is None and body.older_than is None:
            return Response(Result("Specify 'names', 'prefix', or 'older_than'"))
        older_than = None
        if body.names is None and body.prefix is None and body.older_than is not None:
            older_than = _iso_date(body.older_than)
        names = _names(body.names) if body.names is not None else None
        gone = snapshots_delete(names=names, prefix=body.prefix, older_than=older_than)
        return Response(Result(f"Deleted {len(gone)} snapshot(s): {', '.join(gone)}"))


class SnapshotView(UserView):
    @describe(summary="What was known at a snapshot", query=DetailQuery, answer=dict[str, Any], errors=(404,))
    def get(self, request: Request, name: str) -> Response:
        query = read_query(request, DetailQuery)
        found = _snapshot(name)
        limit, offset = min(max(query.limit, 0), 500), min(max(query.offset, 0), FARTHEST)
        contents = snapshot_contents(
            view=self.view_of(branch=query.branch, at=found.snapshot_name), limit=limit, offset=offset
        )
        most = DETAIL.get(query.detail, DETAIL["brief"])
        return Response(
            {
                "name": found.name,
                "snapshot_name": found.snapshot_name,
                "memory_count": contents.total,
                "by_type": contents.by_type,
                "memories": [
                    _detailed(item, most, is_full=query.detail == "full") for item in contents.items
                ],
                "limit": limit,
                "offset": offset,
                "has_more": offset + len(contents.items) < contents.total,
            }
        )

    @describe(summary="Delete snapshots; a comma separates several names", status=204)
    def delete(self, request: Request, name: str) -> Response:
        snapshots_delete(names=_names(name))
        return no_content()


class SnapshotDiffView(UserView):
    @describe(
        summary="Compare a snapshot with now, or with another",
        query=DiffQuery,
        answer=SnapshotDiff,
        errors=(404,),
    )
    def get(self, request: Request, name: str) -> Response:
        query = read_query(request, DiffQuery)
        found = _snapshot(name)
        other = _snapshot(query.against).snapshot_name if query.against else None
        difference = snapshot_diff(
            before=self.view_of(branch=query.branch, at=found.snapshot_name),
            after=self.view_of(branch=query.branch, at=other),
            limit=min(max(query.limit, 0), 200),
        )
        return Response(
            SnapshotDiff(
                found.snapshot_name,
                difference.before_count,
                difference.after_count,
                [_entry(item) for item in difference.added],
                [_entry(item) for item in difference.removed],
            )
        )


class RollbackView(UserView):
    @describe(
        summary="Give main, or a branch, the memories of a snapshot; can itself be undone",
        query=RollbackQuery,
        answer=RollbackAnswer,
        errors=(404, 409),
    )
    def post(self, request: Request, name: str) -> Response:
        query = read_query(request, RollbackQuery)
        done = rollback(
            snapshot=name,
            actor_id=self.caller.user_id,
            now=timezone.now(),
            branch=(query.branch or "").strip() or "main",
        )
        return Response(RollbackAnswer(f"Rolled back to snapshot '{name}'", done.restore_point, done.changed))


def _snapshot(name: str) -> SnapshotRecord:
    if (found := selectors.snapshot_find(name=name)) is not None:
        return found
    if not all(c.isalnum() or c in "_:-" for c in name):
        raise Malformed("Invalid snapshot name")
    raise NotFound("Snapshot not found")


def _shown(item: SnapshotRecord) -> SnapshotObject:
    moment = rfc3339(item.created_at)
    return SnapshotObject(
        name=item.name,
        snapshot_name=item.snapshot_name,
        memory_count=item.memory_count,
        created_at=moment,
        timestamp=moment,
        registered=item.is_named,
    )


def _names(given: str | list[str]) -> list[str]:
    parts = given.split(",") if isinstance(given, str) else given
    return [name.strip() for name in parts if name.strip()]


def _iso_date(text: str) -> datetime:
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise Invalid("Validation error: older_than must be ISO date e.g. '2026-03-01'")


def _detailed(item: ActiveMemory, most: int, *, is_full: bool) -> dict[str, Any]:
    cut = item.content if len(item.content) <= most else f"{item.content[:most]} [truncated]"
    shown: dict[str, Any] = {
        "memory_id": item.memory_id,
        "user_id": item.user_id,
        "memory_type": item.memory_type,
        "content": cut,
        "trust_tier": item.trust_tier,
        "initial_confidence": item.initial_confidence,
        "is_active": True,
        "session_id": item.session_id,
        "observed_at": rfc3339(item.observed_at),
        "created_at": rfc3339(item.created_at),
        "retrieval_score": None,
    }
    return shown | {"confidence": item.initial_confidence} if is_full else shown


def _entry(item: ActiveMemory) -> DiffEntry:
    return DiffEntry(item.memory_id, item.content, item.memory_type, item.trust_tier)
