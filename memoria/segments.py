"""Immutable blocks of memories as arrays: their words, vectors, names and columns. memoria/corpus.py puts together
from them what one view holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from memoria import signals
from memoria.rounded import BLOCK, Rounded
from memoria.types import MemoryType, TrustTier

Floats = NDArray[np.float32]
Halves = NDArray[np.float16]
Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]

# What CPython takes for a word with its number, for a row's id with its place and its small columns, for a link, and
# for a segment with nothing in it. Measured, and a little more.
WORD_BYTES, ROW_BYTES, LINK_BYTES, SEGMENT_BYTES = 135, 220, 250, 4_500

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

    def __init__(
        self, numbers: dict[str, int], words: Rows, rows: Rows, counts: Floats, lengths: Floats
    ) -> None:
        """`words` (by number), `rows` and `counts` hold one entry for each word of each row, in any order."""
        self.numbers = numbers
        self.lengths = lengths
        order = np.lexsort((rows, words))
        of_word = words[order]
        self.rows = rows[order].astype(np.int32)
        self.counts = counts[order].astype(np.float32)
        self.starts = np.searchsorted(of_word, np.arange(len(numbers) + 1))
        by_row = np.argsort(self.rows, kind="stable")
        self._words = of_word[by_row].astype(np.int32)
        self._word_starts = np.searchsorted(self.rows[by_row], np.arange(len(lengths) + 1))

    @classmethod
    def of_texts(cls, texts: Sequence[str]) -> "Postings":
        numbers: dict[str, int] = {}
        size = max(len(texts), 1)
        rows: list[int] = []
        words: list[int] = []
        lengths = np.zeros(len(texts), dtype=np.float32)
        for row, text in enumerate(texts):
            found = text.split()
            lengths[row] = sum(word.startswith(_TOKENS) for word in found)
            rows += [row] * len(found)
            words += [numbers.setdefault(word, len(numbers)) for word in found]
        keys = np.array(words, dtype=np.int64) * size + np.array(rows, dtype=np.int64)
        unique, counts = np.unique(keys, return_counts=True)
        return cls(numbers, unique // size, unique % size, counts.astype(np.float32), lengths)

    @classmethod
    def merged(cls, parts: Sequence[tuple["Postings", Rows]]) -> "Postings":
        """One of several, each with the rows to keep of it, in order. Words that no row has any more are dropped."""
        numbers: dict[str, int] = {}
        words, rows, counts, offset = [], [], [], 0
        for part, kept in parts:
            place = np.full(len(part.lengths), -1, dtype=np.int64)
            place[kept] = np.arange(offset, offset + len(kept))
            of_word = np.repeat(np.arange(len(part.numbers)), np.diff(part.starts))
            stays = place[part.rows] >= 0
            used, known_as = np.unique(of_word[stays], return_inverse=True)
            spelled = list(part.numbers)
            new = [numbers.setdefault(spelled[number], len(numbers)) for number in used.tolist()]
            words.append(np.array(new, dtype=np.int64)[known_as])
            rows.append(place[part.rows[stays]])
            counts.append(part.counts[stays])
            offset += len(kept)
        lengths = np.concatenate([part.lengths[kept] for part, kept in parts])
        return cls(numbers, np.concatenate(words), np.concatenate(rows), np.concatenate(counts), lengths)

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
        return sum(array.nbytes for array in arrays) + WORD_BYTES * len(self.numbers)


def _mean(passages: Halves) -> Floats | Halves:
    return passages.mean(axis=0, dtype=np.float32) if len(passages) > 1 else passages[0]


@dataclass(slots=True)
class Vectors:
    """The mean of every memory's passages, and the passages of those that have several, one after the other."""

    means: Rounded
    known: Mask
    """Rows that have a vector."""
    passages: Rounded
    starts: Rows

    @classmethod
    def of(cls, vectors: Sequence[Halves | None], dim: int) -> "Vectors":
        fit = [part if part is not None and part.shape[1] == dim else None for part in vectors]
        counts = [len(part) if part is not None and len(part) > 1 else 0 for part in fit]
        starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        means, passages = Rounded.empty(len(fit), dim), Rounded.empty(int(starts[-1]), dim)
        block = np.zeros((min(BLOCK, len(fit)), dim), dtype=np.float32)
        for first in range(0, len(fit), BLOCK):
            some = fit[first : first + BLOCK]
            for place, part in enumerate(some):
                block[place] = 0.0 if part is None else _mean(part)
            means.put(first, block[: len(some)])
        for start, count, part in zip(starts, counts, fit, strict=False):
            if count and part is not None:
                passages.put(int(start), part.astype(np.float32))
        known = np.array([part is not None for part in fit], dtype=np.bool_)
        return cls(means, known, passages, starts)

    @classmethod
    def merged(cls, parts: Sequence[tuple["Vectors", Rows]]) -> "Vectors":
        """One of several, each with the rows to keep of it, in order."""
        counts = [np.diff(part.starts)[kept] for part, kept in parts]
        return cls(
            Rounded.joined([part.means.taken(kept) for part, kept in parts]),
            np.concatenate([part.known[kept] for part, kept in parts]),
            Rounded.joined([part.passages.taken(part.places(kept)) for part, kept in parts]),
            np.concatenate([[0], np.cumsum(np.concatenate(counts))]),
        )

    def places(self, rows: Rows) -> Rows:
        """Where the passages of these rows are, row after row."""
        counts = self.starts[rows + 1] - self.starts[rows]
        firsts = np.cumsum(counts) - counts
        return np.repeat(self.starts[rows] - firsts, counts) + np.arange(counts.sum())

    @property
    def nbytes(self) -> int:
        return self.means.nbytes + self.known.nbytes + self.passages.nbytes + self.starts.nbytes


class Segment:
    """An immutable block of memories."""

    def __init__(
        self,
        *,
        memory_ids: list[str],
        types: NDArray[np.int8],
        tiers: NDArray[np.int8],
        confidences: Floats,
        observed: NDArray[np.float64],
        sessions: "Codes",
        subjects: "Codes",
        postings: Postings,
        vectors: Vectors,
        entities_of: dict[int, Sequence[int]],
    ) -> None:
        self.memory_ids = memory_ids
        self.row_of = dict(zip(memory_ids, range(len(memory_ids)), strict=True))
        self.types, self.tiers = types, tiers
        self.confidences, self.observed = confidences, observed
        self.sessions, self.subjects = sessions, subjects
        self.postings = postings
        self.vectors = vectors
        self.is_fact = self._marked(signals.FACT)
        self.is_instruction = self._marked(signals.INSTRUCTION)
        self.is_preference = self._marked(signals.PREFERENCE)
        self.is_telling = self._marked(signals.TELLING)
        self.voice = np.zeros(len(memory_ids), dtype=np.float32)
        for level in range(-signals.VOICE_STEPS, signals.VOICE_STEPS + 1):
            marked = self._marked(f"{signals.VOICE}{level + signals.VOICE_STEPS}")
            self.voice[marked] = level / signals.VOICE_STEPS
        self.entities_of = entities_of
        self.rows_of_entity: dict[int, list[int]] = {}
        for row, every in self.entities_of.items():
            for entity in every:
                self.rows_of_entity.setdefault(entity, []).append(row)

    @classmethod
    def of(cls, columns: Columns, dim: int) -> "Segment":
        return cls(
            memory_ids=columns.memory_ids,
            types=np.array([TYPES.index(MemoryType(t)) for t in columns.types], dtype=np.int8),
            tiers=np.array([TIERS.index(TrustTier(t)) for t in columns.tiers], dtype=np.int8),
            confidences=np.array(columns.confidences, dtype=np.float32),
            observed=np.array(columns.observed, dtype=np.float64),
            sessions=Codes.of(columns.sessions),
            subjects=Codes.of(columns.subjects),
            postings=Postings.of_texts(columns.search_texts),
            vectors=Vectors.of(columns.vectors, dim),
            entities_of={row: every for row, every in enumerate(columns.entities) if len(every)},
        )

    @classmethod
    def merged(cls, parts: Sequence[tuple["Segment", Mask]]) -> "Segment":
        """The rows of several that are alive, in order, without reading anything anew."""
        kept = [(segment, np.flatnonzero(alive)) for segment, alive in parts]
        memory_ids: list[str] = []
        entities_of: dict[int, Sequence[int]] = {}
        for segment, rows in kept:
            if segment.entities_of:
                place = {int(row): len(memory_ids) + n for n, row in enumerate(rows)}
                links = segment.entities_of.items()
                entities_of |= {place[row]: every for row, every in links if row in place}
            memory_ids += [segment.memory_ids[row] for row in rows]
        return cls(
            memory_ids=memory_ids,
            types=np.concatenate([segment.types[rows] for segment, rows in kept]),
            tiers=np.concatenate([segment.tiers[rows] for segment, rows in kept]),
            confidences=np.concatenate([segment.confidences[rows] for segment, rows in kept]),
            observed=np.concatenate([segment.observed[rows] for segment, rows in kept]),
            sessions=Codes.merged([(segment.sessions, rows) for segment, rows in kept]),
            subjects=Codes.merged([(segment.subjects, rows) for segment, rows in kept]),
            postings=Postings.merged([(segment.postings, rows) for segment, rows in kept]),
            vectors=Vectors.merged([(segment.vectors, rows) for segment, rows in kept]),
            entities_of=entities_of,
        )

    def _marked(self, mark: str) -> Mask:
        marked = np.zeros(len(self.memory_ids), dtype=np.bool_)
        if (found := self.postings.of(mark)) is not None:
            marked[found[0]] = True
        return marked

    def __len__(self) -> int:
        return len(self.memory_ids)

    @cached_property
    def nbytes(self) -> int:
        """About what the segment holds in memory; a test walks the objects."""
        links = LINK_BYTES * (len(self.entities_of) + len(self.rows_of_entity))
        coded = self.sessions.nbytes + self.subjects.nbytes
        rows = SEGMENT_BYTES + ROW_BYTES * len(self)
        return rows + self.vectors.nbytes + self.postings.nbytes + links + coded


@dataclass(slots=True)
class Codes:
    """Small numbers for texts; NO_CODE for None."""

    numbers: dict[str, int]
    codes: NDArray[np.int32]

    @classmethod
    def of(cls, values: Sequence[str | None]) -> "Codes":
        numbers: dict[str, int] = {}
        codes = [NO_CODE if value is None else numbers.setdefault(value, len(numbers)) for value in values]
        return cls(numbers, np.array(codes, dtype=np.int32))

    @classmethod
    def merged(cls, parts: Sequence[tuple["Codes", Rows]]) -> "Codes":
        """One of several, each with the rows to keep of it, in order."""
        values: list[str | None] = []
        for part, kept in parts:
            spelled = [*part.numbers, None]  # NO_CODE is the last of them
            values += [spelled[code] for code in part.codes[kept]]
        return cls.of(values)

    def of_value(self, value: str | None) -> Mask:
        code = NO_CODE if value is None else self.numbers.get(value, NO_CODE - 1)
        return self.codes == code

    @property
    def nbytes(self) -> int:
        return self.codes.nbytes + WORD_BYTES * len(self.numbers)
