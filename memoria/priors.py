"""What moves a memory up or down beside how well it fits the query: tone, trust, age, session, time, repetition.

Every function looks at some `rows` of a corpus, and its arrays, in and out, have one value for each of them.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from memoria import decay
from memoria.corpus import Corpus, largest
from memoria.segments import Mask
from memoria.weights import Weights

Rows = NDArray[np.intp]
Scores = NDArray[np.float64]
# From and before, in seconds since 1970; None: open.
Window = tuple[float | None, float | None]

# Asked for one end of time, memories with this share of the best score are put in its order.
ANSWERS_WELL = 0.4
# Of so many of the best it is looked whether a newer one says nearly the same.
COMPARED = 12


def tone(
    corpus: Corpus, rows: Rows, relevance: Scores, evidence: Scores, weights: Weights
) -> dict[str, Scores]:
    """Small sums for how a memory speaks. Instructions and preferences lift only the best few that are to the point:
    a store full of them must not bury everything else.
    """
    least = weights.gap * float(evidence.max(initial=0.0))
    sums: dict[str, Scores] = {"voice": np.where(relevance > 0, weights.voice * corpus.voice[rows], 0.0)}
    for name, is_marked, weight in (
        ("instruction", corpus.is_instruction, weights.instruction),
        ("preference", corpus.is_preference, weights.preference),
    ):
        sums[name] = np.zeros(len(rows))
        marked = np.flatnonzero(is_marked[rows] & (evidence >= least))
        sums[name][marked[largest(evidence[marked], weights.tone_places)]] = weight
    return sums


def multipliers(
    corpus: Corpus, rows: Rows, *, now: float, session_id: str | None, window: Window | None, weights: Weights
) -> dict[str, Scores]:
    """Factors, each within its weight of 1."""
    factors = _of_age(corpus, rows, now - corpus.observed[rows], weights)
    if session_id is not None:
        same, free = corpus.of_session(session_id)[rows], corpus.of_session(None)[rows]
        factors["session"] = np.where(same, 1 + weights.session, np.where(free, 1 + weights.session / 4, 1.0))
    if window is not None:
        factors["time"] = np.where(inside(corpus, window)[rows], 1.0, 1 - weights.time)
    return factors


def _of_age(corpus: Corpus, rows: Rows, seconds: Scores, weights: Weights) -> dict[str, Scores]:
    age = seconds / decay.DAY
    trust = decay.effective_confidence(corpus.confidences[rows], corpus.tiers[rows], age)
    fresh = decay.freshness(corpus.types[rows], age / weights.pace)
    return {"trust": 1 - weights.trust * (1 - trust), "fresh": 1 - weights.fresh * (1 - fresh)}


def inside(corpus: Corpus, window: Window) -> Mask:
    """Which of all rows were observed in a window."""
    start, end = window
    found = np.ones(len(corpus), dtype=np.bool_)
    if start is not None:
        found &= corpus.observed >= start
    if end is not None:
        found &= corpus.observed < end
    return found


def last_said(corpus: Corpus, rows: Rows, moments: Mapping[str, float]) -> Scores:
    """When each was last said, by itself or again. `moments`: when memories were said again, by id."""
    said = corpus.observed[rows]
    if moments:
        again = [moments.get(corpus.memory_id(row), 0.0) for row in rows.tolist()]
        said = np.maximum(said, again)
    return said


def repeated(corpus: Corpus, rows: Rows, *, now: float, said: Scores, weights: Weights) -> Scores:
    """What is said again is as trusted and as fresh as on that day."""
    factors = np.ones(len(rows))
    again = np.flatnonzero(said > corpus.observed[rows])
    if len(again):
        then = _of_age(corpus, rows[again], now - corpus.observed[rows[again]], weights)
        since = _of_age(corpus, rows[again], now - said[again], weights)
        factors[again] = np.prod([since[name] / then[name] for name in then], axis=0)
    return factors


def ordered(corpus: Corpus, rows: Rows, order: str | None, scores: Scores, weights: Weights) -> Scores:
    """Asked for the present or the past: more for the late or the early among those that answer well."""
    extra = np.zeros(len(rows))
    if order is None:
        return extra
    good = np.flatnonzero(scores >= ANSWERS_WELL * scores.max())
    times = corpus.observed[rows[good]]
    if len(good) > 1 and np.ptp(times) > 0.01 * decay.DAY:
        place = np.argsort(np.argsort(times if order == "latest" else -times, kind="stable"), kind="stable")
        extra[good] = weights.order * place / (len(good) - 1)
    return extra


def outdated(corpus: Corpus, rows: Rows, scores: Scores, said: Scores, weights: Weights) -> Scores:
    """Of two facts near the top that say nearly the same the one that was last said longer ago loses a little, unless
    it is trusted more.
    """
    loss = np.zeros(len(rows))
    top = largest(scores, COMPARED)
    top = top[corpus.is_fact[rows[top]] & corpus.has_vector[rows[top]]]
    if len(top) > 1:
        means = corpus.means_of(rows[top])
        alike = means @ means.T >= weights.outdated_alike
        newer = said[top][None, :] > said[top][:, None]
        tiers = corpus.tiers[rows[top]]
        trusted = tiers[None, :] <= tiers[:, None]
        loss[top[(alike & newer & trusted).any(axis=1)]] = -weights.outdated
    return loss
