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
from numpy.typing import NDArray

from memoria import decay, reading
from memoria.corpus import Corpus, Floats, Mask, largest
from memoria.linking import links
from memoria.reading import Asked
from memoria.signals import Names
from memoria.tokens import SINGLE

Scores = NDArray[np.float64]
# From and before, in seconds since 1970; None: open.
Window = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Weights:
    """What each stage counts; 0 switches it off. bench/ablation.py shows what each is good for."""

    dense: float = 1.0
    lexical: float = 0.7
    entity: float = 0.25
    # Share of the mean over a memory's passages in its closeness; the rest is the best passage.
    whole: float = 0.5
    # A linked fact gets this share, per hop, of what it is linked to.
    link: float = 0.7
    # And this share of its own evidence on top: many facts owe the same to one key.
    linked_own: float = 0.2
    # Tone: own statements before advice; a few standing instructions and preferences.
    voice: float = 0.05
    instruction: float = 0.20
    preference: float = 0.10
    tone_places: int = 3
    # Multipliers: how much of the score they can take away.
    trust: float = 0.1
    fresh: float = 0.05
    # How slowly memories grow stale; 1 is the usual pace.
    pace: float = 1.0
    session: float = 0.1
    time: float = 0.3
    # Asked for the present or the past: what the last, or first, of the good ones gets more than the other end.
    order: float = 0.15
    # Of two facts that say nearly the same the older loses this, if the newer is trusted as much.
    outdated: float = 0.05
    outdated_alike: float = 0.6
    # An answer has so much more evidence than the closeness of the nearest of so many unrelated memories would be by
    # chance; never less than `nothing`, and `enough` always does, as does so much of the query's words. Nobody
    # answers below `floor`.
    beyond: float = 0.1
    nothing: float = 0.22
    enough: float = 0.4
    worded: float = 0.6
    floor: float = 0.08
    # Below this share of the best a memory is no answer: messages, facts, facts without the query's names, linked.
    gap: float = 0.30
    gap_fact: float = 0.45
    gap_unnamed: float = 0.65
    gap_linked: float = 0.25
    # From this cosine on two results say the same.
    alike: float = 0.97
    # How much a closer look at the best facts may take away or add.
    reading: float = 1.0


DEFAULT = Weights()
# Memories whose single passages are compared; all where there are fewer than twice as many.
CLOSE_LOOK = 200
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
    additions = _tone(corpus, relevance, evidence, allowed, weights)
    multipliers = _multipliers(corpus, question, weights)
    scores = sum(additions.values(), relevance) * reduce(np.multiply, multipliers.values())
    scores[~allowed] = 0.0
    additions["order"] = _ordered(corpus, question.order, scores, weights)
    scores = scores + additions["order"]
    order = largest(scores, max(3 * top_k, 50))
    order = order[allowed[order]]
    ids = [corpus.memory_id(int(row)) for row in order]
    said = _last_said(corpus, order, repeats(ids))
    multipliers["repeated"] = _repeated(corpus, question, said, weights)
    scores = scores * multipliers["repeated"]
    if question.order != "first":
        additions["outdated"] = _outdated(corpus, scores, said, weights)
        scores = scores + additions["outdated"]
    lap("priors")
    opinions = feedback(ids)
    for row in order:
        scores[row] *= opinions.get(corpus.memory_id(int(row)), 1.0)
    multipliers["reading"] = _read(corpus, question.asked, order, texts, weights)
    scores = scores * multipliers["reading"]
    lap("reading the best")
    order = order[np.lexsort((order, -scores[order]))]
    kept = _cut(corpus, order, scores, evidence, linked, _named_share(channels, weights), top_k, weights)
    dropped = {"below the floor": candidates - len(kept)} if len(kept) < min(candidates, len(order)) else {}
    distinct = _diverse(corpus, kept, weights)
    shown = max(top_k, choice)
    dropped["alike"] = len(kept) - len(distinct)
    dropped["beyond top_k"] = max(0, len(distinct) - top_k)
    channels["entity"] = np.maximum(channels["entity"], linked)
    hits = [
        Hit(
            row=int(row),
            memory_id=corpus.memory_id(int(row)),
            score=float(scores[row]),
            relevance=float(relevance[row]),
            channels={name: float(values[row]) for name, values in channels.items()},
            multipliers={name: float(values[row]) for name, values in multipliers.items()}
            | {"feedback": opinions.get(corpus.memory_id(int(row)), 1.0)},
            additions={name: float(values[row]) for name, values in additions.items() if values[row]},
        )
        for row in distinct[:shown]
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
    words = Counter([term for term in question.terms if not term.startswith(SINGLE)] or question.terms)
    compared = channels["dense"][allowed & corpus.has_vector]
    chance = float(compared.std()) * math.sqrt(2 * math.log(len(compared))) if len(compared) else 0.0
    bar = min(max(weights.nothing, weights.beyond + chance), weights.enough)
    near = evidence - channels["lexical"] + weights.lexical * corpus.lexical(words)
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
        named = corpus.rows_named(name)
        if not len(named) and (not len(having) or name not in names.strong):
            continue
        carries = np.zeros(len(corpus), dtype=np.bool_)
        carries[having] = ~corpus.is_fact[having]
        carries[named] = True
        found[name] = carries
    return found


def _named_share(channels: Mapping[str, Scores], weights: Weights) -> Scores:
    return channels["entity"] / weights.entity if weights.entity else channels["entity"]


def _tone(
    corpus: Corpus, relevance: Scores, evidence: Scores, allowed: Mask, weights: Weights
) -> dict[str, Scores]:
    """Small sums for how a memory speaks. Instructions and preferences lift only the best few that are to the point:
    a store full of them must not bury everything else.
    """
    least = weights.gap * float(evidence[allowed].max())
    priors: dict[str, Scores] = {"voice": np.where(relevance > 0, weights.voice * corpus.voice, 0.0)}
    for name, marked, weight in (
        ("instruction", corpus.is_instruction, weights.instruction),
        ("preference", corpus.is_preference, weights.preference),
    ):
        priors[name] = np.zeros(len(corpus))
        rows = np.flatnonzero(marked & allowed & (evidence >= least))
        priors[name][rows[largest(evidence[rows], weights.tone_places)]] = weight
    return priors


def _multipliers(corpus: Corpus, question: Question, weights: Weights) -> dict[str, Scores]:
    """Factors per row, each within its weight of 1."""
    factors = _of_age(corpus, question.now - corpus.observed, weights)
    if question.session_id is not None:
        same, free = corpus.of_session(question.session_id), corpus.of_session(None)
        factors["session"] = np.where(same, 1 + weights.session, np.where(free, 1 + weights.session / 4, 1.0))
    if question.window is not None:
        factors["time"] = np.where(_inside(corpus, question.window), 1.0, 1 - weights.time)
    return factors


def _of_age(corpus: Corpus, seconds: Scores, weights: Weights) -> dict[str, Scores]:
    age = seconds / decay.DAY
    trust = decay.effective_confidence(corpus.confidences, corpus.tiers, age)
    fresh = decay.freshness(corpus.types, age / weights.pace)
    return {"trust": 1 - weights.trust * (1 - trust), "fresh": 1 - weights.fresh * (1 - fresh)}


def _last_said(corpus: Corpus, rows: NDArray[np.intp], moments: Mapping[str, float]) -> Scores:
    said = corpus.observed
    for row in rows if moments else ():
        if (moment := moments.get(corpus.memory_id(int(row)), 0.0)) > said[row]:
            said = said.copy() if said is corpus.observed else said
            said[row] = moment
    return said


def _repeated(corpus: Corpus, question: Question, said: Scores, weights: Weights) -> Scores:
    """What is said again is as trusted and as fresh as on that day."""
    if said is corpus.observed:
        return np.ones(len(corpus))
    then = _of_age(corpus, question.now - corpus.observed, weights)
    since = _of_age(corpus, question.now - said, weights)
    return np.prod([since[name] / then[name] for name in then], axis=0)  # type: ignore[no-any-return]


def _inside(corpus: Corpus, window: Window) -> Mask:
    start, end = window
    inside = np.ones(len(corpus), dtype=np.bool_)
    if start is not None:
        inside &= corpus.observed >= start
    if end is not None:
        inside &= corpus.observed < end
    return inside


def _by_time(corpus: Corpus, question: Question, allowed: Mask, top_k: int) -> Ranked:
    """What was observed in the window: from its open end on, or the latest first; the earliest where those are asked
    for.
    """
    window = question.window or (None, None)
    rows = np.flatnonzero(allowed & _inside(corpus, window))
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


def _ordered(corpus: Corpus, order: str | None, scores: Scores, weights: Weights) -> Scores:
    """Asked for the present or the past: more for the late or the early among those that answer well."""
    extra = np.zeros(len(corpus))
    rows = np.flatnonzero(scores >= 0.4 * scores.max()) if order is not None else np.zeros(0, dtype=np.intp)
    times = corpus.observed[rows]
    if len(rows) > 1 and np.ptp(times) > 0.01 * decay.DAY:
        place = np.argsort(np.argsort(times if order == "latest" else -times, kind="stable"), kind="stable")
        extra[rows] = weights.order * place / (len(rows) - 1)
    return extra


def _outdated(corpus: Corpus, scores: Scores, said: Scores, weights: Weights) -> Scores:
    """Of two facts near the top that say nearly the same the one that was last said longer ago loses a little, unless
    it is trusted more.
    """
    loss = np.zeros(len(corpus))
    top = [row for row in largest(scores, 12) if corpus.is_fact[row] and corpus.has_vector[row]]
    if len(top) > 1:
        means = np.stack([corpus.mean_of(int(row)) for row in top])
        alike = means @ means.T >= weights.outdated_alike
        newer = said[top][None, :] > said[top][:, None]
        trusted = corpus.tiers[top][None, :] <= corpus.tiers[top][:, None]
        loss[np.array(top)[np.flatnonzero((alike & newer & trusted).any(axis=1))]] = -weights.outdated
    return loss


def _read(
    corpus: Corpus,
    asked: Asked | None,
    order: NDArray[np.intp],
    texts: Texts,
    weights: Weights,
) -> Scores:
    """Factors for the facts among the best whose texts say more, or something else, than their words do."""
    read = np.ones(len(corpus))
    if asked is None or not weights.reading or not (asked.reads_all or asked.asserts):
        return read
    rows = [int(row) for row in order if corpus.is_fact[row]]
    if not rows or not (asked.reads_all or corpus.is_telling[rows].any()):
        return read
    said = texts([corpus.memory_id(row) for row in rows])
    rows = [row for row in rows if corpus.memory_id(row) in said]
    found = reading.factors(
        asked,
        [said[corpus.memory_id(row)] for row in rows],
        [float(corpus.observed[row]) for row in rows],
    )
    read[rows] = 1 - weights.reading * (1 - np.array(found))
    return read


def _cut(
    corpus: Corpus,
    order: NDArray[np.intp],
    scores: Scores,
    evidence: Scores,
    linked: Scores,
    named: Scores,
    top_k: int,
    weights: Weights,
) -> NDArray[np.intp]:
    """Leave out what is far behind the best: strictly for facts when few results are wanted, mildly for messages."""
    strictness = min(1.0, max(0.0, 2 * (BROAD - top_k) / BROAD))
    bar = np.full(len(order), weights.gap, dtype=np.float64)
    is_fact = corpus.is_fact[order]
    bar[is_fact] += strictness * (weights.gap_fact - weights.gap)
    if named[order].max(initial=0.0) > 0.9:  # somebody carries the names of the query; these do not
        stricter = weights.gap + strictness * (weights.gap_unnamed - weights.gap)
        bar[is_fact & (named[order] < 0.5)] = stricter
    best = scores[order].max(initial=0.0)
    by_link = (linked[order] >= evidence[order]) & (scores[order] >= weights.gap_linked * best)
    return order[((scores[order] >= bar * best) | by_link) & (scores[order] >= weights.floor)]


def _diverse(corpus: Corpus, rows: NDArray[np.intp], weights: Weights) -> NDArray[np.intp]:
    """Of results that say the same keep the best-placed one."""
    if len(rows) < 2:
        return rows
    means = np.stack([corpus.mean_of(int(row)) for row in rows])
    norms = np.linalg.norm(means, axis=1)
    means /= np.maximum(norms, 1e-9)[:, None]
    alike = np.tril(means @ means.T >= weights.alike, -1)
    kept: list[int] = []
    for place in range(len(rows)):
        if not alike[place, kept].any():
            kept.append(place)
    return rows[kept]


def _number(hits: list[Hit], channels: Mapping[str, Scores], allowed: Mask) -> None:
    """Say for each hit which place each channel gave it."""
    for name, values in channels.items():
        for hit in hits:
            if values[hit.row] > 0:
                hit.ranks[name] = 1 + int(np.count_nonzero(values[allowed] > values[hit.row]))
