"""A user's memories as arrays, for scoring all of them at once.

A `Segment` is an immutable block of rows; a `Corpus` is a set of segments with a mask of the rows that are alive in
one view. Changing a view makes a new corpus that shares the old segments and adds a small one, so that refreshing
costs as much as changed, and branches share what they have in common with main.
"""

import math
from bisect import bisect_right
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
RowNumbers = NDArray[np.int32] | NDArray[np.int64]

# BM25 (Robertson and Zaragoza 2009). Lengths count in full (b = 1): what somebody says in two lines about a thing is
# more about it than a page that mentions it. Both constants are measured in docs/decisions/0009.
K1 = 3.0
B = 1.0

# What CPython takes for a word with its number, for a row's id with its place and its small columns, for a link, and
# for a segment and a corpus with nothing in them. Measured, and a little more.
WORD_BYTES, ROW_BYTES, LINK_BYTES = 135, 220, 250
SEGMENT_BYTES, CORPUS_BYTES = 4_500, 1_500
# A row in the columns that a corpus of several segments joins when they are first asked for.
JOINED_ROW_BYTES = 30
# A segment is merged with the one below it when that has less than this many times its rows: few segments make
# searching fast, rare merging makes refreshing fast.
MERGED_BELOW = 4

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


@dataclass(slots=True)
class Vectors:
    """The mean of every memory's passages, and the passages of those that have several, one after the other."""

    means: Floats
    known: Mask
    """Rows that have a vector."""
    passages: Halves
    starts: Rows

    @classmethod
    def of(cls, vectors: Sequence[Halves | None], dim: int) -> "Vectors":
        means = np.zeros((len(vectors), dim), dtype=np.float32)
        known = np.zeros(len(vectors), dtype=np.bool_)
        counts = np.zeros(len(vectors), dtype=np.int64)
        parts: list[Halves] = []
        for row, passages in enumerate(vectors):
            if passages is None or passages.shape[1] != dim:
                continue
            known[row] = True
            means[row] = passages.mean(axis=0, dtype=np.float32)
            if len(passages) > 1:
                counts[row] = len(passages)
                parts.append(passages)
        together = np.concatenate(parts) if parts else np.zeros((0, dim), dtype=np.float16)
        return cls(means, known, together, np.concatenate([[0], np.cumsum(counts)]))

    @classmethod
    def merged(cls, parts: Sequence[tuple["Vectors", Rows]]) -> "Vectors":
        """One of several, each with the rows to keep of it, in order."""
        counts = [np.diff(part.starts)[kept] for part, kept in parts]
        passages = [part.passages[part.places(kept)] for part, kept in parts]
        return cls(
            np.concatenate([part.means[kept] for part, kept in parts]),
            np.concatenate([part.known[kept] for part, kept in parts]),
            np.concatenate(passages),
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
        self._starts = self.offsets[:-1].tolist()  # finding one row's segment takes a tenth of asking NumPy

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

    def compacted(self, *, shared: int = 0) -> "Corpus":
        """The same with small segments merged into those below, so that there are few however much is written; but
        for the first ones that are `shared` with another view.

        Every row is copied a few times for each fourfold growth, and what is dead left behind on the way.
        """
        first = len(self.segments) - 1
        rows = len(self.segments[first])
        while first > shared and rows * MERGED_BELOW > len(self.segments[first - 1]):
            first -= 1
            rows += len(self.segments[first])
        if first == len(self.segments) - 1:
            return self
        top = Segment.merged(list(zip(self.segments[first:], self.alive[first:], strict=True)))
        return Corpus([*self.segments[:first], top], [*self.alive[:first], np.ones(len(top), dtype=np.bool_)])

    @property
    def own_nbytes(self) -> int:
        """What this view holds beside the segments: masks, and columns joined over several of them."""
        joined = JOINED_ROW_BYTES if len(self.segments) > 1 else 0
        return CORPUS_BYTES + (6 + joined) * len(self)

    def __len__(self) -> int:
        """Rows, dead ones included."""
        return int(self.offsets[-1])

    @cached_property
    def mask(self) -> Mask:
        return self.alive[0] if len(self.alive) == 1 else np.concatenate(self.alive)

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

    @cached_property
    def _norms(self) -> Floats:
        return K1 * (1 - B + B * self.lengths / self.average_length)  # type: ignore[no-any-return]

    def _joined(self, part: Callable[[Segment], Any]) -> Any:
        if len(self.segments) == 1:
            return part(self.segments[0])
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
        number = bisect_right(self._starts, row) - 1
        return self.segments[number], row - self._starts[number]

    # Filters

    def having(self, memory_ids: Iterable[str]) -> Mask:
        """Alive rows of these ids."""
        mask = np.zeros(len(self), dtype=np.bool_)
        mask[[row for memory_id in memory_ids if (row := self.row_of(memory_id)) is not None]] = True
        return mask

    def of_session(self, session_id: str | None) -> Mask:
        """Rows of a session; None: rows of no session."""
        return self._joined(lambda s: s.sessions.of_value(session_id))  # type: ignore[no-any-return]

    def of_subject(self, subject_id: str | None) -> Mask:
        return self._joined(lambda s: s.subjects.of_value(subject_id))  # type: ignore[no-any-return]

    # Meaning

    @cached_property
    def has_vector(self) -> Mask:
        return self._joined(lambda s: s.vectors.known)

    @cached_property
    def embedded(self) -> int:
        """Rows alive that have a vector."""
        return int(np.count_nonzero(self.has_vector & self.mask))

    def means_with(self, query: Floats) -> Floats:
        """Mean cosine of every row's passages with a unit vector; 0 where a row has no vector."""
        means = [segment.vectors.means for segment in self.segments]
        return np.concatenate(
            [m @ query if m.shape[1] == len(query) else np.zeros(len(m), np.float32) for m in means]
        )

    @cached_property
    def has_passages(self) -> bool:
        """Whether any row has several passages, so that its best one is not its mean."""
        return any(len(segment.vectors.passages) for segment in self.segments)

    def best_with(self, query: Floats, rows: NDArray[np.intp], means: Floats) -> Floats:
        """Cosine of the best passage of each of the `rows`; their mean where there is but one."""
        best = means[rows].copy()
        for segment, offset in zip(self.segments, self.offsets[:-1], strict=True):
            vectors = segment.vectors
            if not len(vectors.passages) or vectors.passages.shape[1] != len(query):
                continue
            inside = np.flatnonzero((rows >= offset) & (rows < offset + len(segment)))
            local = rows[inside] - offset
            counts = vectors.starts[local + 1] - vectors.starts[local]
            inside, local, counts = inside[counts > 0], local[counts > 0], counts[counts > 0]
            if not len(local):
                continue
            cosines = vectors.passages[vectors.places(local)].astype(np.float32) @ query
            best[inside] = np.maximum.reduceat(cosines, np.cumsum(counts) - counts)
        return best

    def means_of(self, rows: NDArray[np.intp]) -> Floats:
        """The mean vector of each of these rows, at least one."""
        if len(self.segments) == 1:
            return self.segments[0].vectors.means[rows]  # type: ignore[no-any-return]
        places = [self._place(row) for row in rows.tolist()]
        return np.stack([segment.vectors.means[local] for segment, local in places])

    # Words

    def postings(self, word: str) -> tuple[RowNumbers, Floats]:
        """Rows that have a word and how often, dead ones of old segments included: they are few. For reading only."""
        if len(self.segments) == 1 and (found := self.segments[0].postings.of(word)) is not None:
            return found
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
            scores[rows] += (weight * counts / (counts + self._norms[rows])).astype(np.float32)
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

    def rows_named(self, name: str, *, is_name: bool = False) -> RowNumbers:
        """Rows that carry a token as a name; a weak one counts where some row carries it strongly, or it `is_name`
        for another reason.
        """
        strong, _ = self.postings(signals.STRONG + name)
        if not len(strong) and not is_name:
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
