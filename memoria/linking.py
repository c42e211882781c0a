"""Links between facts: what is reached from the best facts over a rare name, or word, that the query does not hold.

"Who is on call for the service that broke?" shares no word with the fact that names the person; it shares the
service's name with the fact about the outage. Only facts are linked: two long messages share something rare always.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memoria.commonplace import COMMONPLACE
from memoria.corpus import Corpus, RowNumbers, largest
from memoria.segments import Mask
from memoria.signals import STRONG, WEAK

Scores = NDArray[np.float64]

HOPS = 2
SEEDS = 5
# A plain word is a weaker link than a name.
WORD = 0.6
# How fast a key says less when more facts have it: a name by the root of their number, a word nearly by the number.
NAME_SPREAD, WORD_SPREAD = 0.5, 0.75
# A key of many facts links none of them: at most this share of the facts, and these numbers of them.
SHARE, LEAST, MOST = 0.2, 5, 50


def links(corpus: Corpus, evidence: Scores, terms: Sequence[str], allowed: Mask, share: float) -> Scores:
    """What each fact owes to others: `share`, per hop, of the evidence of the facts it has a key in common with.

    A name passes on what all its other facts have, at most what the best row has; a word only the best of them;
    both less, the more facts have them.
    """
    total = np.zeros(len(corpus))
    facts = corpus.is_fact & allowed
    count = int(facts.sum())
    top = float(evidence[allowed].max(initial=0.0))
    if share <= 0 or top <= 0 or count < 2:
        return total
    limit = min(max(LEAST, SHARE * count), MOST)
    asked, others = set(terms), len(corpus) - count
    known: dict[str | int, RowNumbers] = {}
    scores = np.where(facts, np.maximum(evidence, 0.0), 0.0)
    for _ in range(HOPS):
        seeds = largest(scores, SEEDS)
        seeds = seeds[scores[seeds] > 0]
        live = np.zeros(len(corpus))
        live[seeds] = scores[seeds]
        carriers = []
        for key, weight in _keys(corpus, seeds, asked).items():
            if key not in known:
                rows = _rows_with(corpus, key)
                # Else there are too few, or too many, facts among them in any case.
                may_link = 2 <= len(rows) <= limit + others
                known[key] = rows[facts[rows]] if may_link else rows[:0]
            if 2 <= len(known[key]) <= limit:
                carriers.append((known[key], weight))
        if not carriers:
            break
        total = np.maximum(total, share * _passed_on(carriers, live, top, len(corpus)))
        scores = np.maximum(scores, total)
    return total


def _keys(corpus: Corpus, seeds: NDArray[np.intp], asked: set[str]) -> dict[str | int, float]:
    """Names, entities and words of the seeds that the query does not hold, with what each kind passes on."""
    names: set[str] = set()
    words: set[str] = set()
    entities: set[int] = set()
    for row in seeds:
        entities.update(corpus.entities_of(int(row)))
        for word in corpus.words_of(int(row)):
            if word[0] in (STRONG, WEAK):
                names.add(word[1:])
            elif word[0] in "wh" and not word[1:].isdigit() and word not in COMMONPLACE:
                words.add(word)
    names = {name for name in names if len(corpus.postings(STRONG + name)[0])}
    keys: dict[str | int, float] = dict.fromkeys(words - names - asked, WORD)
    keys |= dict.fromkeys((STRONG + name for name in names - asked), 1.0)
    return keys | dict.fromkeys(entities, 1.0)


def _rows_with(corpus: Corpus, key: str | int) -> RowNumbers:
    if isinstance(key, int):
        return np.unique(corpus.rows_of_entity(key))
    return corpus.rows_named(key[1:]) if key.startswith(STRONG) else corpus.postings(key)[0]


def _passed_on(carriers: Sequence[tuple[RowNumbers, float]], live: Scores, top: float, size: int) -> Scores:
    sizes = np.array([len(rows) for rows, _ in carriers])
    weights = np.repeat([weight for _, weight in carriers], sizes)
    flat = np.concatenate([rows for rows, _ in carriers])
    firsts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    scores = live[flat]
    best = np.repeat(np.maximum.reduceat(scores, firsts), sizes)
    second = np.repeat(np.maximum.reduceat(np.where(scores == best, 0.0, scores), firsts), sizes)
    others = np.repeat(sizes - 1.0, sizes)
    best_other = np.where(scores == best, second, best) / others**WORD_SPREAD
    all_others = np.minimum(
        (np.repeat(np.add.reduceat(scores, firsts), sizes) - scores) / others**NAME_SPREAD, top
    )
    passed = np.zeros(size)
    np.maximum.at(passed, flat, np.where(weights == 1.0, all_others, best_other * weights))
    return passed
