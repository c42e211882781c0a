"""Corpora that grew by many small changes are the same as one made anew, and stay in few segments."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memoria import corpus as corpora
from memoria.corpus import Corpus, largest
from memoria.segments import Columns, Segment

DIM = 8
WORDS = [f"w{word}" for word in "tea cup kettle harbour boat wolf whale moon salt rope".split()]


def columns(rows: dict[str, int]) -> Columns:
    """Memories whose every column follows from their number."""
    made = Columns()
    for memory_id, number in rows.items():
        rng = random.Random(number)
        made.memory_ids.append(memory_id)
        made.types.append(rng.choice(["semantic", "episodic"]))
        made.tiers.append(rng.choice(["T1", "T3"]))
        made.confidences.append(rng.random())
        made.observed.append(float(number))
        made.sessions.append(rng.choice([None, "a", "b", f"only {number}"]))
        made.subjects.append(rng.choice([None, "ada"]))
        made.search_texts.append(" ".join([*rng.choices(WORDS, k=5), f"wonly{number}"]))
        passages = np.random.default_rng(number).standard_normal((rng.randrange(4), DIM)).astype(np.float16)
        made.vectors.append(passages if len(passages) else None)
        made.entities.append([rng.randrange(5)] if rng.random() < 0.3 else ())
    return made


def grown(changes: int, *, shared: int = 0) -> tuple[Corpus, dict[str, int]]:
    rng = random.Random(7)
    rows = {f"m{n}": n for n in range(60)}
    corpus = Corpus.of(Segment.of(columns(rows), DIM))
    for number in range(100, 100 + changes):
        memory_id = f"m{rng.randrange(2 * changes)}"
        changed = {memory_id: number} if rng.random() < 0.8 else {}
        rows = {known: value for known, value in rows.items() if known != memory_id} | changed
        corpus = corpus.changed([memory_id], Segment.of(columns(changed), DIM)).compacted(shared=shared)
    return corpus, rows


def seen(corpus: Corpus) -> dict[str, object]:
    """Everything a reader can ask of each memory that is alive."""
    query = np.ones(DIM, dtype=np.float32)
    means = corpus.means_with(query)
    every = np.arange(len(corpus))
    best = corpus.best_with(query, every, means)
    linked = {(int(row), entity) for entity in range(5) for row in corpus.rows_of_entity(entity)}
    having = {word: dict(zip(*(a.tolist() for a in corpus.postings(word)), strict=True)) for word in WORDS}
    found = {}
    for row in np.flatnonzero(corpus.mask).tolist():
        assert corpus.row_of(corpus.memory_id(row)) == row
        found[corpus.memory_id(row)] = (
            (corpus.types[row], corpus.tiers[row], corpus.confidences[row], corpus.observed[row]),
            [bool(corpus.of_session(name)[row]) for name in (None, "a", "b", "unheard of")],
            bool(corpus.of_subject("ada")[row]),
            (bool(corpus.has_vector[row]), round(float(means[row]), 4), round(float(best[row]), 4)),
            sorted(corpus.words_of(row)),
            [having[word].get(row) for word in WORDS],
            corpus.lengths[row],
            (list(corpus.entities_of(row)), [entity for entity in range(5) if (row, entity) in linked]),
        )
    return found


def test_many_small_changes_leave_what_one_reading_would() -> None:
    corpus, rows = grown(400)
    assert seen(corpus) == seen(Corpus.of(Segment.of(columns(rows), DIM)))


def test_steady_writing_leaves_few_segments_and_few_dead_rows() -> None:
    corpus, rows = grown(1_500)
    assert len(corpus.segments) <= 7
    assert len(corpus) < 1.5 * len(rows)
    words = {word for segment in corpus.segments for word in segment.postings.numbers}
    assert len(words) <= len(WORDS) + len(corpus)  # those of rows that are gone went with them


def test_segments_of_another_view_are_left_alone() -> None:
    base = Corpus.of(Segment.of(columns({f"m{n}": n for n in range(10)}), DIM))
    corpus = base
    for number in range(100, 150):
        made = Segment.of(columns({f"n{number}": number}), DIM)
        corpus = corpus.changed([], made).compacted(shared=1)
    assert corpus.segments[0] is base.segments[0]
    assert corpus.size == 60


def test_every_row_is_copied_a_few_times_only(monkeypatch: object) -> None:
    copied = 0
    merged = Segment.merged.__func__  # type: ignore[attr-defined]

    def counting(cls, parts):  # type: ignore[no-untyped-def]
        nonlocal copied
        copied += sum(len(segment) for segment, _ in parts)
        return merged(cls, parts)

    monkeypatch.setattr(corpora.Segment, "merged", classmethod(counting))  # type: ignore[attr-defined]
    base = Corpus.of(Segment.of(columns({f"m{n}": n for n in range(5_000)}), DIM))
    for number in range(10_000, 10_400):
        base = base.changed([], Segment.of(columns({f"m{number}": number}), DIM)).compacted()
    assert copied < 400 * 40  # reading everything anew for each would be 400 x 5,000


@given(st.lists(st.sampled_from([-np.inf, -2, 0, 0, 0, 1, 7]), max_size=60), st.integers(0, 70))
def test_the_largest_come_first_and_of_like_ones_the_first(values: list[float], count: int) -> None:
    wanted = sorted(range(len(values)), key=lambda place: (-values[place], place))[:count]
    assert largest(np.array(values, dtype=np.float32), count).tolist() == wanted
