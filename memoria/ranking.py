"""Ranking a corpus for a query: channels, fusion, bounded priors, floor, diversity. Pure functions over arrays.

Relevance is a sum of three channels that all lie in 0 … 1: the cosine with the query, the share of the reachable BM25
score, and closeness in the graph of entities. Sums of such scores ranked as well as ranks did and, unlike ranks, say
when nothing is relevant (docs/decisions/0009 has the measurements). Priors only multiply, within narrow bounds, so
that relevance always dominates.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memoria import decay
from memoria.corpus import Corpus, Floats, Mask, largest
from memoria.speakers import ASSISTANT, NOBODY

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weights:
    """What each stage counts. Tuned on conversations and short facts; every one is switched off in bench/beam.py's
    ablation."""

    dense: float = 1.0
    lexical: float = 1.0
    entity: float = 0.5
    # The message before a hit in its conversation gets this share of the hit's relevance.
    neighbour: float = 0.3
    neighbours: int = 10
    # How much of the score the priors can take away.
    trust: float = 0.15
    fresh: float = 0.1
    speaker: float = 0.1
    session: float = 0.1
    time: float = 0.3
    order: float = 0.2
    # Below this relevance a memory is no answer, nor is one below this share of the best.
    floor: float = 0.25
    gap: float = 0.3
    # From this cosine on two results say the same.
    alike: float = 0.97


DEFAULT = Weights()


@dataclass(frozen=True, slots=True)
class Question:
    """A query as ranking sees it. `entities` are the ids of the things it names; `window` is in seconds since
    1970.
    """

    now: float
    vector: Floats | None = None
    terms: Sequence[str] = ()
    entities: Sequence[int] = ()
    session_id: str | None = None
    window: tuple[float | None, float | None] | None = None
    order: str | None = None


@dataclass(slots=True)
class Hit:
    """One result with everything that went into its place."""

    row: int
    memory_id: str
    score: float
    relevance: float
    channels: dict[str, float] = field(default_factory=dict)
    ranks: dict[str, int] = field(default_factory=dict)
    priors: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Ranked:
    hits: list[Hit]
    # Candidates that fell out, by reason.
    dropped: dict[str, int]


Feedback = Callable[[list[str]], Mapping[str, float]]


def rank(
    corpus: Corpus,
    question: Question,
    *,
    allowed: Mask,
    top_k: int,
    feedback: Feedback = lambda _: {},
    weights: Weights = DEFAULT,
) -> Ranked:
    """The best `top_k` of the allowed rows, best first. Fewer, or none, when little or nothing is relevant."""
    allowed = allowed & corpus.mask
    if top_k < 1 or not allowed.any():
        return Ranked([], {})
    channels = _channels(corpus, question, weights)
    relevance: Scores = sum(channels.values(), np.zeros(len(allowed)))
    relevance[~allowed] = 0.0
    channels["neighbour"] = _neighbours(corpus, relevance, allowed, weights)
    relevance = relevance + channels["neighbour"]
    best = float(relevance.max(initial=0.0))
    floor = max(weights.floor, weights.gap * best)
    candidates = np.flatnonzero(relevance >= floor)
    dropped = {"below the floor": int(np.count_nonzero(relevance > 0) - len(candidates))}
    if not len(candidates):
        return Ranked([], dropped)
    priors = _priors(corpus, question, candidates, relevance, weights)
    scores = relevance[candidates] * np.prod(list(priors.values()), axis=0)
    order = largest(scores, max(3 * top_k, 50))
    opinions = feedback([corpus.memory_id(int(candidates[i])) for i in order])
    hits = []
    for i in order:
        row = int(candidates[i])
        memory_id = corpus.memory_id(row)
        opinion = opinions.get(memory_id, 1.0)
        hits.append(
            Hit(
                row=row,
                memory_id=memory_id,
                score=float(scores[i]) * opinion,
                relevance=float(relevance[row]),
                channels={name: float(values[row]) for name, values in channels.items()},
                priors={name: float(values[i]) for name, values in priors.items()} | {"feedback": opinion},
            )
        )
    hits.sort(key=lambda hit: (-hit.score, hit.memory_id))
    kept = _diverse(corpus, hits, weights)
    dropped["alike"] = len(hits) - len(kept)
    dropped["beyond top_k"] = max(0, len(kept) - top_k)
    kept = kept[:top_k]
    _number(kept, channels)
    return Ranked(kept, {reason: count for reason, count in dropped.items() if count > 0})


def _channels(corpus: Corpus, question: Question, weights: Weights) -> dict[str, Scores]:
    size = int(corpus.offsets[-1])
    dense = np.zeros(size)
    if question.vector is not None and weights.dense:
        dense = np.maximum(corpus.cosines(question.vector), 0).astype(np.float64)
    lexical = corpus.lexical(question.terms).astype(np.float64) if weights.lexical else np.zeros(size)
    channels = {"dense": weights.dense * dense, "lexical": weights.lexical * lexical}
    if weights.entity:
        channels["entity"] = weights.entity * entity_scores(
            corpus, question.entities, channels["dense"] + channels["lexical"]
        )
    return channels


def entity_scores(
    corpus: Corpus, entities: Sequence[int], relevance: Scores, hops: int = 2, fan: int = 3
) -> Scores:
    """Closeness to the query's things: 1 for a memory that is about all of them, less over one and two hops.

    A hop goes from the best memories reached so far to their other entities, and on to the memories about those. An
    entity counts the more the fewer memories it has.
    """
    scores = np.zeros(int(corpus.offsets[-1]))
    if not len(entities):
        return scores
    total = max(corpus.size, 2)
    seen = set(entities)
    reach = dict.fromkeys(entities, 1.0)
    for hop in range(hops + 1):
        rows_of = corpus.rows_of_entities(reach)
        if not rows_of:
            break
        step = np.zeros_like(scores)
        for entity, rows in rows_of.items():
            rarity = np.log(1 + total / len(rows)) / np.log(1 + total)
            step[rows] += reach[entity] * rarity
        step /= max(float(step.max()), 1e-9)
        scores = np.maximum(scores, step * 0.6**hop)
        best = largest(step * (0.5 + relevance), fan * (hop + 1))
        reach = {}
        for row in best[step[best] > 0]:
            for entity in corpus.entities_of(int(row)):
                if entity not in seen:
                    reach[int(entity)] = max(reach.get(int(entity), 0.0), float(step[row]))
        seen.update(reach)
    return scores


def _neighbours(corpus: Corpus, relevance: Scores, allowed: Mask, weights: Weights) -> Scores:
    """Give the message before a hit a share of its relevance: the question that an answer answers."""
    extra = np.zeros_like(relevance)
    if not weights.neighbour:
        return extra
    if not corpus.has_speakers:
        return extra
    best = largest(relevance, weights.neighbours)
    for row in best[relevance[best] > 0]:
        before = _before(corpus, int(row), allowed)
        if before is not None:
            extra[before] = max(extra[before], weights.neighbour * relevance[row])
    return extra


def _before(corpus: Corpus, row: int, allowed: Mask) -> int | None:
    """The line before this one in its conversation: of a speaker too, and of the same session or of none like it."""
    if corpus.speakers[row] == NOBODY:
        return None
    lines = corpus.of_session(corpus.session_of(row)) & (corpus.speakers != NOBODY) & allowed
    rows = np.flatnonzero(lines & (corpus.observed <= corpus.observed[row]))
    mine = (float(corpus.observed[row]), corpus.memory_id(row))
    times = corpus.observed[rows]
    for moment in np.unique(times)[::-1][:2]:
        earlier = [r for r in rows[times == moment] if (float(moment), corpus.memory_id(int(r))) < mine]
        if earlier:
            return int(max(earlier, key=lambda r: corpus.memory_id(int(r))))
    return None


def _priors(
    corpus: Corpus, question: Question, rows: NDArray[np.int64], relevance: Scores, weights: Weights
) -> dict[str, Any]:
    """Multipliers per candidate, each within its weight of 1."""
    age = (question.now - corpus.observed[rows]) / decay.DAY
    trust = decay.effective_confidence(corpus.confidences[rows], corpus.tiers[rows], age)
    fresh = decay.freshness(corpus.types[rows], age)
    priors = {
        "trust": 1 - weights.trust * (1 - trust),
        "fresh": 1 - weights.fresh * (1 - fresh),
        "speaker": np.where(corpus.speakers[rows] == ASSISTANT, 1 - weights.speaker, 1.0),
    }
    if question.session_id is not None:
        same, free = corpus.of_session(question.session_id)[rows], corpus.of_session(None)[rows]
        priors["session"] = np.where(same, 1 + weights.session, np.where(free, 1 + weights.session / 4, 1.0))
    if question.window is not None:
        start, end = question.window
        inside = np.ones(len(rows), dtype=np.bool_)
        if start is not None:
            inside &= corpus.observed[rows] >= start
        if end is not None:
            inside &= corpus.observed[rows] < end
        priors["time"] = np.where(inside, 1.0, 1 - weights.time)
    if question.order is not None:
        priors["order"] = _ordered(corpus, question.order, rows, relevance, weights)
    return priors


def _ordered(
    corpus: Corpus, order: str, rows: NDArray[np.int64], relevance: Scores, weights: Weights
) -> Scores:
    """Prefer the late or the early among those that answer about equally well."""
    factor = np.full(len(rows), 1 - weights.order / 2)
    near = np.flatnonzero(relevance[rows] >= 0.6 * relevance[rows].max())
    times = corpus.observed[rows][near]
    place = np.argsort(np.argsort(times if order == "latest" else -times, kind="stable"), kind="stable")
    factor[near] = 1 - weights.order * (1 - place / max(len(near) - 1, 1))
    return factor


def _diverse(corpus: Corpus, hits: list[Hit], weights: Weights) -> list[Hit]:
    """Of results that say the same keep the best-placed one."""
    if len(hits) < 2:
        return hits
    vectors = np.stack([corpus.vector_of(hit.row) for hit in hits])
    alike = np.tril(vectors @ vectors.T >= weights.alike, -1)
    kept: list[int] = []
    for place in range(len(hits)):
        if not alike[place, kept].any():
            kept.append(place)
    return [hits[place] for place in kept]


def _number(hits: list[Hit], channels: Mapping[str, Scores]) -> None:
    """Say for each hit which place each channel gave it."""
    for name, values in channels.items():
        for hit in hits:
            if values[hit.row] > 0:
                hit.ranks[name] = 1 + int(np.count_nonzero(values > values[hit.row]))
