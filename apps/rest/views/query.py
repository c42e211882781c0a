"""Finding memories exactly: /v1/memories/query by their fields, /v1/memories/fulltext-search by their words."""

import re
from dataclasses import replace
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from apps.memories import selectors
from apps.memories.embedding import embedder
from apps.memories.filters import Filters
from apps.memories.retrieval import memories_fulltext
from apps.rest.base import UserView
from apps.rest.bodies import StrictBody, read_body
from apps.rest.openapi import describe
from apps.rest.shapes import EXAMPLE_MEMORY, MemoryObject, MemoryPage, memory_object, with_conflicts
from memoria.drafts import checked_subject, checked_tier
from memoria.errors import Invalid
from memoria.queries import (
    checked_fulltext,
    checked_given,
    checked_limit,
    checked_metadata_filter,
    checked_types,
)

CURSOR = re.compile(r"[0-9a-fA-F]{32}")
QUERY_LIMIT, FULLTEXT_LIMIT = 500, 100


class QueryBody(StrictBody):
    """At least one selector; all that are given hold."""

    limit: int = 100
    extra_metadata_filter: dict[str, Any] = {}
    subject_id: str | None = None
    session_id: str | None = None
    trust_tier: str | None = None
    branch: str | None = None
    memory_types: list[str] | None = None
    cursor: str | None = None
    at: str | None = None
    """A snapshot's name or an RFC 3339 time: what was known then."""


class FulltextBody(StrictBody):
    query: str
    extra_metadata_filter: dict[str, Any] = {}
    subject_id: str | None = None
    memory_types: list[str] | None = None
    session_id: str | None = None
    trust_tier: str | None = None
    branch: str | None = None
    at: str | None = None
    limit: int = 20


def _filters(body: QueryBody | FulltextBody, types: tuple[str, ...]) -> Filters:
    """The fields both bodies share, in the order in which clients expect complaints. Raises Invalid."""
    metadata = checked_metadata_filter(body.extra_metadata_filter)
    subject = checked_subject(checked_given(body.subject_id, "subject_id"))
    session = checked_given(body.session_id, "session_id")
    tier = checked_given(body.trust_tier, "trust_tier")
    checked_given(body.branch, "branch")
    return Filters(
        memory_types=types,
        trust_tier=checked_tier(tier.strip()) if tier is not None else None,
        session_id=session,
        subject_id=subject,
        metadata=metadata,
    )


class QueryView(UserView):
    @describe(
        summary="Memories whose fields have these values, newest first",
        body=QueryBody,
        answer=MemoryPage,
        errors=(404,),
        example={"extra_metadata_filter": {"scene": "ops"}, "memory_types": ["semantic"], "limit": 20},
        answer_example={"items": [EXAMPLE_MEMORY], "next_cursor": None},
    )
    def post(self, request: Request) -> Response:
        body = read_body(request, QueryBody)
        limit = checked_limit(body.limit, QUERY_LIMIT)
        filters = _filters(body, ())
        blank = "memory_types must contain only non-empty values when provided"
        types = checked_types(body.memory_types, blank=blank, may_be_empty=False)
        if not (types or filters != Filters() or body.branch or body.at):
            raise Invalid("structured query requires at least one filter selector")
        cursor = (body.cursor or "").strip() or None
        if cursor is not None and not CURSOR.fullmatch(cursor):
            raise Invalid("cursor must be a 32-character hexadecimal memory_id")
        view = self.view_of(branch=body.branch, at=body.at)
        page = selectors.memory_list(
            view=view,
            filters=replace(filters, memory_types=types),
            limit=limit,
            cursor=cursor.lower() if cursor is not None else None,
        )
        return Response(MemoryPage(with_conflicts(map(memory_object, page.items), view), page.next_cursor))


class FulltextView(UserView):
    @describe(
        summary="Memories that have any word of the query, best first",
        body=FulltextBody,
        answer=list[MemoryObject],
        errors=(404,),
        example={"query": "blue cluster", "limit": 5},
        answer_example=[{**EXAMPLE_MEMORY, "retrieval_score": 0.41}],
    )
    def post(self, request: Request) -> Response:
        body = read_body(request, FulltextBody)
        limit = checked_limit(body.limit, FULLTEXT_LIMIT)
        query = checked_fulltext(body.query)
        blank = "memory_types entries must not be empty when provided"
        filters = _filters(body, checked_types(body.memory_types, blank=blank, may_be_empty=True))
        view = self.view_of(branch=body.branch, at=body.at)
        found = memories_fulltext(
            view=view,
            query=query,
            limit=limit,
            filters=filters,
            embedder=embedder(),
        )
        shown = (memory_object(each.memory, score=round(each.score, 4)) for each in found)
        return Response(with_conflicts(shown, view))
