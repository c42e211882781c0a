"""Identifiers, technical words and names in Latin letters."""

import re
from collections.abc import Iterator

from memoria.entities.things import CONCEPT, PROJECT, TECH
from memoria.entities.vocabulary import (
    BEFORE_NAMES,
    COMMON_WORDS,
    KINDS_OF_NAME,
    NAME_BEGINNINGS,
    NAMES_WITH_WORD_ENDS,
    NO_TERMS,
    SERVICE_SUFFIXES,
    TECH_WORDS,
    WORD_ENDS,
)
from memoria.entities.written import BEFORE, Spotted

_IDENTIFIER = re.compile(
    r"\b(?:[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+|[a-z]+[A-Z]\w*|[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+"
    r"|[A-Za-z][A-Za-z0-9]*(?:[-.][A-Za-z0-9]+)+)\b",
    re.ASCII,
)
_WORD = re.compile(
    r"(?<![A-Za-z0-9_.+#'-])[A-Za-z][A-Za-z0-9+#]*(?![A-Za-z0-9+#_]|[-./][A-Za-z0-9])", re.ASCII
)
_UNIT = re.compile(r"\d\s*$")  # 200ms, 64GB: what follows a number measures it
_NAME = r"[A-Z][A-Za-z0-9+#]*(?:'[A-Z][a-z]+)?(?:-[A-Z][A-Za-z]+)*(?![A-Za-z0-9_])"
_PARTICLES = frozenset(
    "van von der den de da di del della la le el al bin ibn dos du ten ter zu of the".split()
)
_RUN = re.compile(
    rf"(?<![A-Za-z0-9+_.-]){_NAME}(?:[ ](?:(?:{'|'.join(sorted(_PARTICLES))})[ ]){{0,3}}{_NAME}"
    r"|[ ]\d+(?:\.\d+)*(?![\d%]))*",
    re.ASCII,
)
_SENTENCE_END = re.compile(r"(?:^|[.!?:;\n。！？：；])\s*(?:(?:[-*•]|\d+[.)])\s*)?[*\"'(]*$")
# What follows a name that a sentence begins with: a verb, an owner's 's, another name, what it is also called.
_OF_SOMEBODY = re.compile(
    r"'s\b| (?:is|was|has|had|will|can|does|did|wrote|said|told|met|made|got|took|came|left|began|gave|found|spoke"
    r"|won|lost|bought|sold|sent|built|ran|knows?|[a-z]{2,}(?:[^aious\W]s|ed))\b|,? and [A-Z]|,? (?:aka|also known)\b"
    r"|[?!.]*$"
)
_HEADING = re.compile(r"^#{1,6} .*$", re.MULTILINE)
_ALIAS = re.compile(
    r"\b(?:also (?:known as|called)|better known as|nicknamed|aka|a\.k\.a\.) (?:the )?"
    r"([A-Z]['\w-]*(?: [A-Z]['\w-]*){0,2}|[a-z]['\w-]*(?: [a-z]['\w-]*)?)",
    re.ASCII,
)
# Capitals of more letters are emphasis and no short form.
_SHORT_FORM = 6
_WORDS_OF_NAME = 5
# A word at the end of so many belongs to the name, however common it is: Nguyễn Văn An.
_FULL_NAME = 3


def identifiers(text: str, *, amid_chinese: bool) -> Iterator[Spotted]:
    for match in _IDENTIFIER.finditer(text):
        if _is_identifier(match.group()):
            yield (PROJECT if "-" in match.group() else TECH), *match.span(), None
    for match in _WORD.finditer(text):
        word = match.group()
        low = word.lower()
        if low in TECH_WORDS:
            yield TECH, *match.span(), None
        elif amid_chinese and len(word) > 1 and low not in NO_TERMS and not _measures(match):
            yield TECH, *match.span(), None  # a Latin word amid Chinese is a term, however it is spelled


def _measures(match: re.Match[str]) -> bool:
    return _UNIT.search(match.string, *_before(match)) is not None


def _is_identifier(spelled: str) -> bool:
    parts = re.split(r"[-._]", spelled)
    low = [part.lower() for part in parts]
    if all(len(part) == 1 for part in parts):
        return False  # e.g.
    if "-" not in spelled:
        return not all(part in NO_TERMS for part in low)
    if all(part.isalpha() and part[0].isupper() for part in parts):
        return False  # Jean-Luc
    if low[-1] in SERVICE_SUFFIXES or not all(part.isalpha() for part in parts):
        return True  # any other pair of words in small letters may be plain words: work-life, long-term
    if not spelled.islower():
        return not all(part in COMMON_WORDS for part in low)
    return not TECH_WORDS.isdisjoint(low)


def _before(match: re.Match[str]) -> tuple[int, int]:
    return max(0, match.start() - BEFORE), match.start()


def names(text: str) -> Iterator[Spotted]:
    """Runs of capitalised words as one name, their initials, and single ones that do not merely begin a sentence."""
    headings = [match.span() for match in _HEADING.finditer(text)] if "#" in text else []
    for match in _RUN.finditer(text):
        while headings and headings[0][1] <= match.start():
            headings.pop(0)
        if not headings or match.start() < headings[0][0]:
            yield from _run(match, is_first=bool(_SENTENCE_END.search(text, *_before(match))))


def _run(match: re.Match[str], *, is_first: bool) -> Iterator[Spotted]:
    words = match.group().split(" ")
    start = match.start()
    if len(words) > 1 and _is_shouted(words):
        return
    while words and not _begins_name(words) and _is_no_name(words[0], is_first=is_first):
        start += len(words.pop(0)) + 1
        is_first = False
    while words and len(words) < _FULL_NAME and words[-1].lower() in COMMON_WORDS:
        words.pop()
    words = words[:_WORDS_OF_NAME]
    if not words or not words[0][0].isalpha():
        return
    spelled = " ".join(words)
    end = start + len(spelled)
    if len(words) == 1:
        is_any_word = is_first and spelled[1:].islower() and spelled.lower() not in TECH_WORDS
        if is_any_word and _OF_SOMEBODY.match(match.string, match.end()) is None:
            return
        is_emphasis = spelled.isalpha() and spelled.isupper() and len(spelled) > _SHORT_FORM
        if len(spelled) > 1 + is_first and not is_emphasis:
            yield CONCEPT, start, end, None
        return
    yield CONCEPT, start, end, None
    capitals = [word for word in words if word[0].isupper()]
    if len(capitals) >= 3:
        yield CONCEPT, start, end, "".join(word[0] for word in capitals).lower()
    if len(words) == 2 and len(capitals) == 2:
        if words[0].lower() in KINDS_OF_NAME:
            yield CONCEPT, start + len(words[0]) + 1, end, None
        elif len(words[0]) > 1 and words[0].lower() not in NAME_BEGINNINGS:
            yield CONCEPT, start, start + len(words[0]), None


def _begins_name(words: list[str]) -> bool:
    """New York, Project Falcon: a common word that belongs to the name behind it."""
    return words[0].lower() in BEFORE_NAMES and len(words) > 1 and not _is_no_name(words[1], is_first=False)


def _is_no_name(word: str, *, is_first: bool) -> bool:
    low = word.lower()
    if low in COMMON_WORDS or word in _PARTICLES:
        return True
    is_plain = is_first and word[1:].islower() and low.endswith(WORD_ENDS) and low not in NAMES_WITH_WORD_ENDS
    return is_plain and low not in TECH_WORDS


def _is_shouted(words: list[str]) -> bool:
    return all(word.isupper() for word in words) and any(word.lower() in COMMON_WORDS for word in words)


def aliases(text: str) -> Iterator[Spotted]:
    """What somebody or something is also known as."""
    for match in _ALIAS.finditer(text):
        yield CONCEPT, *match.span(1), None
