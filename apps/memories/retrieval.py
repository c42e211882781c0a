"""Retrieving: the one way from a question to the memories that answer it, for every door and every view."""

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import structlog

from apps.graph.selectors import entity_ids
from apps.memories.corpora import corpus_for
from apps.memories.filters import ANY, Filters
from apps.memories.models import Memory
from apps.memories.records import RECORD_COLUMNS, MemoryRecord
from apps.memories.reranker import READ
from apps.memories.selectors import Conflict, conflicts_of, ids_matching, last_repeats, opponents
from apps.memories.services.vectors import query_vector, vectors_lacking
from apps.memories.view import View
from apps.tenancy import sql
from apps.tenancy.scope import release_connection
from memoria import ranking
from memoria.corpus import Corpus
from memoria.entities import possible_names
from memoria.errors import Unavailable
from memoria.passages import focus
from memoria.ports import Embedder, Reranker
from memoria.priors import Window
from memoria.ranking import Feedback, Hit, Question
from memoria.reading import asked
from memoria.segments import TIERS, TYPES, Mask
from memoria.signals import names_asked
from memoria.temporal import Intent, asks_for_time_alone, intent
from memoria.tokens import search_terms
from memoria.types import TrustTier
from memoria.weights import DEFAULT, Weights

# Characters of a question that count; the rules that read it look at every place.
LONGEST_QUERY = 4_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    memory: MemoryRecord
    score: float


@dataclass(slots=True)
class Explanation:
    """How a retrieval went. Times in milliseconds."""

    degraded: str | None = None
    not_embedded: str | None = None
    """How many memories could not be compared by meaning, where some could not."""
    partial: str | None = None
    """How many memories were looked at, where the text index had to choose among too many."""
    not_reranked: str | None = None
    """Why the reranker's opinion is missing."""
    hits: list[Hit] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    intent: dict[str, Any] = field(default_factory=dict)
    corpus_size: int = 0


@dataclass(frozen=True, slots=True)
class Retrieval:
    found: list[Found]
    explanation: Explanation
    conflicts: list[Conflict]
    """Between what was found and anything else the view holds."""


def memories_retrieve(
    *,
    view: View,
    query: str,
    top_k: int,
    embedder: Embedder | None,
    now: datetime,
    filters: Filters = ANY,
    session_id: str | None = None,
    weights: Weights = DEFAULT,
    feedback: Feedback = lambda _: {},
    reranker: Reranker | None = None,
    by_time: bool = True,
) -> Retrieval:
    """The memories that answer a query, best first; filters hold before anything is ranked.

    `session_id` lifts memories of that session a little; to exclude others put it into the filters. An embedder that
    fails leaves lexical and entity search, and the explanation says so. A `reranker` reads the best ones and puts
    them in its order; one that fails leaves them as they are, and the explanation says so too. Without `by_time` a
    question that names a time and nothing else is ranked like any other: what merely was then is not meant.
    """
    clock = _Stopwatch()
    query = " ".join(query.split())[:LONGEST_QUERY]
    point = focus(query)
    vector, degraded = query_vector(query=point, embedder=embedder)
    clock.lap("embedding")
    dim = len(vector) if vector is not None else (embedder.dim if embedder is not None else 0)
    named = names_asked(point)
    terms = [*search_terms(point), *(short for short, _ in named.initials)]
    model = embedder.model if embedder is not None else ""
    corpus, is_part = corpus_for(view, model=model, dim=dim, terms=terms, filters=filters)
    clock.lap("corpus")
    wanted = intent(query, now)
    is_of_time_alone = by_time and wanted.is_any and asks_for_time_alone(query)
    if is_of_time_alone:
        reranker = None  # it would put what is in the order of time into another one
    allowed = _allowed(corpus, filters, view)
    question = Question(
        now=now.timestamp(),
        vector=vector,
        terms=terms,
        names=named,
        entities=list(entity_ids(names=possible_names(query)).values()) if corpus.has_links else [],
        session_id=session_id,
        window=_window(wanted, corpus, allowed),
        order=wanted.order,
        asked=asked(query),
        is_of_time_alone=is_of_time_alone,
    )
    clock.lap("question")
    ranked = ranking.rank(
        corpus,
        question,
        allowed=allowed,
        top_k=top_k,
        choice=0 if reranker is None else READ,
        feedback=feedback,
        repeats=lambda ids: last_repeats(memory_ids=ids),
        texts=lambda ids: _texts(view, ids),
        weights=weights,
        lap=clock.lap,
    )
    found = _hydrated(view, ranked.hits)
    clock.lap("reading")
    not_reranked = None
    if reranker is not None and found:
        found, not_reranked = _reranked(reranker, query, found, ranked.hits)
        found = found[:top_k]
        kept = {each.memory.memory_id: place for place, each in enumerate(found)}
        ranked.hits = sorted(
            (h for h in ranked.hits if h.memory_id in kept), key=lambda hit: kept[hit.memory_id]
        )
        clock.lap("reranker")
    not_embedded = _not_embedded(corpus) if vector is not None else None
    if not_embedded is not None:
        vectors_lacking()
    explanation = Explanation(
        degraded=degraded,
        not_embedded=not_embedded,
        partial=f"only the {corpus.size} memories that fit the words best were compared" if is_part else None,
        not_reranked=not_reranked,
        hits=ranked.hits,
        dropped=ranked.dropped,
        timings=clock.laps,
        intent=_said(wanted, question),
        corpus_size=corpus.size,
    )
    found_ids = [each.memory.memory_id for each in found]
    conflicts = conflicts_of(view=view, memory_ids=found_ids) if found else []
    if conflicts and not is_of_time_alone:  # what was at another time is not asked for
        found = _with_opponents(view, found, conflicts, corpus, allowed)[:top_k]
    return Retrieval(found, explanation, conflicts)


def _with_opponents(
    view: View, found: list[Found], conflicts: list[Conflict], corpus: Corpus, allowed: Mask
) -> list[Found]:
    """Beside what was found what may contradict it and was left out, say because it says nearly the same: in front of
    it where it is as trusted and newer.
    """
    disagreeing = opponents(conflicts)
    there = {each.memory.memory_id for each in found}
    lacking = [
        memory_id
        for memory_id in disagreeing.keys() - there
        if (row := corpus.row_of(memory_id)) is not None and allowed[row]
    ]
    others = {row[0]: MemoryRecord(*row) for row in _rows(view, lacking, RECORD_COLUMNS)}
    result: list[Found] = []
    for each in found:
        ours = [others.pop(i) for i in disagreeing.get(each.memory.memory_id, ()) if i in others]
        group = [each, *(Found(other, each.score) for other in ours)]
        group.sort(key=lambda one: one.memory.observed_at, reverse=True)
        group.sort(key=lambda one: one.memory.trust_tier)
        result += group
    return result


def _not_embedded(corpus: Corpus) -> str | None:
    if corpus.embedded == corpus.size:
        return None
    return f"{corpus.size - corpus.embedded} of {corpus.size} memories have no vector of this model yet"


def _reranked(
    reranker: Reranker, query: str, found: list[Found], hits: list[Hit]
) -> tuple[list[Found], str | None]:
    """The first `READ` in the reranker's order, the others after them; or all as they are, and why."""
    release_connection()
    try:
        scores = reranker.scores(query, [each.memory.content for each in found[:READ]])
    except Unavailable as error:
        log.warning("answering without the reranker", reason=str(error))
        return found, str(error)
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    ranks = {found[place].memory.memory_id: rank for rank, place in enumerate(order, 1)}
    for hit in hits:
        if hit.memory_id in ranks:
            hit.ranks["reranker"] = ranks[hit.memory_id]
    return [found[place] for place in order] + found[READ:], None


def _window(wanted: Intent, corpus: Corpus, allowed: Mask) -> Window | None:
    """When the wanted memories were observed, in seconds since 1970. An event is as old as the memory that tells of
    it; none where no memory does.
    """
    if wanted.window is not None:
        start, end = (moment.timestamp() if moment is not None else None for moment in wanted.window)
        return start, end
    if wanted.event is None:
        return None
    side, phrase = wanted.event
    happened = ranking.observed_when(corpus, search_terms(phrase), allowed)
    if happened is None:
        return None
    return (None, happened) if side == "before" else (happened, None)


def _said(wanted: Intent, question: Question) -> dict[str, Any]:
    """What was read off the query about time, for people to read."""
    said: dict[str, Any] = {}
    if wanted.order is not None:
        said["order"] = wanted.order
    if wanted.event is not None:
        said["event"] = " ".join(wanted.event)
    if question.window is not None:
        said["window"] = [
            datetime.fromtimestamp(moment, UTC).isoformat() if moment is not None else None
            for moment in question.window
        ]
    return said


def _allowed(corpus: Corpus, filters: Filters, view: View) -> Mask:
    """The filters as a mask over the corpus, metadata by asking the database."""
    mask: Mask = corpus.mask
    if filters.memory_types:
        codes = [TYPES.index(memory_type) for memory_type in TYPES if memory_type in filters.memory_types]
        mask = mask & np.isin(corpus.types, codes)
    if filters.session_id is not None:
        wanted = corpus.of_session(filters.session_id)
        mask = mask & (wanted | corpus.of_session(None) if filters.session_or_none else wanted)
    if filters.subject_id is not None:
        mask = mask & corpus.of_subject(filters.subject_id)
    if filters.trust_tier is not None:
        mask = mask & (corpus.tiers == TIERS.index(TrustTier(filters.trust_tier)))
    if filters.metadata:
        mask = mask & corpus.having(ids_matching(view=view, filters=filters))
    return mask


def _texts(view: View, ids: list[str]) -> dict[str, str]:
    return dict(_rows(view, ids, ("memory_id", "content")))


def _rows(view: View, ids: list[str], columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Columns, `memory_id` first, of the active memories of these ids, each once."""
    if not ids:
        return []
    if view.is_main_now:
        return sql.select(Memory, columns, f"memory_id IN ({sql.marks(ids)}) AND is_active = 1", ids)
    rows: dict[str, tuple[Any, ...]] = {}
    for source in view.sources():
        for row in source.filter(memory_id__in=ids, is_active=True).values_list(*columns):
            rows.setdefault(row[0], row)
    return list(rows.values())


def _hydrated(view: View, hits: list[Hit]) -> list[Found]:
    """The rows of the hits as the view has them now, in the order of the hits; what was purged meanwhile is
    left out.
    """
    found = _rows(view, [hit.memory_id for hit in hits], RECORD_COLUMNS)
    rows = {row[0]: MemoryRecord(*row) for row in found}
    return [Found(rows[hit.memory_id], round(hit.score, 4)) for hit in hits if hit.memory_id in rows]


def memories_fulltext(
    *, view: View, query: str, limit: int, embedder: Embedder | None, filters: Filters = ANY
) -> list[Found]:
    """Memories that have any word of the query, by their share of the reachable BM25 score, then newest id first."""
    terms = search_terms(query)
    model, dim = (
        (embedder.model, embedder.dim) if embedder is not None else ("", 0)
    )  # the corpus retrieval uses
    corpus, _ = corpus_for(view, model=model, dim=dim, terms=terms, filters=filters)
    scores = np.where(_allowed(corpus, filters, view), corpus.lexical(Counter(terms)), 0.0)
    rows = sorted(
        np.flatnonzero(scores), key=lambda row: (scores[row], corpus.memory_id(int(row))), reverse=True
    )
    hits = [
        Hit(int(row), corpus.memory_id(int(row)), float(scores[row]), float(scores[row]))
        for row in rows[:limit]
    ]
    return _hydrated(view, hits)


class _Stopwatch:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = round((now - self._last) * 1e3, 2)
        self._last = now
