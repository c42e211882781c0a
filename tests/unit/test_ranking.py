"""What moves a memory up or down, on corpora of a few lines with made-up vectors."""

import numpy as np
import pytest

from memoria.corpus import Corpus
from memoria.feedback import HALF_LIFE_DAYS, factor
from memoria.ranking import Question, rank
from memoria.search_text import search_text
from memoria.segments import Columns, Segment
from memoria.signals import names
from memoria.tokens import search_terms
from memoria.weights import DEFAULT

DAY = 86_400.0
NOW = 20_000 * DAY
QUERY = "where does the harbour office keep the keys"
# Near enough to the query to be an answer; two memories on different sides of it are alike, but not the same.
NEAR = 0.85


def vector(cosine, side=0):
    """A unit vector at this cosine to the query, turned to one of a few sides."""
    found = np.zeros(8, dtype=np.float32)
    found[0], found[1 + side] = cosine, (1 - cosine**2) ** 0.5
    return found


def corpus(*memories):
    """Each memory: its text and, by name, what differs from a fresh trusted fact near the query."""
    columns = Columns()
    for number, (text, fields) in enumerate(memories):
        columns.memory_ids.append(str(number))
        columns.types.append(fields.get("type", "semantic"))
        columns.tiers.append(fields.get("tier", "T1"))
        columns.confidences.append(fields.get("confidence", 0.95))
        columns.observed.append(NOW - fields.get("age", 0) * DAY)
        columns.sessions.append(None)
        columns.subjects.append(None)
        columns.search_texts.append(search_text(text))
        columns.vectors.append(
            vector(fields.get("cosine", NEAR), fields.get("side", 0))[None].astype(np.float16)
        )
        columns.entities.append(())
    return Corpus.of(Segment.of(columns, 8))


def ranked(*memories, top_k=5, query=QUERY, weights=DEFAULT, **options):
    found = corpus(*memories)
    question = Question(now=NOW, vector=vector(1.0), terms=search_terms(query), names=names(query))
    return rank(found, question, allowed=found.mask, top_k=top_k, weights=weights, **options)


def order(*memories, **options):
    return [hit.row for hit in ranked(*memories, **options).hits]


KEYS, DRAWER = (
    "The keys of the harbour office hang in the hall",
    "The keys of the harbour office lie in the hall",
)


@pytest.mark.parametrize("memory_type", ["semantic", "working"])
def test_what_is_confirmed_stays_fresh(memory_type):
    old = {"type": memory_type, "age": 300}
    newer = {"type": memory_type, "age": 200, "side": 1}
    # Of two that say the same, the one that was last said longer ago loses: confirmed, that is the other one.
    assert order((KEYS, old), (DRAWER, newer)) == [1, 0]
    monthly = {"repeats": lambda _: {"0": NOW - 5 * DAY}}
    assert order((KEYS, old), (DRAWER, newer), **monthly) == [0, 1]
    # And where nothing else is alike, it counts as on the day it was said again, and no more.
    once = ranked((KEYS, old)).hits[0]
    again = ranked((KEYS, old), **monthly).hits[0]
    fresh = ranked((KEYS, {**old, "age": 5})).hits[0]
    assert once.score < again.score == pytest.approx(fresh.score)
    assert again.multipliers["repeated"] > 1


def test_a_repetition_from_before_it_was_observed_changes_nothing():
    assert ranked((KEYS, {}), repeats=lambda _: {"0": NOW - 9 * DAY}).hits[0].multipliers["repeated"] == 1


def test_whoever_chooses_gets_what_is_good_enough_and_no_more():
    strong = [(f"{KEYS} of floor {number}", {"side": number}) for number in range(7)]
    weak = [("Something else is said here", {"cosine": 0.3, "side": number}) for number in range(6)]
    assert len(order(*strong, *weak, top_k=3)) == 3
    chosen = order(*strong, *weak, top_k=3, choice=30)
    assert set(chosen) == set(range(7))
    # What is too far from the best for three is not for thirty.
    assert set(order(*strong, *weak, top_k=30)) > set(chosen)
    assert order(("Nothing of the kind", {"cosine": 0.2}), top_k=3, choice=30) == []


def test_a_signal_counts_half_after_its_half_life():
    def lift(age_days):
        return factor([("useful", age_days)], 0.1) - 1

    assert lift(HALF_LIFE_DAYS) == pytest.approx(lift(0) / 2)
    assert lift(2 * HALF_LIFE_DAYS) == pytest.approx(lift(0) / 4)


def test_the_nearest_of_many_unrelated_memories_is_no_answer():
    memory = ("Ben collects stamps", {"cosine": 0.25})
    crowd = [("Something else", {"cosine": cosine}) for cosine in (0.0, 0.12)] * 150
    assert order(memory) == [0]
    assert order(memory, *crowd) == []
    assert order(("Ben collects stamps", {"cosine": 0.35}), *crowd) == [0]
    assert order((KEYS, {"cosine": 0.25}), *crowd) == [0]  # it has the words too


def test_what_is_near_answers_where_much_else_is_half_as_near():
    memory = ("Ben collects stamps", {"cosine": 0.45})
    crowd = [("Something else", {"cosine": cosine}) for cosine in (0.0, 0.25)] * 150
    assert order(memory, *crowd)[:1] == [0]


def test_characters_shared_by_chance_are_no_answer():
    question = "恐龙灭绝于什么年代"
    assert order(("年会的时间改了", {"cosine": 0.2}), query=question) == []
    assert order(("恐龙灭绝的年代写在第三页", {"cosine": 0.2}), query=question) == [0]


def test_what_is_too_far_behind_to_be_weighed_is_counted_as_dropped():
    crowd = [("Something else", {"cosine": 0.05})] * 30
    found = ranked((KEYS, {"cosine": 0.9}), *crowd)
    assert [hit.row for hit in found.hits] == [0]
    assert found.dropped == {"below the floor": 30}
