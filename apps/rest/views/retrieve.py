"""Finding memories: /v1/memories/retrieve and /v1/memories/search."""

from dataclasses import replace
from typing import Any, Protocol

import msgspec
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from apps.feedback.selectors import factors_of, params_get
from apps.memories.embedding import embedder
from apps.memories.filters import Filters
from apps.memories.reranker import reranker
from apps.memories.retrieval import Explanation, Retrieval, memories_retrieve
from apps.memories.selectors import opponents
from apps.rest.base import UserView
from apps.rest.bodies import Body, read_body
from apps.rest.openapi import describe
from apps.rest.shapes import EXAMPLE_MEMORY, MemoryObject, memory_object
from memoria.drafts import checked_subject, checked_type
from memoria.errors import Invalid
from memoria.feedback import DEFAULT_PARAMS
from memoria.queries import checked_metadata_filter
from memoria.ranking import Hit
from memoria.weights import DEFAULT

USUAL_DECAY_HOURS = DEFAULT_PARAMS.temporal_decay_hours
LEVELS = {"true": "basic", "basic": "basic", "verbose": "verbose", "analyze": "analyze"}


class RetrieveBody(Body):
    query: str
    top_k: int = 5
    session_id: str | None = None
    session_scope: str | None = None
    """`prefer` (default) lifts the session's memories, `only` leaves others out; both need session_id."""
    subject_id: str | None = None
    memory_types: list[str] | None = None
    branch: str | None = None
    at: str | None = None
    """A snapshot's name or an RFC 3339 time: answer from what was known then."""
    extra_metadata_filter: dict[str, Any] | None = None
    """Only memories whose metadata have these texts, numbers or booleans; as for structured queries."""
    explain: bool | str = "none"
    """none, basic (or true), verbose, analyze, in any case of letters; anything else is none."""


class SearchBody(RetrieveBody):
    top_k: int = 10


class CandidateScore(msgspec.Struct, omit_defaults=True):
    memory_id: str
    rank: int
    final_score: float
    vector_score: float
    keyword_score: float
    temporal_score: float
    confidence_score: float
    graph_score: float
    ranks: dict[str, int]
    """The place each channel gave this memory."""
    multipliers: dict[str, float] | None = None
    """Trust, freshness, session, time, feedback: factors near 1."""
    additions: dict[str, float] | None = None
    """Tone, order in time, age beside a newer twin: what was added to the channels' scores."""


class Contradiction(msgspec.Struct):
    """Two memories that may contradict each other, the later one first."""

    memory_id: str
    other_id: str
    reason: str


class Explain(msgspec.Struct, omit_defaults=True):
    """How the answer came about; scores from `verbose`, multipliers, drops and timings from `analyze`."""

    level: str
    path: str
    vector_attempted: bool
    vector_hit: bool
    fulltext_attempted: bool
    fulltext_hit: bool
    graph_attempted: bool
    graph_hit: bool
    graph_candidates: int
    result_count: int
    embedding_ms: float
    vector_ms: float
    fulltext_ms: float
    graph_ms: float
    total_ms: float
    degraded: str | None = None
    """Why vectors were not used, or not for all memories."""
    partial: str | None = None
    """How many memories were looked at, where these are too many to look at all."""
    not_reranked: str | None = None
    """Why the configured reranker's opinion is missing."""
    conflicts: list[Contradiction] | None = None
    """What of the results may contradict another memory, found or not."""
    candidate_scores: list[CandidateScore] | None = None
    dropped: dict[str, int] | None = None
    timings: dict[str, float] | None = None
    intent: dict[str, Any] | None = None
    corpus_size: int | None = None


class ExplainedAnswer(msgspec.Struct):
    results: list[MemoryObject]
    explain: Explain


class SessionBody(Protocol):
    """The fields that retrieval and correction by query share."""

    session_id: str | None
    session_scope: str | None
    subject_id: str | None
    memory_types: list[str] | None


def session_filters(body: SessionBody) -> Filters:
    """The filters of a body. Raises Invalid."""
    session_id = body.session_id if (body.session_id or "").strip() else None
    if body.session_scope is not None:
        if session_id is None:
            raise Invalid("session_id is required when session_scope is set")
        if body.session_scope not in ("prefer", "only"):
            raise Invalid(f"Invalid session_scope '{body.session_scope}'. Use 'prefer' or 'only'.")
    types = dict.fromkeys(checked_type(text.strip()) for text in body.memory_types or () if text.strip())
    return Filters(
        memory_types=tuple(types),
        session_id=session_id if body.session_scope == "only" else None,
        session_or_none=True,
        subject_id=checked_subject(body.subject_id),
    )


class RetrieveView(UserView):
    @describe(
        summary="Find the memories that answer a query",
        body=RetrieveBody,
        answer=list[MemoryObject] | ExplainedAnswer,
        errors=(404,),
        example={"query": "where do deploys run?", "top_k": 3},
        answer_example=[
            {**EXAMPLE_MEMORY, "retrieval_score": 0.7312, "created_at": "2026-05-02T08:15:30.120000+00:00"}
        ],
    )
    def post(self, request: Request) -> Response:
        return _answer(self, read_body(request, RetrieveBody))


class SearchView(UserView):
    @describe(
        summary="The same as retrieve, with ten results",
        body=SearchBody,
        answer=list[MemoryObject] | ExplainedAnswer,
        errors=(404,),
        example={"query": "deploys", "explain": "verbose"},
    )
    def post(self, request: Request) -> Response:
        return _answer(self, read_body(request, SearchBody))


def _answer(view: UserView, body: RetrieveBody) -> Response:
    now, params = timezone.now(), params_get()
    retrieval = memories_retrieve(
        filters=replace(
            session_filters(body), metadata=checked_metadata_filter(body.extra_metadata_filter or {})
        ),
        view=view.view_of(branch=body.branch, at=body.at),
        query=body.query,
        top_k=min(max(body.top_k, 1), 100),
        embedder=embedder(),
        reranker=reranker(),
        now=now,
        weights=replace(
            DEFAULT, trust=params.confidence_weight, pace=params.temporal_decay_hours / USUAL_DECAY_HOURS
        ),
        feedback=lambda memory_ids: factors_of(memory_ids=memory_ids, params=params, now=now),
        session_id=body.session_id if (body.session_id or "").strip() else None,
    )
    results = [memory_object(found.memory, score=found.score) for found in retrieval.found]
    disagreeing = opponents(retrieval.conflicts)
    for result in results:
        result.conflicts_with = disagreeing.get(result.memory_id, msgspec.UNSET)
    level = "basic" if body.explain is True else LEVELS.get(str(body.explain).lower())
    return Response(results if level is None else ExplainedAnswer(results, _explain(level, retrieval)))


def _explain(level: str, retrieval: Retrieval) -> Explain:
    explanation = retrieval.explanation
    reached = {
        name: any(hit.channels.get(name, 0) > 0 for hit in explanation.hits)
        for name in ("dense", "lexical", "entity")
    }
    total = sum(explanation.timings.values())
    shown = Explain(
        level=level,
        path=_path(explanation, reached),
        vector_attempted=explanation.degraded is None,
        vector_hit=reached["dense"],
        fulltext_attempted=True,
        fulltext_hit=reached["lexical"],
        graph_attempted=True,
        graph_hit=reached["entity"],
        graph_candidates=sum(hit.channels.get("entity", 0) > 0 for hit in explanation.hits),
        result_count=len(retrieval.found),
        embedding_ms=explanation.timings.get("embedding", 0.0),
        vector_ms=explanation.timings.get("dense", 0.0),
        fulltext_ms=explanation.timings.get("lexical", 0.0),
        graph_ms=round(sum(explanation.timings.get(name, 0.0) for name in ("entity", "links")), 2),
        total_ms=round(total, 2),
        degraded=explanation.degraded or explanation.not_embedded,
        partial=explanation.partial,
        not_reranked=explanation.not_reranked,
        conflicts=[Contradiction(c.memory_id, c.other_id, c.reason) for c in retrieval.conflicts] or None,
    )
    if not retrieval.found:  # why there is nothing, at every level
        shown.dropped = explanation.dropped
    if level in ("verbose", "analyze"):
        scores = enumerate(explanation.hits, 1)
        shown.candidate_scores = [_candidate(hit, rank, level) for rank, hit in scores] or None
    if level == "analyze":
        shown.dropped = explanation.dropped
        shown.timings = explanation.timings
        shown.intent = explanation.intent
        shown.corpus_size = explanation.corpus_size
    return shown


def _path(explanation: Explanation, reached: dict[str, bool]) -> str:
    if not explanation.hits:
        return "none"
    if explanation.degraded is not None:
        return "fulltext"
    return "graph+vector" if reached["entity"] else "hybrid"


def _candidate(hit: Hit, rank: int, level: str) -> CandidateScore:
    return CandidateScore(
        memory_id=hit.memory_id,
        rank=rank,
        final_score=round(hit.score, 4),
        vector_score=round(hit.channels.get("dense", 0.0), 4),
        keyword_score=round(hit.channels.get("lexical", 0.0), 4),
        temporal_score=round(hit.multipliers.get("fresh", 1.0), 4),
        confidence_score=round(hit.multipliers.get("trust", 1.0), 4),
        graph_score=round(hit.channels.get("entity", 0.0), 4),
        ranks=hit.ranks,
        multipliers=_rounded(hit.multipliers) if level == "analyze" else None,
        additions=_rounded(hit.additions) if level == "analyze" else None,
    )


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}
