"""Ranking a corpus for a query: channels, links, priors, cut, diversity. Pure functions over arrays.

What a memory is worth for a query is a sum in units of cosine: closeness of meaning, the share of the reachable BM25
score, and the share of the query's names that it carries. A fact without evidence of its own may owe its place to a
link, a rare name it shares with a good one. Absolute sums rank as well as ranks do and, unlike ranks, say when
nothing is relevant. docs/decisions/0009 has the measurements behind every constant.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from memoria import priors, reading
from memoria.corpus import Corpus, largest
from memoria.linking import links
from memoria.priors import Rows, Scores, Window
from memoria.reading import Asked
from memoria.segments import Floats, Mask
from memoria.signals import Names
from memoria.tokens import SINGLE
from memoria.weights import DEFAULT, Weights

# Memories whose single passages are compared; all where there are fewer than twice as many.
CLOSE_LOOK = 200
# A row with less than this share of the greatest relevance is no answer whatever its tone, age and session: what they
# can add is not enough for any of the bars.
NEGLIGIBLE = 0.15
# The share of an event's words, by rarity, that a memory needs to tell of it.
EVENT_WORDS = 0.6
# From this top_k on facts are cut as mildly as messages; up to half of it strictly.
BROAD = 20


@dataclass(frozen=True, slots=True)
class Question:
    """A query as ranking sees it. `entities` are ids of things it names."""

    now: float
    vector: Floats | None = None
    terms: Sequence[str] = ()
    names: Names = Names(frozenset(), frozenset())  # noqa: RUF009  immutable
    entities: Sequence[int] = ()
    session_id: str | None = None
    window: Window | None = None
    order: str | None = None
    asked: Asked | None = None
    is_of_time_alone: bool = False
    """Asks what was at a time, and for nothing else: whatever was then answers."""


@dataclass(slots=True)
class Hit:
    """One result with everything that went into its place."""

    row: int
    memory_id: str
    score: float
    relevance: float
    channels: dict[str, float] = field(default_factory=dict)
    ranks: dict[str, int] = field(default_factory=dict)
    multipliers: dict[str, float] = field(default_factory=dict)
    additions: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Ranked:
    hits: list[Hit]
    # Candidates that fell out, by reason.
    dropped: dict[str, int]


Feedback = Callable[[list[str]], Mapping[str, float]]
# When memories were last said again, in seconds since 1970, by id; those that never were are left out.
Repeats = Callable[[list[str]], Mapping[str, float]]
# The texts of memories, by id; those that are gone meanwhile are left out.
Texts = Callable[[list[str]], Mapping[str, str]]
# Told the name of a stage when it is done; the domain has no clock.
Lap = Callable[[str], object]


def rank(
    corpus: Corpus,
    question: Question,
    *,
    allowed: Mask,
    top_k: int,
    choice: int = 0,
    feedback: Feedback = lambda _: {},
    repeats: Repeats = lambda _: {},
    texts: Texts = lambda _: {},
    weights: Weights = DEFAULT,
    lap: Lap = lambda _: None,
) -> Ranked:
    """The best `top_k` of the allowed rows, best first. Fewer, or none, when little or nothing is relevant.

    For somebody who chooses among more, up to `choice` of those that are good enough where `top_k` are wanted.
    `feedback` gives multipliers by memory id for some of the best, `repeats` when they were confirmed, `texts` what
    they say; ids that are left out count as they are.
    """
    allowed = allowed & corpus.mask
    if top_k < 1 or not allowed.any():
        return Ranked([], {})
    if question.is_of_time_alone and (question.window is not None or question.order is not None):
        return _by_time(corpus, question, allowed, top_k)
    channels = _channels(corpus, question, allowed, weights, lap)
    evidence: Scores = sum(channels.values(), np.zeros(len(corpus)))
    candidates = int(np.count_nonzero(evidence[allowed] > 0))
    if not _is_answerable(corpus, question, channels, evidence, allowed, weights):
        return Ranked([], {"below the floor": candidates} if candidates else {})
    linked = links(corpus, evidence, question.terms, allowed, weights.link)
    lap("links")
    own = np.minimum(np.maximum(evidence, 0.0), linked)
    relevance = np.maximum(evidence, linked) + weights.linked_own * own
    rows = np.flatnonzero(allowed & (relevance > NEGLIGIBLE * relevance[allowed].max()))
    additions = priors.tone(corpus, rows, relevance[rows], evidence[rows], weights)
    multipliers = priors.multipliers(
        *(corpus, rows),
        now=question.now,
        session_id=question.session_id,
        window=question.window,
        weights=weights,
    )
    scores = sum(additions.values(), relevance[rows]) * reduce(np.multiply, multipliers.values())
    additions["order"] = priors.ordered(corpus, rows, question.order, scores, weights)
    scores = scores + additions["order"]
    most = max(3 * top_k, 50)
    best = largest(scores, most)  # from here on nothing else is looked at
    rows, scores = rows[best], scores[best]
    additions = {name: values[best] for name, values in additions.items()}
    multipliers = {name: values[best] for name, values in multipliers.items()}
    ids = [corpus.memory_id(row) for row in rows.tolist()]
    said = priors.last_said(corpus, rows, repeats(ids))
    multipliers["repeated"] = priors.repeated(corpus, rows, now=question.now, said=said, weights=weights)
    scores = scores * multipliers["repeated"]
    if question.order != "first":
        additions["outdated"] = priors.outdated(corpus, rows, scores, said, weights)
        scores = scores + additions["outdated"]
    lap("priors")
    opinions = feedback(ids)
    multipliers["feedback"] = np.array([opinions.get(memory_id, 1.0) for memory_id in ids])
    multipliers["reading"] = _read(corpus, question.asked, rows, ids, texts, weights)
    scores = scores * multipliers["feedback"] * multipliers["reading"]
    lap("reading the best")
    order = np.lexsort((rows, -scores))
    is_near = _cut(
        *(corpus, rows[order], scores[order], evidence, linked),
        is_meant=multipliers["reading"][order] > reading.FORMER,
        named=_named_share(channels, weights),
        top_k=top_k,
        weights=weights,
    )
    kept = order[is_near]
    distinct = kept[_distinct(corpus, rows[kept], weights)]
    dropped = {
        "below the floor": candidates - len(kept) if len(kept) < min(candidates, most) else 0,
        "alike": len(kept) - len(distinct),
        "beyond top_k": len(distinct) - top_k,
    }
    channels["entity"] = np.maximum(channels["entity"], linked)
    hits = [
        Hit(
            row=int(rows[place]),
            memory_id=ids[place],
            score=float(scores[place]),
            relevance=float(relevance[rows[place]]),
            channels={name: float(values[rows[place]]) for name, values in channels.items()},
            multipliers={name: float(values[place]) for name, values in multipliers.items()},
            additions={name: float(values[place]) for name, values in additions.items() if values[place]},
        )
        for place in distinct[: max(top_k, choice)].tolist()
    ]
    _number(hits, channels, allowed)
    lap("cut")
    return Ranked(hits, {reason: count for reason, count in dropped.items() if count > 0})


def observed_when(corpus: Corpus, terms: Sequence[str], allowed: Mask) -> float | None:
    """When an event was first told of: the time of the oldest of the rows that have most of its words, if any has
    enough of them.
    """
    covered = np.where(allowed & corpus.mask, corpus.coverage(Counter(terms)), 0.0)
    best = float(covered.max(initial=0.0))
    if best < EVENT_WORDS:
        return None
    return float(corpus.observed[covered >= best].min())


def _is_answerable(
    corpus: Corpus,
    question: Question,
    channels: Mapping[str, Scores],
    evidence: Scores,
    allowed: Mask,
    weights: Weights,
) -> bool:
    """Whether anything is near enough to the query to be an answer at all.

    By chance the largest of n is about the square root of 2 ln n spreads out. Single characters do not count where
    there is anything longer: any two Chinese texts share some.
    """
    longer = [term for term in question.terms if not term.startswith(SINGLE)]
    words = Counter(longer or question.terms)
    near = evidence
    if longer and len(longer) < len(question.terms):
        near = evidence - channels["lexical"] + weights.lexical * corpus.lexical(words)
    compared = channels["dense"][allowed & corpus.has_vector]
    chance = float(compared.std()) * math.sqrt(2 * math.log(len(compared))) if len(compared) else 0.0
    bar = min(max(weights.nothing, weights.beyond + chance), weights.enough)
    return bool(near[allowed].max() >= bar or corpus.coverage(words)[allowed].max() >= weights.worded)


def _channels(
    corpus: Corpus, question: Question, allowed: Mask, weights: Weights, lap: Lap
) -> dict[str, Scores]:
    lexical, dense, entity = np.zeros((3, len(corpus)))
    if weights.lexical:
        lexical = corpus.lexical(Counter(question.terms)).astype(np.float64)
    lap("lexical")
    if question.vector is not None and weights.dense:
        dense = _closeness(corpus, question.vector, lexical, allowed, weights)
    lap("dense")
    if weights.entity:
        entity = _named(corpus, question)
    lap("entity")
    return {
        "dense": weights.dense * dense,
        "lexical": weights.lexical * lexical,
        "entity": weights.entity * entity,
    }


def _closeness(corpus: Corpus, query: Floats, lexical: Scores, allowed: Mask, weights: Weights) -> Scores:
    """Half the best passage, half all of them; single passages only of those that look good from afar."""
    means = corpus.means_with(query)
    if not corpus.has_passages:
        return np.maximum(means, 0.0).astype(np.float64)
    promising = np.flatnonzero(allowed)
    if len(promising) > 2 * CLOSE_LOOK:
        from_afar = means[promising] + weights.voice * corpus.voice[promising]
        close = largest(from_afar, CLOSE_LOOK)
        worded = largest(lexical[promising], CLOSE_LOOK)
        promising = promising[np.union1d(close, worded)]
    best = means.copy()
    best[promising] = corpus.best_with(query, promising, means)
    return np.maximum((1 - weights.whole) * best + weights.whole * means, 0.0).astype(np.float64)


def _named(corpus: Corpus, question: Question) -> Scores:
    """The share of the query's names, by rarity, that a row carries: a fact as a name, a message in any way."""
    scores = np.zeros(len(corpus))
    reachable = 0.0
    carrying = _carrying(corpus, question.names)
    for short, parts in question.names.initials:
        for part in parts & carrying.keys() if short in carrying else ():
            carrying[part] |= carrying[short]
    for name, carries in carrying.items():
        weight = corpus.idf(len(corpus.postings(name)[0]) or int(carries.sum()))
        scores[carries] += weight
        reachable += weight
    for entity in question.entities:
        if len(rows := np.unique(corpus.rows_of_entity(entity))):
            weight = corpus.idf(len(rows))
            scores[rows] += weight
            reachable += weight
    for qualifier in question.names.qualifiers if reachable else ():
        having, _ = corpus.postings(qualifier)
        if len(having):
            weight = corpus.idf(len(having))
            scores[having] += weight
            reachable += weight
    return np.minimum(scores / reachable, 1.0) if reachable else scores


def _carrying(corpus: Corpus, names: Names) -> dict[str, Mask]:
    """Who carries each name that anybody carries."""
    found: dict[str, Mask] = {}
    for name in sorted(names.strong | names.weak):
        having, _ = corpus.postings(name)
        named = corpus.rows_named(name, is_name=name in names.strong)
        if not len(named) and (not len(having) or name not in names.strong):
            continue
        carries = np.zeros(len(corpus), dtype=np.bool_)
        carries[having] = ~corpus.is_fact[having]
        carries[named] = True
        found[name] = carries
    return found


def _named_share(channels: Mapping[str, Scores], weights: Weights) -> Scores:
    return channels["entity"] / weights.entity if weights.entity else channels["entity"]


def _by_time(corpus: Corpus, question: Question, allowed: Mask, top_k: int) -> Ranked:
    """What was observed in the window: from its open end on, or the latest first; the earliest where those are asked
    for.
    """
    window = question.window or (None, None)
    rows = np.flatnonzero(allowed & priors.inside(corpus, window))
    is_early_first = question.order == "first" or (window[0] is not None and window[1] is None)
    times = corpus.observed[rows]
    order = rows[np.lexsort((rows, times if is_early_first else -times))]
    hits = [
        Hit(int(row), corpus.memory_id(int(row)), score, score, ranks={"time": place})
        for place, row in enumerate(order[:top_k], 1)
        for score in (1 - (place - 1) / max(len(order), 1),)
    ]
    dropped = {
        "outside the time": int(np.count_nonzero(allowed)) - len(rows),
        "beyond top_k": max(0, len(order) - top_k),
    }
    return Ranked(hits, {reason: count for reason, count in dropped.items() if count > 0})


def _read(
    corpus: Corpus, asked: Asked | None, rows: Rows, ids: list[str], texts: Texts, weights: Weights
) -> Scores:
    """Factors for the facts among the best whose texts say more, or something else, than their words do."""
    read = np.ones(len(rows))
    if asked is None or not weights.reading:
        return read
    facts = np.flatnonzero(corpus.is_fact[rows])
    if not len(facts) or not (asked.reads_all or corpus.is_telling[rows[facts]].any()):
        return read
    said = texts([ids[place] for place in facts])
    places = [place for place in facts if ids[place] in said]
    found = reading.factors(
        asked,
        [said[ids[place]] for place in places],
        [float(corpus.observed[rows[place]]) for place in places],
        [int(corpus.tiers[rows[place]]) for place in places],
    )
    read[places] = 1 - weights.reading * (1 - np.array(found))
    return read


def _cut(
    corpus: Corpus,
    rows: Rows,
    scores: Scores,
    evidence: Scores,
    linked: Scores,
    *,
    is_meant: Mask,
    named: Scores,
    top_k: int,
    weights: Weights,
) -> Mask:
    """Which of the `rows` with these `scores` are not far behind the best: strictly for facts when few results are
    wanted, mildly for messages.
    """
    strictness = min(1.0, max(0.0, 2 * (BROAD - top_k) / BROAD))
    bar = np.full(len(rows), weights.gap, dtype=np.float64)
    is_fact = corpus.is_fact[rows]
    bar[is_fact] += strictness * (weights.gap_fact - weights.gap)
    if named[rows].max(initial=0.0) > 0.9:  # somebody carries the names of the query; these do not
        stricter = weights.gap + strictness * (weights.gap_unnamed - weights.gap)
        bar[is_fact & (named[rows] < 0.5)] = stricter
    best = scores.max(initial=0.0)
    owes = (linked[rows] >= evidence[rows]) | (linked[rows] >= weights.gap_linked * best)
    by_link = is_meant & owes & (scores >= weights.gap_linked * best)
    return ((scores >= bar * best) | by_link) & (scores >= weights.floor)  # type: ignore[no-any-return]


def _distinct(corpus: Corpus, rows: Rows, weights: Weights) -> list[int]:
    """Places of the `rows` that remain when of those that say the same only the first is kept."""
    if len(rows) < 2:
        return list(range(len(rows)))
    means = corpus.means_of(rows)
    norms = np.linalg.norm(means, axis=1)
    means = means / np.maximum(norms, 1e-9)[:, None]
    alike = np.tril(means @ means.T >= weights.alike, -1)
    has_double = alike.any(axis=1)
    kept: list[int] = []
    for place in range(len(rows)):
        if not has_double[place] or not alike[place, kept].any():
            kept.append(place)
    return kept


def _number(hits: list[Hit], channels: Mapping[str, Scores], allowed: Mask) -> None:
    """Say for each hit which place each channel gave it."""
    for name, values in channels.items():
        counted = values[allowed]
        for hit in hits:
            if values[hit.row] > 0:
                hit.ranks[name] = 1 + int(np.count_nonzero(counted > values[hit.row]))
