"""Corpora of the views that are in use: built from the database, refreshed by the change feed, bounded in bytes.

One cache per process over all users. A corpus is refreshed when the clock has moved, by asking for what was born or
died since, so another process's writes are seen by the next retrieval; what a rollback or a merge took away is found
among the revisions. Views other than main share main's segments under a mask of their own.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Length

from apps.graph.selectors import entities_said_of, memories_linked_after, newest_link
from apps.memories.filters import Filters
from apps.memories.models import MAIN_BRANCH, OPEN, Embedding, Memory, Revision
from apps.memories.text_index import candidates
from apps.memories.view import MAIN, View
from apps.tenancy import sql
from apps.tenancy.scope import current_route
from memoria.corpus import Columns, Corpus, Halves, Segment

# Small segments on top of the large one: more make searching slow, fewer make refreshing slow.
SEGMENTS = 8
# Rows in small segments, as a share of the large one, from which on everything is read anew.
CHANGED_SHARE = 0.1
CHANGED_ROWS = 1_000
IDS_PER_QUERY = 500
# A memory costs about this much beside its vector and its words; used to refuse what would never fit.
ROW_BYTES = 600
# Rows from which the average size of all is taken.
SAMPLE = 200

_FIELDS = (
    "memory_id",
    "memory_type",
    "trust_tier",
    "initial_confidence",
    "observed_at",
    "session_id",
    "subject_id",
    "search_text",
    "embedding_id",
)


@dataclass(frozen=True, slots=True)
class Marks:
    """How far a corpus has followed the database."""

    seq: int
    embedding_id: int
    link_id: int

    def same_vectors(self, other: "Marks") -> bool:
        return (self.embedding_id, self.link_id) == (other.embedding_id, other.link_id)


@dataclass(frozen=True, slots=True)
class _Clock:
    seq: int
    horizon: int


@dataclass(slots=True)
class _Entry:
    lock: threading.Lock
    corpus: Corpus | None = None
    marks: Marks = Marks(-1, 0, 0)
    changed_rows: int = 0


class TooLarge(Exception):
    """The view does not fit into the cache; search it in the database instead."""


class _Cache:
    """Least recently used corpora leave when the segments in use exceed the bound."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[Any, ...], _Entry] = OrderedDict()

    def entry(self, key: tuple[Any, ...]) -> _Entry:
        with self._lock:
            entry = self._entries.pop(key, None) or _Entry(threading.Lock())
            self._entries[key] = entry
            return entry

    def trim(self) -> None:
        with self._lock:
            while len(self._entries) > 1 and self._nbytes() > settings.MEMORIA_CORPUS_MEGABYTES * 2**20:
                self._entries.popitem(last=False)

    def _nbytes(self) -> int:
        segments = {
            id(s): s for e in self._entries.values() if e.corpus is not None for s in e.corpus.segments
        }
        return sum(segment.nbytes for segment in segments.values())

    @property
    def nbytes(self) -> int:
        with self._lock:
            return self._nbytes()

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


cache = _Cache()


def corpus_of(view: View, *, model: str, dim: int) -> Corpus:
    """The corpus of a view as it is now, with vectors of the given model. Raises TooLarge."""
    route = current_route()
    entry = cache.entry((route.server, route.alias, route.epoch, model, dim, view))
    with entry.lock:
        clock = _clock()
        if entry.corpus is not None and entry.marks.seq == clock.seq:
            return entry.corpus
        if entry.corpus is not None and view.at is not None and _marks(clock).same_vectors(entry.marks):
            return entry.corpus  # the past does not change, but for vectors and links that came later
        if (
            entry.corpus is None
            or view.at is not None
            or entry.marks.seq < clock.horizon
            or _is_worn(entry.corpus, entry.changed_rows)
        ):
            _build(entry, view, clock, model, dim)
        else:
            _refresh(entry, view, clock, model, dim)
    cache.trim()
    assert entry.corpus is not None
    return entry.corpus


def corpus_for(view: View, *, model: str, dim: int, terms: Sequence[str], filters: Filters) -> Corpus:
    """The corpus of a view. Of one that does not fit into memory: what passes the filters, or the best of it by the
    text index where that is too much.
    """
    try:
        return corpus_of(view, model=model, dim=dim)
    except TooLarge:
        found = [
            rows.filter(id__in=part)
            for rows in view.sources()
            for part in _chunks(candidates(filters.apply(rows), terms))
        ]
        return Corpus.of(Segment(_columns(found, model), dim))


def _clock() -> _Clock:
    return _Clock(*sql.query("SELECT seq, horizon FROM mem_clock WHERE id = 1")[0])


def _is_worn(corpus: Corpus, changed_rows: int) -> bool:
    return changed_rows > max(CHANGED_ROWS, CHANGED_SHARE * len(corpus.segments[0]))


def _marks(clock: _Clock) -> Marks:
    newest = Embedding.objects.order_by("-id").values_list("id", flat=True).first() or 0
    return Marks(clock.seq, newest, newest_link())


def _build(entry: _Entry, view: View, clock: _Clock, model: str, dim: int) -> None:
    marks = _marks(clock)
    if view == MAIN:
        _refuse_too_large(dim)
        entry.corpus = Corpus.of(Segment(_columns([Memory.objects.filter(is_active=True)], model), dim))
    else:
        entry.corpus = _derived(view, model, dim)
    entry.marks, entry.changed_rows = marks, 0


def _refuse_too_large(dim: int) -> None:
    count = Memory.objects.filter(is_active=True).count()
    sampled = Memory.objects.order_by("-id").values_list(Length("search_text"), flat=True)
    words = _average(sampled[:SAMPLE])
    # A single passage is its own mean.
    passages = Embedding.objects.order_by("-id").values_list(Length("vector"), "dim")
    vectors = _average(size if size > 2 * dim else 0 for size, dim in passages[:SAMPLE])
    each = ROW_BYTES + 4 * dim + 2 * words + vectors
    if count * each > settings.MEMORIA_CORPUS_MEGABYTES * 2**20:
        raise TooLarge


def _average(sizes: Iterable[int]) -> float:
    every = list(sizes)
    return sum(every) / max(len(every), 1)


def _derived(view: View, model: str, dim: int) -> Corpus:
    """Main's segments, less the rows that the view has not or has otherwise, plus the rows that only it has."""
    main = corpus_of(MAIN, model=model, dim=dim)
    sources = view.sources()
    below = view.at if view.is_main else min(view.fork_seq, view.at if view.at is not None else view.fork_seq)
    gone = set(Memory.objects.filter(born__gt=below, is_active=True).values_list("memory_id", flat=True))
    own = [sources[1]] if view.is_main else [sources[0], sources[2]]
    if not view.is_main:
        gone.update(view.overlay().values_list("memory_id", flat=True))
    segment = Segment(_columns([rows.filter(is_active=True) for rows in own], model), dim)
    gone.update(segment.memory_ids)  # what came between the two readings would stand in both
    # Rows that main holds inactive now, or no longer at all, are dead in main's mask already; those it still holds
    # alive but changed after the view's moment are in `gone`.
    return main.changed(gone, segment)


def _refresh(entry: _Entry, view: View, clock: _Clock, model: str, dim: int) -> None:
    """Take over what changed since the entry's marks."""
    assert entry.corpus is not None
    corpus, changed_rows = entry.corpus, entry.changed_rows  # a reading that fails leaves the entry as it is
    marks, since = _marks(clock), entry.marks
    changed = _changed_ids(view, since)
    changed_rows += len(changed)
    if len(corpus.segments) > SEGMENTS:  # read the small ones anew as one
        small = corpus.segments[1:]
        changed |= {memory_id for segment in small for memory_id in segment.memory_ids}
        corpus = Corpus(corpus.segments[:1], corpus.alive[:1])
    if changed:
        ids = sorted(changed)
        rows = [
            source.filter(is_active=True, memory_id__in=part)
            for part in _chunks(ids)
            for source in view.sources()
        ]
        segment = Segment(_columns(rows, model), dim)
        corpus = corpus.changed(ids, segment)
    entry.corpus, entry.changed_rows, entry.marks = corpus, changed_rows, marks


def _changed_ids(view: View, since: Marks) -> set[str]:
    inherited: list[QuerySet[Any]] = []
    if view.is_main:
        born: QuerySet[Any] = Memory.objects.filter(born__gt=since.seq)
        died = Revision.objects.filter(branch_id=MAIN_BRANCH, died__gt=since.seq)
        embedded: QuerySet[Any] = Memory.objects.filter(embedding_id__gt=since.embedding_id)
    else:
        own = Revision.objects.filter(branch_id=view.branch_id)
        born, died = own.filter(born__gt=since.seq), own.filter(died__gt=since.seq, born__lte=since.seq)
        died = died.exclude(died=OPEN)
        embedded = own.filter(embedding_id__gt=since.embedding_id)
        inherited = [rows.filter(embedding_id__gt=since.embedding_id) for rows in view.inherited()]
    found = {
        i for rows in (born, died, embedded, *inherited) for i in rows.values_list("memory_id", flat=True)
    }
    return found | memories_linked_after(since.link_id)


def _columns(sources: Iterable[QuerySet[Any]], model: str) -> Columns:
    """Read rows into columns; a second row of an id is dropped, as every reader of a view has to."""
    columns = Columns()
    embedding_ids: list[int | None] = []
    seen: set[str] = set()
    for source in sources:
        for row in source.values_list(*_FIELDS).iterator(chunk_size=2_000):
            if row[0] in seen:
                continue
            seen.add(row[0])
            columns.memory_ids.append(row[0])
            columns.types.append(row[1])
            columns.tiers.append(row[2])
            columns.confidences.append(row[3])
            columns.observed.append(row[4].timestamp())
            columns.sessions.append(row[5])
            columns.subjects.append(row[6])
            columns.search_texts.append(row[7])
            embedding_ids.append(row[8])
    vectors = _vectors(embedding_ids, model)
    columns.vectors = [vectors.get(i) if i is not None else None for i in embedding_ids]
    links = entities_said_of(columns.memory_ids)
    columns.entities = [links.get(memory_id, ()) for memory_id in columns.memory_ids]
    return columns


def _vectors(ids: Sequence[int | None], model: str) -> dict[int, Halves]:
    wanted = sorted({i for i in ids if i is not None})
    if not wanted:
        return {}
    rows = Embedding.objects.filter(model=model)
    if len(wanted) <= IDS_PER_QUERY:
        return _decoded(rows.filter(pk__in=wanted))
    return _decoded(rows.filter(pk__gte=wanted[0], pk__lte=wanted[-1]))


def _decoded(rows: QuerySet[Embedding]) -> dict[int, Halves]:
    return {
        pk: np.frombuffer(blob, dtype=np.float16).reshape(-1, dim)
        for pk, dim, blob in rows.values_list("pk", "dim", "vector").iterator(chunk_size=2_000)
    }


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), IDS_PER_QUERY):
        yield items[start : start + IDS_PER_QUERY]
