"""Storing, listing, reading and deleting memories: /v1/memories."""

from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from apps.memories import selectors
from apps.memories.embedding import embedder
from apps.memories.filters import Filters
from apps.memories.services.write import Outcome, Written, memories_write
from apps.memories.view import MAIN
from apps.rest.base import UserView
from apps.rest.bodies import Body, read_body, read_query
from apps.rest.openapi import describe
from apps.rest.shapes import EXAMPLE_MEMORY, MemoryObject, MemoryPage, memory_object
from memoria.drafts import checked_subject, checked_tier, draft
from memoria.errors import Invalid
from memoria.naming import MEMORY_ID
from memoria.times import from_rfc3339
from memoria.types import BATCH_ITEMS


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
            view=MAIN,
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
        page = selectors.memory_list(
            view=MAIN, filters=filters, limit=min(max(query.limit, 1), 500), cursor=cursor
        )
        return Response(MemoryPage([memory_object(item) for item in page.items], page.next_cursor))


class BatchView(UserView):
    creates_user = True

    @describe(
        summary="Store up to 100 memories at once, all or none",
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
        now = timezone.now()
        drafts = [
            draft(
                content=item.content,
                now=now,
                memory_type=item.memory_type,
                trust_tier=item.trust_tier,
                session_id=item.session_id,
                subject_id=item.subject_id if (item.subject_id or "").strip() else body.subject_id,
                extra_metadata=item.extra_metadata,
            )
            for item in body.memories
        ]
        written = memories_write(
            drafts=drafts,
            view=MAIN,
            actor_id=self.caller.user_id,
            operation="store",
            reason="store_batch",
            now=now,
            embedder=embedder(),
        )
        return Response([_written(item) for item in written], status=201)


class MemoryView(UserView):
    @describe(summary="One memory", answer=MemoryObject, errors=(404,), answer_example=EXAMPLE_MEMORY)
    def get(self, request: Request, memory_id: str) -> Response:
        return Response(memory_object(selectors.memory_get(view=MAIN, memory_id=memory_id)))


def _written(written: Written) -> MemoryObject:
    return memory_object(written.memory, is_fresh=written.outcome is not Outcome.DUPLICATE)
