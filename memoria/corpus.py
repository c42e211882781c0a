"""A user's memories as arrays, for scoring all of them at once.

A `Segment` is an immutable block of rows (memoria/segments.py); a `Corpus` is a set of segments with a mask of the
rows that are alive in one view. Changing a view makes a new corpus that shares the old segments and adds a small one,
so that refreshing costs as much as changed, and branches share what they have in common with main.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memoria import signals
from memoria.segments import Floats, Mask, Rows, Segment

RowNumbers = NDArray[np.int32] | NDArray[np.int64]

# BM25 (Robertson and Zaragoza 2009). Lengths count in full (b = 1): what somebody says in two lines about a thing is
# more about it than a page that mentions it. Both constants are measured in docs/decisions/0009.
K1 = 3.0
B = 1.0

# What a corpus with nothing in it takes, and a row in the columns that one of several segments joins when they are
# first asked for. Measured, and a little more.
CORPUS_BYTES, JOINED_ROW_BYTES = 1_500, 30
# A segment is merged with the one below it when that has less than this many times its rows: few segments make
# searching fast, rare merging makes refreshing fast.
MERGED_BELOW = 4


def largest(values: NDArray[Any], count: int) -> NDArray[np.intp]:
    """Places of the `count` largest values, largest first, ties by place. Sorts no more than it returns."""
    if count >= len(values):
        return np.argsort(-values, kind="stable")
    if count < 1:
        return np.zeros(0, dtype=np.intp)
    least = values[np.argpartition(-values, count)[:count]].min()
    found = np.flatnonzero(values > least)  # of those that tie for the last places partition takes any
    found = np.concatenate([found, np.flatnonzero(values == least)[: count - len(found)]])
    return found[np.argsort(-values[found], kind="stable")]


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
            [m.times(query) if m.dim == len(query) else np.zeros(len(m), np.float32) for m in means]
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
            if not len(vectors.passages) or vectors.passages.dim != len(query):
                continue
            inside = np.flatnonzero((rows >= offset) & (rows < offset + len(segment)))
            local = rows[inside] - offset
            counts = vectors.starts[local + 1] - vectors.starts[local]
            inside, local, counts = inside[counts > 0], local[counts > 0], counts[counts > 0]
            if not len(local):
                continue
            cosines = vectors.passages.taken(vectors.places(local)).times(query)
            best[inside] = np.maximum.reduceat(cosines, np.cumsum(counts) - counts)
        return best

    def means_of(self, rows: NDArray[np.intp]) -> Floats:
        """The mean vector of each of these rows, at least one."""
        if len(self.segments) == 1:
            return self.segments[0].vectors.means.taken(rows).spelled()
        found = np.empty((len(rows), self.segments[0].vectors.means.dim), dtype=np.float32)
        for segment, offset in zip(self.segments, self.offsets[:-1], strict=True):
            inside = (rows >= offset) & (rows < offset + len(segment))
            found[inside] = segment.vectors.means.taken(rows[inside] - offset).spelled()
        return found

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
