"""No text that somebody sends may keep a process busy: the rules look at every place of a text once."""

import re
import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from memoria.contradiction import frame, subject_words
from memoria.decisions import LONGEST, Statement, decide
from memoria.entities import entities
from memoria.errors import Blocked
from memoria.passages import focus
from memoria.reading import asked, is_telling
from memoria.redaction import clean, clean_json, named, scrub, tokens
from memoria.search_text import search_text
from memoria.signals import names
from memoria.temporal import intent
from memoria.types import CONTENT_BYTES

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
    "is_telling": is_telling,
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
    "的李",
    "的周",
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


_PLAIN = re.compile(r"(?:\\[^\w]|[^\\\[\](){}?*+|.$])*")
_JOINTS = "/+.-=%~: "


def beginning(form: str) -> str:
    """What every text of this form begins with, as far as the pattern spells it out."""
    plain = _PLAIN.match(form)
    return plain.group().replace("\\", "") if plain is not None else ""


BEGINNINGS = sorted(
    {(beginning(form) or "a", "".join(c for c in _JOINTS if c in form)) for form in tokens._FORMS}
    | {(hint, "- ") for hint, _ in named._COMMANDS}
    | {("htpasswd -b", " "), ("-----BEGIN PRIVATE KEY-----", " "), ("password for the", " ")}
)


@pytest.mark.parametrize(("start", "joints"), BEGINNINGS, ids=lambda part: str(part).strip() or "blank")
def test_beginnings_of_secrets_that_never_end_take_no_longer(start: str, joints: str) -> None:
    """A rule that reads on from every place where a secret may begin reads the rest of the text each time."""
    texts = [start + filling * CONTENT_BYTES for filling in ("a", "b", "1", "b-")]
    texts += [(joint + start) * CONTENT_BYTES for joint in joints or " "]
    for text in texts:
        started = time.process_time()
        scrub(text[:CONTENT_BYTES])
        assert time.process_time() - started < SECONDS


@pytest.mark.parametrize("filling", [".", "1", "a.", "a-", "a/", "A_", "[", "<", " "])
def test_long_values_under_the_name_of_a_secret_take_no_longer(filling: str) -> None:
    text = filling * (CONTENT_BYTES // len(filling)) + "a"
    started = time.process_time()
    with suppress(Blocked):
        clean_json({"password": text})
    assert time.process_time() - started < SECONDS
