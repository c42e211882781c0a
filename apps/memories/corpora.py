"""Corpora of the views that are in use: built from the database, refreshed by the change feed, bounded in bytes.

One cache per process over all users. A corpus is refreshed when the clock has moved, by asking for what was born or
died since, so another process's writes are seen by the next retrieval; what a rollback or a merge took away is found
among the revisions. What came is merged in memory, so that steady writing never leads to reading everything anew.
Views other than main share main's segments under a mask of their own.
"""

import threading
from collections import Counter, OrderedDict
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
from apps.tenancy.scope import current_route, release_connection
from apps.tenancy.turns import end_turn
from memoria.corpus import Corpus
from memoria.segments import Columns, Halves, Segment

IDS_PER_QUERY = 500
# A memory costs about this much beside its vector and its words; used to refuse what would never fit.
ROW_BYTES = 600
_CHANGED_IN_MAIN = (
    "SELECT memory_id FROM mem_memories WHERE born > %s"
    " UNION SELECT memory_id FROM mem_revisions WHERE branch_id = %s AND died > %s"
    " UNION SELECT memory_id FROM mem_memories WHERE embedding_id > %s"
)
# Rows from which the average size of all is taken.
SAMPLE = 200
# An entry with nothing in it: its key, its lock and its place.
ENTRY_BYTES = 2_000

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
    active_count: int


class _Entry:
    """What is known of one view. Everything but `counted` is changed under `lock`."""

    __slots__ = ("corpus", "counted", "lock", "marks", "refused_from", "shared")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.corpus: Corpus | None = None
        self.marks = Marks(-1, 0, 0)
        self.shared = 0
        """So many of its segments are main's."""
        self.refused_from: int | None = None
        """So many active memories were too many for the bound."""
        self.counted: Corpus | None = None
        """The corpus as the cache has counted it, under the cache's lock."""


class TooLarge(Exception):
    """The view does not fit into the cache; search it in the database instead."""


class _Cache:
    """Least recently used entries leave when all together exceed the bound: segments, each once however many views
    share it, what views hold beside them, and the entries themselves.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def entry(self, key: tuple[Any, ...]) -> _Entry:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = _Entry()
                self._nbytes += ENTRY_BYTES
            self._entries.move_to_end(key)
            return entry

    def peek(self, key: tuple[Any, ...]) -> Corpus | None:
        """The corpus as it was when it was last asked for."""
        with self._lock:
            entry = self._entries.get(key)
            return entry.counted if entry is not None else None

    def settle(self, key: tuple[Any, ...], entry: _Entry) -> None:
        """Count what the entry holds now and let go of the least recently used, as much as is too much. An entry that
        was let go of while it was being filled stays out.
        """
        bound = settings.MEMORIA_CORPUS_MEGABYTES * 2**20
        with self._lock:
            if self._entries.get(key) is entry:
                self._forget(entry)
                self._count(entry)
            while self._entries and self._nbytes > bound:
                _, leaving = self._entries.popitem(last=False)
                self._forget(leaving)
                self._nbytes -= ENTRY_BYTES

    def _count(self, entry: _Entry) -> None:
        entry.counted = entry.corpus
        if entry.corpus is None:
            return
        self._nbytes += entry.corpus.own_nbytes
        for segment in entry.corpus.segments:
            self._uses[segment] += 1
            if self._uses[segment] == 1:
                self._nbytes += segment.nbytes

    def _forget(self, entry: _Entry) -> None:
        if entry.counted is None:
            return
        self._nbytes -= entry.counted.own_nbytes
        for segment in entry.counted.segments:
            self._uses[segment] -= 1
            if not self._uses[segment]:
                del self._uses[segment]
                self._nbytes -= segment.nbytes
        entry.counted = None

    @property
    def nbytes(self) -> int:
        with self._lock:
            return self._nbytes

    def clear(self) -> None:
        with self._lock:
            self._entries: OrderedDict[tuple[Any, ...], _Entry] = OrderedDict()
            self._uses: Counter[Segment] = Counter()
            self._nbytes = 0


cache = _Cache()


def corpus_of(view: View, *, model: str, dim: int) -> Corpus:
    """The corpus of a view as it is now, with vectors of the given model. Raises TooLarge."""
    key = _key(view, model, dim)
    entry = cache.entry(key)
    if (known := _as_it_is(entry)) is not None:
        return known
    if not entry.lock.acquire(blocking=False):
        # Whoever has the lock may be about to need a connection or a turn, and other users need theirs.
        release_connection()
        end_turn()
        entry.lock.acquire()
    try:
        before = entry.corpus
        try:
            return _current(view, entry, model, dim)
        finally:
            if before is None or entry.corpus is not before:
                cache.settle(key, entry)
    finally:
        entry.lock.release()


def _as_it_is(entry: _Entry) -> Corpus | None:
    """The corpus, if nothing has happened since; without waiting for anybody. The marks are set after the corpus, and
    so are read before it.
    """
    marks, corpus = entry.marks, entry.corpus
    return corpus if corpus is not None and marks.seq == _clock().seq else None


def _current(view: View, entry: _Entry, model: str, dim: int) -> Corpus:
    clock = _clock()
    if entry.corpus is not None and entry.marks.seq == clock.seq:
        return entry.corpus
    if entry.corpus is not None and view.at is not None and _marks(clock).same_vectors(entry.marks):
        return entry.corpus  # the past does not change, but for vectors and links that came later
    if (
        entry.corpus is None
        or view.at is not None
        or entry.marks.seq < clock.horizon
        or _has_moved_on(view, entry.corpus, model, dim)
    ):
        return _build(entry, view, clock, model, dim)
    return _refresh(entry, view, clock, model, dim)


def _key(view: View, model: str, dim: int) -> tuple[Any, ...]:
    route = current_route()
    return (route.server, route.alias, route.epoch, model, dim, view)


def _has_moved_on(view: View, corpus: Corpus, model: str, dim: int) -> bool:
    """Whether main has merged the segment that this view shares with it: both would be held."""
    if view == MAIN:
        return False
    main = cache.peek(_key(MAIN, model, dim))
    return main is not None and main.segments[0] is not corpus.segments[0]


def corpus_for(
    view: View, *, model: str, dim: int, terms: Sequence[str], filters: Filters
) -> tuple[Corpus, bool]:
    """The corpus of a view. Of one that does not fit into memory: what passes the filters, or the best of it by the
    text index where that is too much. And whether it is only a part of what passes them.
    """
    try:
        return corpus_of(view, model=model, dim=dim), False
    except TooLarge:
        found = []
        is_part = False
        for rows in view.sources():
            keys, leaves_out = candidates(filters.apply(rows), terms)
            found += [_read(rows.filter(id__in=part)) for part in _chunks(keys)]
            is_part |= leaves_out
        return Corpus.of(Segment.of(_columns(found, model, dim), dim)), is_part


def _clock() -> _Clock:
    return _Clock(*sql.query("SELECT seq, horizon, active_count FROM mem_clock WHERE id = 1")[0])


def _marks(clock: _Clock) -> Marks:
    newest = sql.query("SELECT MAX(id) FROM mem_embeddings")[0][0]
    return Marks(clock.seq, newest or 0, newest_link())


def _build(entry: _Entry, view: View, clock: _Clock, model: str, dim: int) -> Corpus:
    if entry.refused_from is not None and clock.active_count >= entry.refused_from:
        raise TooLarge
    end_turn()  # it may take seconds
    marks, entry.shared = _marks(clock), 0
    if view == MAIN:
        _refuse_too_large(entry, clock, dim)
        rows = _read(Memory.objects.filter(is_active=True))
        corpus = Corpus.of(Segment.of(_columns([rows], model, dim), dim))
    else:
        main = corpus_of(MAIN, model=model, dim=dim)
        corpus, entry.shared = _derived(main, view, model, dim), len(main.segments)
    return _keep(entry, corpus, marks, clock)


def _keep(entry: _Entry, corpus: Corpus, marks: Marks, clock: _Clock) -> Corpus:
    """Let the entry have the corpus. Raises TooLarge where it turns out not to fit, and remembers that."""
    held = corpus.own_nbytes + sum(segment.nbytes for segment in corpus.segments) + ENTRY_BYTES
    if held > settings.MEMORIA_CORPUS_MEGABYTES * 2**20:
        entry.corpus, entry.refused_from = None, clock.active_count
        raise TooLarge
    entry.corpus, entry.marks = corpus, marks
    return corpus


def _refuse_too_large(entry: _Entry, clock: _Clock, dim: int) -> None:
    """By the number of memories and what a few of them take, before all are read."""
    sampled = Memory.objects.order_by("-id").values_list(Length("search_text"), flat=True)
    words = _average(sampled[:SAMPLE])
    # A single passage is its own mean. The database has two bytes for a number, the corpus one.
    passages = Embedding.objects.order_by("-id").values_list(Length("vector"), "dim")
    vectors = _average(size / 2 if size > 2 * dim else 0 for size, dim in passages[:SAMPLE])
    each = ROW_BYTES + dim + 2 * words + vectors
    if clock.active_count * each > settings.MEMORIA_CORPUS_MEGABYTES * 2**20:
        entry.refused_from = clock.active_count
        raise TooLarge


def _average(sizes: Iterable[int]) -> float:
    every = list(sizes)
    return sum(every) / max(len(every), 1)


def _derived(main: Corpus, view: View, model: str, dim: int) -> Corpus:
    """Main's segments, less the rows that the view has not or has otherwise, plus the rows that only it has."""
    sources = view.sources()
    below = view.at if view.is_main else min(view.fork_seq, view.at if view.at is not None else view.fork_seq)
    gone = set(Memory.objects.filter(born__gt=below, is_active=True).values_list("memory_id", flat=True))
    own = [sources[1]] if view.is_main else [sources[0], sources[2]]
    if not view.is_main:
        gone.update(view.overlay().values_list("memory_id", flat=True))
    segment = Segment.of(_columns([_read(rows.filter(is_active=True)) for rows in own], model, dim), dim)
    gone.update(segment.memory_ids)  # what came between the two readings would stand in both
    # Rows that main holds inactive now, or no longer at all, are dead in main's mask already; those it still holds
    # alive but changed after the view's moment are in `gone`.
    return main.changed(gone, segment)


def _refresh(entry: _Entry, view: View, clock: _Clock, model: str, dim: int) -> Corpus:
    """Take over what changed since the entry's marks. A reading that fails leaves the entry as it is."""
    assert entry.corpus is not None
    corpus, marks = entry.corpus, _marks(clock)
    changed = _changed_ids(view, entry.marks)
    if len(changed) > IDS_PER_QUERY:
        end_turn()
    if len(changed) > len(corpus):  # an import, a restored database: one reading is quicker than many
        return _build(entry, view, clock, model, dim)
    if changed:
        ids = sorted(changed)
        rows = [rows for part in _chunks(ids) for rows in _read_ids(view, part)]
        segment = Segment.of(_columns(rows, model, dim), dim)
        corpus = corpus.changed(ids, segment).compacted(shared=entry.shared)
    return _keep(entry, corpus, marks, clock)


def _changed_ids(view: View, since: Marks) -> set[str]:
    linked = memories_linked_after(since.link_id)
    if view.is_main:
        changed = sql.query(_CHANGED_IN_MAIN, [since.seq, MAIN_BRANCH, since.seq, since.embedding_id])
        return {memory_id for (memory_id,) in changed} | linked
    own = Revision.objects.filter(branch_id=view.branch_id)
    died = own.filter(died__gt=since.seq, born__lte=since.seq).exclude(died=OPEN)
    embedded = [rows.filter(embedding_id__gt=since.embedding_id) for rows in (own, *view.inherited())]
    every = (own.filter(born__gt=since.seq), died, *embedded)
    return {memory_id for rows in every for memory_id in rows.values_list("memory_id", flat=True)} | linked


def _read(rows: QuerySet[Any]) -> Iterable[tuple[Any, ...]]:
    return rows.values_list(*_FIELDS).iterator(chunk_size=2_000)


def _read_ids(view: View, ids: Sequence[str]) -> list[Iterable[tuple[Any, ...]]]:
    if view == MAIN:
        return [sql.select(Memory, _FIELDS, f"is_active = 1 AND memory_id IN ({sql.marks(ids)})", ids)]
    return [_read(rows.filter(is_active=True, memory_id__in=ids)) for rows in view.sources()]


def _columns(readings: Iterable[Iterable[tuple[Any, ...]]], model: str, dim: int) -> Columns:
    """Put rows into columns; a second row of an id is dropped, as every reader of a view has to."""
    columns = Columns()
    embedding_ids: list[int | None] = []
    seen: set[str] = set()
    for rows in readings:
        for row in rows:
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
    vectors = _vectors(embedding_ids, model, dim)
    columns.vectors = [vectors.get(i) if i is not None else None for i in embedding_ids]
    links = entities_said_of(columns.memory_ids)
    columns.entities = [links.get(memory_id, ()) for memory_id in columns.memory_ids]
    return columns


def _vectors(ids: Sequence[int | None], model: str, dim: int) -> dict[int, Halves]:
    wanted = sorted({i for i in ids if i is not None})
    if not wanted:
        return {}
    rows = Embedding.objects.filter(model=model, dim=dim)
    if len(wanted) <= IDS_PER_QUERY:
        rows = rows.filter(pk__in=wanted)
    else:
        rows = rows.filter(pk__gte=wanted[0], pk__lte=wanted[-1])
    return {
        pk: np.frombuffer(blob, dtype=np.float16).reshape(-1, dim)
        for pk, blob in rows.values_list("pk", "vector").iterator(chunk_size=2_000)
    }


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), IDS_PER_QUERY):
        yield items[start : start + IDS_PER_QUERY]
