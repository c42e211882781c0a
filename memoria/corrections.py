"""Which memory a correction means that names it by a query, not by its id.

What is corrected is gone from then on, so that the nearest of many is not good enough: it has to say what is asked
for, and where several do, the new text has to tell which of them it is about.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from memoria.tokens import tokens

# A memory fits that has so much of the query's words, is so close to it in meaning, or has so much in common with the
# new text.
WORDED, CLOSE, ALIKE = 0.6, 0.5, 0.3
# As far below the best, by the ranking's score, a memory may be the one that is meant as well.
CONTENDS = 0.8
# And so much more, of all their words, it must have in common with the new text than the next one has.
AHEAD = 0.1


@dataclass(frozen=True, slots=True)
class Candidate:
    """A memory that answers the query. `score` and `closeness` are the ranking's."""

    memory_id: str
    text: str
    score: float
    closeness: float


def meant(query: str, new: str, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those of the candidates, best first, that may be meant: none, the one, or several that cannot be told apart."""
    asked, said = set(tokens(query)), set(tokens(new))
    fitting = [each for each in candidates if _fits(each, asked, said)]
    if not fitting:
        return []
    best = max(each.score for each in fitting)
    near = [each for each in fitting if each.score >= CONTENDS * best]
    near.sort(key=lambda each: -_alike(said, set(tokens(each.text))))
    if len(near) > 1:
        first, second = (_alike(said, set(tokens(each.text))) for each in near[:2])
        if first < second + AHEAD:
            return near
    return near[:1]


def _fits(candidate: Candidate, asked: set[str], said: set[str]) -> bool:
    words = set(tokens(candidate.text))
    covered = len(asked & words) / len(asked) if asked else 0.0
    return covered >= WORDED or candidate.closeness >= CLOSE or _alike(said, words) >= ALIKE


def _alike(one: set[str], other: set[str]) -> float:
    return len(one & other) / max(len(one | other), 1)
