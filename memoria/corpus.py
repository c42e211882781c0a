"""A user's memories as arrays, for scoring all of them at once.

A `Segment` is an immutable block of rows; a `Corpus` is a set of segments with a mask of the rows that are alive in
one view. Changing a view makes a new corpus that shares the old segments and adds a small one, so that refreshing
costs as much as changed, and branches share what they have in common with main.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memoria import signals
from memoria.types import MemoryType, TrustTier

Floats = NDArray[np.float32]
Halves = NDArray[np.float16]
Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]

# BM25 (Robertson and Zaragoza 2009). Lengths count in full (b = 1): what somebody says in two lines about a thing is
# more about it than a page that mentions it. Both constants are measured in docs/decisions/0009.
K1 = 3.0
B = 1.0

TYPES = tuple(MemoryType)
TIERS = tuple(TrustTier)
NO_CODE = -1
_TOKENS = ("w", "h", "s")


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
    search_texts: list[str] = field(default_factory=list)
    vectors: list[Halves | None] = field(default_factory=list)
    """One row per passage."""
    entities: list[Sequence[int]] = field(default_factory=list)
    """Entities that somebody linked; those that the rules find stand in the search text."""


class Postings:
    """For each word of the search texts the rows that have it and how often, and the words of each row."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.numbers: dict[str, int] = {}
        size = max(len(texts), 1)
        rows: list[int] = []
        words: list[int] = []
        self.lengths = np.zeros(len(texts), dtype=np.float32)
        for row, text in enumerate(texts):
            found = text.split()
            self.lengths[row] = sum(word.startswith(_TOKENS) for word in found)
            rows += [row] * len(found)
            words += [self.numbers.setdefault(word, len(self.numbers)) for word in found]
        keys = np.array(words, dtype=np.int64) * size + np.array(rows, dtype=np.int64)
        unique, counts = np.unique(keys, return_counts=True)
        of_word = unique // size
        self.rows = (unique % size).astype(np.int32)
        self.counts = counts.astype(np.float32)
        self.starts = np.searchsorted(of_word, np.arange(len(self.numbers) + 1))
        by_row = np.argsort(self.rows, kind="stable")
        self._words = of_word[by_row].astype(np.int32)
        self._word_starts = np.searchsorted(self.rows[by_row], np.arange(len(texts) + 1))

    def of(self, word: str) -> tuple[NDArray[np.int32], Floats] | None:
        if (number := self.numbers.get(word)) is None:
            return None
        part = slice(self.starts[number], self.starts[number + 1])
        return self.rows[part], self.counts[part]

    @cached_property
    def spelled(self) -> list[str]:
        return list(self.numbers)

    def words_of(self, row: int) -> list[str]:
        return [self.spelled[n] for n in self._words[self._word_starts[row] : self._word_starts[row + 1]]]

    @property
    def nbytes(self) -> int:
        arrays = (self.rows, self.counts, self.starts, self.lengths, self._words, self._word_starts)
        return sum(array.nbytes for array in arrays) + 118 * len(self.numbers)


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
        self.sessions, self.session_codes = _coded(columns.sessions)
        self.subjects, self.subject_codes = _coded(columns.subjects)
        self.postings = Postings(columns.search_texts)
        self.is_fact = self._marked(signals.FACT)
        self.is_instruction = self._marked(signals.INSTRUCTION)
        self.is_preference = self._marked(signals.PREFERENCE)
        self.is_telling = self._marked(signals.TELLING)
        self.voice = np.zeros(size, dtype=np.float32)
        for level in range(-signals.VOICE_STEPS, signals.VOICE_STEPS + 1):
            marked = self._marked(f"{signals.VOICE}{level + signals.VOICE_STEPS}")
            self.voice[marked] = level / signals.VOICE_STEPS
        self._take_vectors(columns.vectors, dim)
        self.entities_of = {row: every for row, every in enumerate(columns.entities) if len(every)}
        self.rows_of_entity: dict[int, list[int]] = {}
        for row, every in self.entities_of.items():
            for entity in every:
                self.rows_of_entity.setdefault(entity, []).append(row)

    def _marked(self, mark: str) -> Mask:
        marked = np.zeros(len(self.memory_ids), dtype=np.bool_)
        if (found := self.postings.of(mark)) is not None:
            marked[found[0]] = True
        return marked

    def _take_vectors(self, vectors: Sequence[Halves | None], dim: int) -> None:
        """Keep the mean of every memory's passages, and the passages of those that have several."""
        self.means = np.zeros((len(vectors), dim), dtype=np.float32)
        self.has_vector = np.zeros(len(vectors), dtype=np.bool_)
        counts = np.zeros(len(vectors), dtype=np.int64)
        parts: list[Halves] = []
        for row, passages in enumerate(vectors):
            if passages is None or passages.shape[1] != dim:
                continue
            self.has_vector[row] = True
            self.means[row] = passages.mean(axis=0, dtype=np.float32)
            if len(passages) > 1:
                counts[row] = len(passages)
                parts.append(passages)
        self.passages: Halves = np.concatenate(parts) if parts else np.zeros((0, dim), dtype=np.float16)
        self.passage_starts = np.concatenate([[0], np.cumsum(counts)])

    def __len__(self) -> int:
        return len(self.memory_ids)

    @cached_property
    def nbytes(self) -> int:
        """About what the segment holds in memory."""
        arrays = self.means.nbytes + self.passages.nbytes + 45 * len(self)
        links = 200 * (len(self.entities_of) + len(self.rows_of_entity))
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

    def __len__(self) -> int:
        """Rows, dead ones included."""
        return int(self.offsets[-1])

    @cached_property
    def mask(self) -> Mask:
        return np.concatenate(self.alive) if self.alive else np.zeros(0, dtype=np.bool_)

    @cached_property
    def size(self) -> int:
        """Rows alive."""
        return int(self.mask.sum())

    @cached_property
    def types(self) -> NDArray[np.int8]:
        return self._joined(lambda s: s.types)

    @cached_property
    def tiers(self) -> NDArray[np.int8]:
        return self._joined(lambda s: s.tiers)

    @cached_property
    def confidences(self) -> Floats:
        return self._joined(lambda s: s.confidences)

    @cached_property
    def observed(self) -> NDArray[np.float64]:
        return self._joined(lambda s: s.observed)

    @cached_property
    def is_fact(self) -> Mask:
        return self._joined(lambda s: s.is_fact)

    @cached_property
    def is_instruction(self) -> Mask:
        return self._joined(lambda s: s.is_instruction)

    @cached_property
    def is_preference(self) -> Mask:
        return self._joined(lambda s: s.is_preference)

    @cached_property
    def is_telling(self) -> Mask:
        return self._joined(lambda s: s.is_telling)

    @cached_property
    def voice(self) -> Floats:
        return self._joined(lambda s: s.voice)

    @cached_property
    def lengths(self) -> Floats:
        """Tokens of each row."""
        return self._joined(lambda s: s.postings.lengths)

    @cached_property
    def average_length(self) -> float:
        return max(float(self.lengths[self.mask].mean()), 1.0) if self.size else 1.0

    def _joined(self, part: Callable[[Segment], Any]) -> Any:
        return np.concatenate([part(segment) for segment in self.segments])

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

    def words_of(self, row: int) -> list[str]:
        """The distinct words of a row's search text, marks included."""
        segment, local = self._place(row)
        return segment.postings.words_of(local)

    def _place(self, row: int) -> tuple[Segment, int]:
        number = int(np.searchsorted(self.offsets, row, side="right")) - 1
        return self.segments[number], row - int(self.offsets[number])

    # Filters

    def having(self, memory_ids: Iterable[str]) -> Mask:
        """Alive rows of these ids."""
        mask = np.zeros(len(self), dtype=np.bool_)
        mask[[row for memory_id in memory_ids if (row := self.row_of(memory_id)) is not None]] = True
        return mask

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

    # Meaning

    @cached_property
    def has_vector(self) -> Mask:
        return self._joined(lambda s: s.has_vector)

    @cached_property
    def embedded(self) -> int:
        """Rows alive that have a vector."""
        return int(np.count_nonzero(self.has_vector & self.mask))

    def means_with(self, query: Floats) -> Floats:
        """Mean cosine of every row's passages with a unit vector; 0 where a row has no vector."""
        parts = [
            s.means @ query if s.means.shape[1] == len(query) else np.zeros(len(s), np.float32)
            for s in self.segments
        ]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)

    def best_with(self, query: Floats, rows: NDArray[np.intp], means: Floats) -> Floats:
        """Cosine of the best passage of each of the `rows`; their mean where there is but one."""
        best = means[rows].copy()
        for segment, offset in zip(self.segments, self.offsets[:-1], strict=True):
            inside = np.flatnonzero((rows >= offset) & (rows < offset + len(segment)))
            local = rows[inside] - offset
            counts = segment.passage_starts[local + 1] - segment.passage_starts[local]
            inside, local, counts = inside[counts > 0], local[counts > 0], counts[counts > 0]
            if not len(local) or segment.passages.shape[1] != len(query):
                continue
            firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
            places = np.repeat(segment.passage_starts[local] - firsts, counts) + np.arange(counts.sum())
            cosines = segment.passages[places].astype(np.float32) @ query
            best[inside] = np.maximum.reduceat(cosines, firsts)
        return best

    def mean_of(self, row: int) -> Floats:
        segment, local = self._place(row)
        return segment.means[local]

    # Words

    def postings(self, word: str) -> tuple[Rows, Floats]:
        """Rows that have a word and how often, dead ones of old segments included: they are few."""
        rows, counts = [], []
        for segment, offset in zip(self.segments, self.offsets[:-1], strict=True):
            if (found := segment.postings.of(word)) is not None:
                rows.append(found[0] + offset)
                counts.append(found[1])
        if not rows:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        return np.concatenate(rows), np.concatenate(counts)

    def idf(self, having: int) -> float:
        """ln(1 + (N - n + ½) / (n + ½)) for a word that n rows have; never negative."""
        return math.log(1 + (len(self) - having + 0.5) / (having + 0.5))

    def lexical(self, terms: Mapping[str, int]) -> Floats:
        """BM25 of every row for terms and how often the query has them, as a share of what a row could reach with
        those that occur in the corpus: 0 … 1.
        """
        scores = np.zeros(len(self), dtype=np.float32)
        reachable = 0.0
        for term, times in terms.items():
            rows, counts = self.postings(term)
            if not len(rows):
                continue
            weight = times * self.idf(len(rows)) * (K1 + 1)
            norm = K1 * (1 - B + B * self.lengths[rows] / self.average_length)
            scores[rows] += (weight * counts / (counts + norm)).astype(np.float32)
            reachable += weight
        return scores / np.float32(reachable) if reachable else scores

    def coverage(self, terms: Mapping[str, int]) -> Floats:
        """The share of the query's terms, by rarity, that each row has; terms that no row has count as the rarest."""
        scores = np.zeros(len(self), dtype=np.float32)
        reachable = 0.0
        for term in terms:
            rows, _ = self.postings(term)
            weight = self.idf(len(rows))
            scores[rows] += weight
            reachable += weight
        return scores / np.float32(reachable) if reachable else scores

    # Names and links

    def rows_named(self, name: str) -> Rows:
        """Rows that carry a token as a name; a weak one counts where some row carries it strongly."""
        strong, _ = self.postings(signals.STRONG + name)
        if not len(strong):
            return strong
        weak, _ = self.postings(signals.WEAK + name)
        return np.concatenate([strong, weak])

    @cached_property
    def has_links(self) -> bool:
        """Whether anybody linked anything."""
        return any(segment.entities_of for segment in self.segments)

    def rows_of_entity(self, entity: int) -> Rows:
        """Rows that somebody linked to an entity."""
        found = [
            offset + row
            for segment, offset in zip(self.segments, self.offsets[:-1], strict=True)
            for row in segment.rows_of_entity.get(entity, ())
        ]
        return np.array(found, dtype=np.int64)

    def entities_of(self, row: int) -> Sequence[int]:
        segment, local = self._place(row)
        return segment.entities_of.get(local, ())
