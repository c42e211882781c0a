"""Storing, listing, reading, correcting and forgetting memories: /v1/memories."""

from datetime import datetime
from typing import Any

import msgspec
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from apps.memories import selectors
from apps.memories.embedding import embedder
from apps.memories.filters import Filters
from apps.memories.retrieval import Retrieval, memories_retrieve
from apps.memories.selectors.history import memory_history
from apps.memories.services.correct import memory_correct
from apps.memories.services.prepare import all_clean
from apps.memories.services.write import Written, clean_write, memories_write
from apps.memories.view import View
from apps.rest.base import UserView, no_content
from apps.rest.bodies import Body, read_body, read_query
from apps.rest.openapi import describe
from apps.rest.shapes import (
    EXAMPLE_MEMORY,
    DecisionObject,
    MemoryObject,
    MemoryPage,
    memory_object,
    with_conflicts,
)
from apps.rest.views.retrieve import session_filters
from apps.versioning.services.purge import Purge, memories_purge, purge_of
from memoria.corrections import Candidate, meant
from memoria.decisions import Action
from memoria.drafts import Draft, checked_subject, checked_tier, draft
from memoria.errors import Conflict, Invalid, NotFound
from memoria.naming import MEMORY_ID
from memoria.times import from_rfc3339, rfc3339
from memoria.types import BATCH_ITEMS

# Among so many of the best it is looked which one a correction by query means.
CORRECTION_CANDIDATES = 5


class StoreItem(Body):
    content: str
    memory_type: str = "semantic"
    session_id: str | None = None
    subject_id: str | None = None
    trust_tier: str | None = None
    initial_confidence: float | None = None
    observed_at: str | None = None
    """RFC 3339, with offset; the time the fact was observed."""
    extra_metadata: dict[str, Any] | None = None
    branch: str | None = None


class BatchBody(Body):
    memories: list[StoreItem]
    subject_id: str | None = None
    branch: str | None = None


class ListQuery(Body):
    limit: int = 100
    cursor: str | None = None
    memory_type: str | None = None
    trust_tier: str | None = None
    session_id: str | None = None
    subject_id: str | None = None
    branch: str | None = None
    at: str | None = None
    """A snapshot's name or an RFC 3339 time: list what was known then."""


class ViewQuery(Body):
    branch: str | None = None
    at: str | None = None


class DeleteQuery(Body):
    branch: str | None = None
    reason: str = ""


class CorrectBody(Body):
    new_content: str
    reason: str | None = None
    branch: str | None = None


class CorrectByQueryBody(Body):
    query: str
    new_content: str
    session_id: str | None = None
    session_scope: str | None = None
    subject_id: str | None = None
    memory_types: list[str] | None = None
    reason: str | None = None
    branch: str | None = None


class PurgeBody(Body):
    memory_ids: list[str] | None = None
    topic: str | None = None
    session_id: str | None = None
    memory_types: list[str] | None = None
    reason: str | None = None
    branch: str | None = None
    dry_run: bool | None = None
    """Only say what would be forgotten."""


class PurgeAnswer(msgspec.Struct, omit_defaults=True):
    """How many memories were forgotten, and the restore point that brings them back."""

    purged: int
    snapshot_name: str | None = None
    dry_run: bool = False
    memory_ids: list[str] | None = None
    """The memories, in a dry run."""
    masked: list[str] | None = None
    """The kinds of personal data that were masked in what is kept of it."""


class VersionObject(msgspec.Struct):
    memory_id: str
    content: str
    is_active: bool
    superseded_by: str | None
    observed_at: str | None
    memory_type: str
    changed_at: str | None
    changed_by: str | None
    operation: str | None
    reason: str


class History(msgspec.Struct):
    """A memory's versions, oldest first."""

    memory_id: str
    total: int
    versions: list[VersionObject]


class MemoriesView(UserView):
    @property
    def creates_user(self) -> bool:  # type: ignore[override]
        return self.request.method == "POST"

    @describe(
        summary="Store a memory",
        body=StoreItem,
        answer=MemoryObject,
        status=201,
        errors=(404,),
        example={"content": "Deploys run from the blue cluster", "extra_metadata": {"scene": "ops"}},
        answer_example=EXAMPLE_MEMORY,
    )
    def post(self, request: Request) -> Response:
        body = read_body(request, StoreItem)
        if not body.content:
            raise Invalid("content must not be empty")
        now = timezone.now()
        observed_at = from_rfc3339(body.observed_at, "observed_at") if body.observed_at is not None else None
        wanted = draft(
            content=body.content,
            now=now,
            memory_type=body.memory_type,
            trust_tier=body.trust_tier,
            initial_confidence=body.initial_confidence,
            observed_at=observed_at,
            session_id=body.session_id,
            subject_id=body.subject_id,
            extra_metadata=body.extra_metadata,
        )
        (written,) = memories_write(
            drafts=[wanted],
            view=self.view_of(branch=body.branch),
            actor_id=self.caller.user_id,
            operation="store",
            reason="store_memory",
            now=now,
            embedder=embedder(),
        )
        return Response(_written(written), status=201)

    @describe(
        summary="List memories, newest first",
        query=ListQuery,
        answer=MemoryPage,
        errors=(404, 422),
        answer_example={"items": [EXAMPLE_MEMORY], "next_cursor": None},
    )
    def get(self, request: Request) -> Response:
        query = read_query(request, ListQuery)
        filters = Filters(
            memory_types=(query.memory_type,) if query.memory_type else (),
            trust_tier=checked_tier(query.trust_tier) if query.trust_tier is not None else None,
            session_id=query.session_id or None,
            subject_id=checked_subject(query.subject_id),
        )
        cursor = query.cursor if query.cursor and MEMORY_ID.match(query.cursor) else None
        view = self.view_of(branch=query.branch, at=query.at)
        page = selectors.memory_list(
            view=view,
            filters=filters,
            limit=min(max(query.limit, 1), 500),
            cursor=cursor,
        )
        return Response(MemoryPage(with_conflicts(map(memory_object, page.items), view), page.next_cursor))


class BatchView(UserView):
    creates_user = True

    @describe(
        summary="Store up to 100 memories at once, all or none; each answer says what became of the item",
        body=BatchBody,
        answer=list[MemoryObject],
        status=201,
        errors=(404,),
        example={"memories": [{"content": "Prefers tea"}, {"content": "Lives in Graz"}]},
        answer_example=[EXAMPLE_MEMORY],
    )
    def post(self, request: Request) -> Response:
        body = read_body(request, BatchBody)
        if len(body.memories) > BATCH_ITEMS:
            raise Invalid(f"batch exceeds {BATCH_ITEMS} items")
        branch = (body.branch or "").strip()
        if any((item.branch or "").strip() not in ("", branch) for item in body.memories):
            raise Invalid("per-memory branch in batch must match the batch branch")
        now = timezone.now()
        written = clean_write(
            items=all_clean([_batch_draft(item, body.subject_id, now) for item in body.memories]),
            view=self.view_of(branch=branch),
            actor_id=self.caller.user_id,
            operation="store",
            reason="store_batch",
            now=now,
            embedder=embedder(),
        )
        return Response([_written(item) for item in written], status=201)


class MemoryView(UserView):
    @describe(
        summary="One memory",
        query=ViewQuery,
        answer=MemoryObject,
        errors=(404,),
        answer_example=EXAMPLE_MEMORY,
    )
    def get(self, request: Request, memory_id: str) -> Response:
        query = read_query(request, ViewQuery)
        view = self.view_of(branch=query.branch, at=query.at)
        (shown,) = with_conflicts([memory_object(selectors.memory_get(view=view, memory_id=memory_id))], view)
        return Response(shown)

    @describe(
        summary="Forget one memory; a restore point brings it back",
        query=DeleteQuery,
        status=204,
        errors=(404,),
    )
    def delete(self, request: Request, memory_id: str) -> Response:
        query = read_query(request, DeleteQuery)
        view = self.view_of(branch=query.branch)
        try:
            memories_purge(
                wanted=Purge(memory_ids=(memory_id,)),
                view=view,
                actor_id=self.caller.user_id,
                now=timezone.now(),
                reason=query.reason,
            )
        except NotFound:
            if (
                not self.caller.is_master
            ):  # an administrator's delete of an unknown id succeeds, as it always did
                raise NotFound("Memory not found") from None
        return no_content()


class CorrectView(UserView):
    @describe(
        summary="Correct a memory: a new version takes its place",
        body=CorrectBody,
        answer=MemoryObject,
        errors=(404,),
        example={"new_content": "Deploys run from the green cluster", "reason": "moved in May"},
        answer_example=EXAMPLE_MEMORY,
    )
    def put(self, request: Request, memory_id: str) -> Response:
        body = read_body(request, CorrectBody)
        view = self.view_of(branch=body.branch)
        corrected = memory_correct(
            view=view,
            memory_id=memory_id,
            new_content=_new_content(body.new_content),
            reason=body.reason or "",
            actor_id=self.caller.user_id,
            now=timezone.now(),
            embedder=embedder(),
        )
        return Response(_corrected(view, corrected))


class CorrectByQueryView(UserView):
    @describe(
        summary="Correct the memory that a query means; 409 with their ids where it may be one of several",
        body=CorrectByQueryBody,
        answer=MemoryObject,
        errors=(404, 409),
        example={"query": "where do deploys run?", "new_content": "Deploys run from the green cluster"},
        answer_example=EXAMPLE_MEMORY,
    )
    def post(self, request: Request) -> Response:
        body = read_body(request, CorrectByQueryBody)
        view = self.view_of(branch=body.branch)
        now = timezone.now()
        filters = session_filters(body)
        new_content = _new_content(body.new_content)
        retrieval = memories_retrieve(
            view=view,
            query=body.query,
            top_k=CORRECTION_CANDIDATES,
            embedder=embedder(),
            by_time=False,
            now=now,
            filters=filters,
            session_id=body.session_id,
        )
        memory_id = _meant(body.query, new_content, retrieval)
        corrected = memory_correct(
            view=view,
            memory_id=memory_id,
            new_content=new_content,
            reason=body.reason or "",
            actor_id=self.caller.user_id,
            now=now,
            embedder=embedder(),
        )
        return Response(_corrected(view, corrected))


class PurgeView(UserView):
    @describe(
        summary="Forget memories by ids, topic or session",
        body=PurgeBody,
        answer=PurgeAnswer,
        errors=(404,),
        example={"topic": "blue cluster", "dry_run": True},
        answer_example={"purged": 2, "snapshot_name": "mem_snap_mem_u_9f31c0aa1b2c3d4e_pre_purge_9f31c0aa"},
    )
    def post(self, request: Request) -> Response:
        body = read_body(request, PurgeBody)
        wanted = purge_of(
            memory_ids=body.memory_ids,
            topic=body.topic,
            session_id=body.session_id,
            memory_types=body.memory_types,
        )
        view = self.view_of(branch=body.branch)
        if wanted is None:
            return Response(PurgeAnswer(0))
        dry_run = bool(body.dry_run)
        purged = memories_purge(
            wanted=wanted,
            view=view,
            actor_id=self.caller.user_id,
            now=timezone.now(),
            reason=body.reason or "",
            must_exist=not self.caller.is_master,
            dry_run=dry_run,
        )
        ids = purged.memory_ids if dry_run else None
        masked = list(purged.masked) or None
        return Response(PurgeAnswer(len(purged.memory_ids), purged.restore_point, dry_run, ids, masked))


class HistoryView(UserView):
    @describe(
        summary="All versions of a memory, oldest first", query=ViewQuery, answer=History, errors=(404,)
    )
    def get(self, request: Request, memory_id: str) -> Response:
        query = read_query(request, ViewQuery)
        versions = memory_history(view=self.view_of(branch=query.branch, at=query.at), memory_id=memory_id)
        shown = [
            VersionObject(
                memory_id=version.memory_id,
                content=version.content,
                is_active=version.is_active,
                superseded_by=version.superseded_by,
                observed_at=rfc3339(version.observed_at),
                memory_type=version.memory_type,
                changed_at=rfc3339(version.changed_at) if version.changed_at else None,
                changed_by=version.changed_by,
                operation=version.operation,
                reason=version.reason,
            )
            for version in versions
        ]
        return Response(History(memory_id, len(shown), shown))


def _batch_draft(item: StoreItem, subject_id: str | None, now: datetime) -> Draft | Invalid:
    """What an item wants remembered, or what is wrong with it: the others are looked at too."""
    try:
        return draft(
            content=item.content,
            now=now,
            memory_type=item.memory_type,
            trust_tier=item.trust_tier,
            session_id=item.session_id,
            subject_id=item.subject_id if (item.subject_id or "").strip() else subject_id,
            extra_metadata=item.extra_metadata,
        )
    except Invalid as error:
        return error


def _written(written: Written) -> MemoryObject:
    decision = written.decision
    shown = memory_object(written.memory, is_fresh=decision.action is not Action.DUPLICATE)
    if decision.action is not Action.NEW:
        shown.decision = DecisionObject(decision.action, decision.memory_id or "", decision.reason)
    shown.superseded_by = written.memory.superseded_by or msgspec.UNSET
    shown.masked = list(written.masked) or msgspec.UNSET
    return shown


def _meant(query: str, new_content: str, retrieval: Retrieval) -> str:
    """The id of the memory to correct. Raises NotFound, or Conflict where the query and the new text fit several."""
    texts = {found.memory.memory_id: found.memory.content for found in retrieval.found}
    candidates = [
        Candidate(hit.memory_id, texts[hit.memory_id], hit.score, hit.channels.get("dense", 0.0))
        for hit in retrieval.explanation.hits
        if hit.memory_id in texts
    ]
    found = meant(query, new_content, candidates)
    if not found:
        raise NotFound("No matching memory found")
    if len(found) > 1:
        ids = ", ".join(each.memory_id for each in found)
        raise Conflict(f"Several memories match; correct one of them by its id: {ids}")
    return found[0].memory_id


def _corrected(view: View, written: Written) -> MemoryObject:
    decision = written.decision
    (shown,) = with_conflicts([memory_object(written.memory)], view)
    if decision.action is Action.DUPLICATE:  # another memory said so already, or it itself
        shown.decision = DecisionObject(decision.action, decision.memory_id or "", decision.reason)
    shown.masked = list(written.masked) or msgspec.UNSET
    return shown


def _new_content(text: str) -> str:
    if not text.strip():
        raise Invalid("new_content must not be empty")
    return text
