"""What all rules of the policy share: how a finding is said, and what tells a random value from words."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import pairwise

from memoria.redaction.letters import are_thrown

Span = tuple[int, int]
"""Where the secret itself begins and ends: not the name before it, nor the sentence after."""


class Action(StrEnum):
    ALLOW = "allow"
    MASK = "mask"
    BLOCK = "block"


class Text:
    """A text to be searched, and what several rules ask of it."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def has_figure(self) -> bool:
        return re.search(r"\d", self.text) is not None

    @cached_property
    def lower(self) -> str:
        return lowered(self.text)

    @cached_property
    def runs(self) -> list[Span]:
        """Stretches without blanks that are long enough for a token. Prose has few, so that the long list of forms
        is tried in few places."""
        return [match.span() for match in _RUN.finditer(self.text)]


def lowered(text: str) -> str:
    """In small letters, character by character: a few letters of Turkish and Lithuanian would become two."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


_RUN = re.compile(r"[\w.:/+=~@$%&?-]{16,}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rule:
    label: str
    action: Action
    """What happens unless the operator says otherwise."""
    find: Callable[[Text], Iterator[Span]]


def ascii_pattern(pattern: str, flags: int = 0) -> "re.Pattern[str]":
    """A pattern for which Chinese characters are no part of a word: nobody writes blanks around a token there."""
    return re.compile(pattern, flags | re.ASCII)


def span_of(match: "re.Match[str]") -> Span:
    """The group `value` where the pattern has one, else all of it."""
    return match.span("value" if "value" in match.re.groupindex else 0)


def entropy(text: str) -> float:
    """Shannon entropy in bits per character."""
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)


def is_mixed(text: str) -> bool:
    """Letters and digits in no order, as in a token of hexadecimal digits."""
    return any(c.isdigit() for c in text) and any(c.isalpha() for c in text) and entropy(text) >= 3.0


def is_random(text: str) -> bool:
    """Capitals, small letters and digits in no order."""
    kinds = (str.isupper, str.islower, str.isdigit)
    return all(any(kind(c) for c in text) for kind in kinds) and entropy(text) >= 4.0


def is_jumbled(text: str) -> bool:
    """Whether letters come as in no word: capitals and small ones alternate (`YLvSyuXKgn`, but not `MacBook`), or one
    follows the other as hardly ever (`hqzvxkwbtr`). Not with one capital in front of small letters: so
    names are spelled (`Krzysztof`), and machines throw none."""
    if not text.isascii() or text.istitle():
        return False
    return sum(a.isupper() != b.isupper() for a, b in pairwise(text)) >= 5 or are_thrown(text)


_HEXADECIMAL = re.compile(r"[0-9a-f]{20,}", re.IGNORECASE)
_PIECES = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def is_worded(token: str) -> bool:
    """Whether it is put together from words, as names in code are: `version2026releaseCandidate`.

    What a machine throws changes between capitals, small letters and figures after two or three characters, or has
    letters that come as in no word.
    """
    if _HEXADECIMAL.search(token) is not None:
        return False
    pieces = _PIECES.findall(token)
    # No number in a name is longer than a year; ids of accounts are.
    if sum(min(len(piece), 4) if piece.isdigit() else len(piece) for piece in pieces) < 4 * len(pieces):
        return False
    return not are_thrown("".join(filter(str.isalpha, token)))


_MADE_UP = re.compile(
    r"example|dummy|sample|placeholder|changeme|your[_-]|xxxx|(.)\1{5}|\.\.\.", re.IGNORECASE
)


def is_made_up(token: str) -> bool:
    """Whether a token stands for one, as in documentation."""
    return _MADE_UP.search(token) is not None
