"""No text that somebody sends may keep a process busy: the rules look at every place of a text once."""

import time
from datetime import UTC, datetime

import pytest

from memoria.contradiction import frame, subject_words
from memoria.decisions import LONGEST, Statement, decide
from memoria.entities import entities
from memoria.passages import focus
from memoria.reading import asked
from memoria.redaction import clean
from memoria.search_text import search_text
from memoria.signals import names
from memoria.temporal import intent

NOW = datetime(2026, 5, 20, tzinfo=UTC)


def decided(text: str) -> None:
    """Longer ones are compared as wholes only."""
    for each in (text, text[: LONGEST - 9]):
        new, old = (Statement(end, f"{each} {end}", "semantic", "T1", NOW) for end in ("1s", "2s"))
        decide(new, [old])


RULES = {
    "search_text": search_text,
    "clean": clean,
    "entities": entities,
    "focus": focus,
    "names": names,
    "intent": lambda text: intent(text, NOW),
    "asked": asked,
    "frame": frame,
    "subject_words": subject_words,
    "decided": decided,
}
SHAPES = ("col{}umn", "the port is{}8080")
FILLINGS = (
    " ",
    "\n",
    "\u3000",
    ",",
    "a.",
    "1",
    "1.",
    "a-",
    "is ",
    "=",
    "不",
    "@a",
    " in",
    "in order ",
    "comprehensive ",
    "Aa ",
    "the ",
    "3 to ",
    "last ",
    "before ",
    "三",
    "去年",
    "之前",
    "any ",
    "has stopped ",
    "n't",
    "没有",
    "关",
    "uses ",
    "set ",
    "is used by ",
    "有",
)
LENGTH = 4_000
# Many times what the slowest takes; a rule that tries everything anew at every place takes minutes.
SECONDS = 2.0


@pytest.mark.parametrize("filling", FILLINGS)
@pytest.mark.parametrize("rule", RULES)
def test_monotonous_texts_take_no_longer(rule: str, filling: str) -> None:
    for shape in SHAPES:
        text = shape.format(filling * (LENGTH // len(filling)))
        text = (
            " ".join(text.split()) if rule in ("focus", "asked", "names") else text
        )  # as a question is read
        started = time.process_time()
        RULES[rule](text)  # type: ignore[operator]
        assert time.process_time() - started < SECONDS
