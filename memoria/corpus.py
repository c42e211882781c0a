"""A user's memories as arrays, for scoring all of them at once.

A `Segment` is an immutable block of rows; a `Corpus` is a set of segments with a mask of the rows that are alive in
one view. Changing a view makes a new corpus that shares the old segments and adds a small one, so that refreshing
costs as much as changed, and branches share what they have in common with main.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memoria.types import MemoryType, TrustTier

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Rows = NDArray[np.int32]

# BM25 (Robertson and Zaragoza 2009). Lengths count in full (b = 1): what somebody says in two lines about a thing is
# more about it than a page that mentions it. Measured in docs/decisions/0009.
K1 = 1.2
B = 1.0

TYPES = tuple(MemoryType)
TIERS = tuple(TrustTier)
NO_CODE = -1


@dataclass(slots=True)
class Columns:
    """Rows to be made into a segment, column by column; all lists have one length."""

    memory_ids: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    tiers: list[str] = field(default_factory=list)
    confidences: list[float] = field(default_factory=list)
    observed: list[float] = field(default_factory=list)  # seconds since 1970
    sessions: list[str | None] = field(default_factory=list)
    subjects: list[str | None] = field(default_factory=list)
    speakers: list[int] = field(default_factory=list)
    search_texts: list[str] = field(default_factory=list)
    vectors: list[Floats | None] = field(default_factory=list)
    entities: list[Sequence[int]] = field(default_factory=list)


class Postings:
    """For each term the rows that have it and how often; built once."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.terms: dict[str, int] = {}
        rows: list[int] = []
        terms: list[int] = []
        lengths = np.zeros(len(texts), dtype=np.float32)
        for row, text in enumerate(texts):
            words = text.split()
            lengths[row] = len(words)
            rows += [row] * len(words)
            terms += [self.terms.setdefault(word, len(self.terms)) for word in words]
        keys = np.array(terms, dtype=np.int64) * max(len(texts), 1) + np.array(rows, dtype=np.int64)
        unique, counts = np.unique(keys, return_counts=True)
        self.lengths = lengths
        self.rows: Rows = (unique % max(len(texts), 1)).astype(np.int32)
        self.counts: Floats = counts.astype(np.float32)
        self.starts = np.searchsorted(unique // max(len(texts), 1), np.arange(len(self.terms) + 1))

    def of(self, term: str) -> tuple[Rows, Floats] | None:
        if (number := self.terms.get(term)) is None:
            return None
        part = slice(self.starts[number], self.starts[number + 1])
        return self.rows[part], self.counts[part]

    @property
    def nbytes(self) -> int:
        return (
            self.rows.nbytes
            + self.counts.nbytes
            + self.starts.nbytes
            + self.lengths.nbytes
            + 110 * len(self.terms)
        )


class Segment:
    """An immutable block of memories."""

    def __init__(self, columns: Columns, dim: int) -> None:
        self.memory_ids = columns.memory_ids
        self.row_of = {memory_id: row for row, memory_id in enumerate(columns.memory_ids)}
        size = len(columns.memory_ids)
        self.types = np.array([TYPES.index(MemoryType(t)) for t in columns.types], dtype=np.int8)
        self.tiers = np.array([TIERS.index(TrustTier(t)) for t in columns.tiers], dtype=np.int8)
        self.confidences = np.array(columns.confidences, dtype=np.float32)
        self.observed = np.array(columns.observed, dtype=np.float64)
        self.speakers = np.array(columns.speakers, dtype=np.int8)
        self.sessions, self.session_codes = _coded(columns.sessions)
        self.subjects, self.subject_codes = _coded(columns.subjects)
        self.postings = Postings(columns.search_texts)
        self.vectors = np.zeros((size, dim), dtype=np.float32)
        self.has_vector = np.zeros(size, dtype=np.bool_)
        for row, vector in enumerate(columns.vectors):
            if vector is not None and len(vector) == dim:
                self.vectors[row] = vector
                self.has_vector[row] = True
        self.entities_of = [np.array(every, dtype=np.int64) for every in columns.entities]
        rows_of: dict[int, list[int]] = {}
        for row, every in enumerate(columns.entities):
            for entity in every:
                rows_of.setdefault(entity, []).append(row)
        self.rows_of_entity = {entity: np.array(rows, dtype=np.int32) for entity, rows in rows_of.items()}

    def __len__(self) -> int:
        return len(self.memory_ids)

    @cached_property
    def nbytes(self) -> int:
        """About what the segment holds in memory."""
        arrays = self.vectors.nbytes + 30 * len(self)
        links = sum(a.nbytes + 112 for a in self.entities_of) + sum(
            a.nbytes + 180 for a in self.rows_of_entity.values()
        )
        return arrays + links + self.postings.nbytes + 190 * len(self)


def _coded(values: Sequence[str | None]) -> tuple[dict[str, int], NDArray[np.int32]]:
    """Small numbers for texts; NO_CODE for None."""
    codes: dict[str, int] = {}
    coded = [NO_CODE if value is None else codes.setdefault(value, len(codes)) for value in values]
    return codes, np.array(coded, dtype=np.int32)


def largest(values: NDArray[Any], count: int) -> NDArray[np.intp]:
    """Places of the `count` largest values, largest first, ties by place. Sorts no more than it returns."""
    if count >= len(values):
        return np.argsort(-values, kind="stable")
    found = np.argpartition(-values, count)[:count]
    return found[np.lexsort((found, -values[found]))]


class Corpus:
    """The memories of one view. Immutable; rows are numbered over all segments in order."""

    def __init__(self, segments: Sequence[Segment], alive: Sequence[Mask]) -> None:
        self.segments = tuple(segments)
        self.alive = tuple(alive)
        self.offsets = np.cumsum([0, *(len(segment) for segment in self.segments)])

    @classmethod
    def of(cls, segment: Segment) -> "Corpus":
        return cls([segment], [np.ones(len(segment), dtype=np.bool_)])

    def changed(self, gone: Iterable[str], segment: Segment | None) -> "Corpus":
        """A corpus without the `gone` ids and with another segment on top."""
        alive = [mask.copy() for mask in self.alive]
        for memory_id in gone:
            for part, mask in zip(self.segments, alive, strict=True):
                if (row := part.row_of.get(memory_id)) is not None:
                    mask[row] = False
        if segment is None or not len(segment):
            return Corpus(self.segments, alive)
        return Corpus([*self.segments, segment], [*alive, np.ones(len(segment), dtype=np.bool_)])

    def masked(self, keep: Sequence[Mask]) -> "Corpus":
        return Corpus(self.segments, [a & k for a, k in zip(self.alive, keep, strict=True)])

    @cached_property
    def mask(self) -> Mask:
        return np.concatenate(self.alive) if self.alive else np.zeros(0, dtype=np.bool_)

    @cached_property
    def size(self) -> int:
        """Rows alive."""
        return int(self.mask.sum())

    @cached_property
    def types(self) -> NDArray[np.int8]:
        return np.concatenate([s.types for s in self.segments])

    @cached_property
    def tiers(self) -> NDArray[np.int8]:
        return np.concatenate([s.tiers for s in self.segments])

    @cached_property
    def confidences(self) -> Floats:
        return np.concatenate([s.confidences for s in self.segments])

    @cached_property
    def observed(self) -> NDArray[np.float64]:
        return np.concatenate([s.observed for s in self.segments])

    @cached_property
    def speakers(self) -> NDArray[np.int8]:
        return np.concatenate([s.speakers for s in self.segments])

    @cached_property
    def has_speakers(self) -> bool:
        return bool(self.speakers.any())

    @cached_property
    def has_vector(self) -> Mask:
        return np.concatenate([s.has_vector for s in self.segments])

    @cached_property
    def average_length(self) -> float:
        lengths = np.concatenate([s.postings.lengths for s in self.segments])
        return float(lengths[self.mask].mean()) if self.size else 1.0

    def memory_id(self, row: int) -> str:
        segment, local = self._place(row)
        return segment.memory_ids[local]

    def row_of(self, memory_id: str) -> int | None:
        """The row of an alive memory."""
        for number in range(len(self.segments) - 1, -1, -1):
            row = self.segments[number].row_of.get(memory_id)
            if row is not None and self.alive[number][row]:
                return row + int(self.offsets[number])
        return None

    def session_of(self, row: int) -> str | None:
        segment, local = self._place(row)
        code = segment.session_codes[local]
        return next((name for name, number in segment.sessions.items() if number == code), None)

    def vector_of(self, row: int) -> Floats:
        segment, local = self._place(row)
        return segment.vectors[local]

    def _place(self, row: int) -> tuple[Segment, int]:
        number = int(np.searchsorted(self.offsets, row, side="right")) - 1
        return self.segments[number], row - int(self.offsets[number])

    def of_session(self, session_id: str | None) -> Mask:
        """Rows of a session; None: rows of no session."""
        return self._coded("sessions", "session_codes", session_id)

    def of_subject(self, subject_id: str | None) -> Mask:
        return self._coded("subjects", "subject_codes", subject_id)

    def _coded(self, names: str, codes: str, value: str | None) -> Mask:
        parts = []
        for segment in self.segments:
            code = NO_CODE if value is None else getattr(segment, names).get(value, NO_CODE - 1)
            parts.append(getattr(segment, codes) == code)
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.bool_)

    def cosines(self, query: Floats) -> Floats:
        """Cosine of every row with a unit vector; 0 where a row has no vector."""
        parts = [
            s.vectors @ query if s.vectors.shape[1] == len(query) else np.zeros(len(s), np.float32)
            for s in self.segments
        ]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)

    def document_frequency(self, term: str) -> int:
        """Rows with a term, dead ones of old segments included: they are few between two rebuilds."""
        return sum(len(found[0]) for s in self.segments if (found := s.postings.of(term)) is not None)

    def idf(self, term: str) -> float:
        """ln(1 + (N - n + ½) / (n + ½)), which is never negative."""
        total = int(self.offsets[-1])
        having = self.document_frequency(term)
        return math.log(1 + (total - having + 0.5) / (having + 0.5))

    def lexical(self, terms: Sequence[str]) -> Floats:
        """BM25 of every row for distinct terms, as a share of what a row could reach: 0 … 1."""
        scores = np.zeros(int(self.offsets[-1]), dtype=np.float32)
        weights = {term: self.idf(term) for term in terms}
        reachable = sum(weights.values()) * (K1 + 1)
        if not reachable:
            return scores
        for segment, offset in zip(self.segments, self.offsets[:-1], strict=True):
            for term, weight in weights.items():
                if (found := segment.postings.of(term)) is None:
                    continue
                rows, counts = found
                length = segment.postings.lengths[rows] / self.average_length
                part = weight * counts * (K1 + 1) / (counts + K1 * (1 - B + B * length))
                scores[rows + offset] += part.astype(np.float32)
        return scores / np.float32(reachable)

    def rows_of_entities(self, entities: Iterable[int]) -> Mapping[int, Rows]:
        """Alive rows by entity, for entities that have any."""
        found: dict[int, list[Rows]] = {}
        for segment, mask, offset in zip(self.segments, self.alive, self.offsets[:-1], strict=True):
            for entity in entities:
                if (rows := segment.rows_of_entity.get(entity)) is not None:
                    rows = rows[mask[rows]]
                    if len(rows):
                        found.setdefault(entity, []).append(rows + np.int32(offset))
        return {entity: np.concatenate(parts) for entity, parts in found.items()}

    def entities_of(self, row: int) -> NDArray[np.int64]:
        segment, local = self._place(row)
        return segment.entities_of[local]
