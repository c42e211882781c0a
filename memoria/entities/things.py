"""What a thing is: its types, its links, and the one name that its spellings share."""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from memoria.latin import LETTERS, without_diacritics

NAME_LENGTH = 200

TECH = "tech"
PERSON = "person"
PROJECT = "project"
REPO = "repo"
CODE = "code"
VERSION = "version"
HOST = "host"
PATH = "path"
EMAIL = "email"
DATE = "time"
LOCATION = "location"
ORGANIZATION = "organization"
CONCEPT = "concept"


class LinkSource(StrEnum):
    """Who linked a memory to a thing; a stronger source is never replaced by a weaker one."""

    RULES = "rules"
    LLM = "llm"
    MANUAL = "manual"


LINK_WEIGHTS = {LinkSource.RULES: 0.8, LinkSource.LLM: 0.9, LinkSource.MANUAL: 1.0}


@dataclass(frozen=True, slots=True)
class Found:
    """One thing in a text: its canonical name, how the text spells it, and its type."""

    name: str
    display: str
    kind: str


_POSSESSIVE = re.compile(r"(?<=\w)'s?$")
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'"})


def canonical(spelled: str) -> str:
    """The name that all spellings of a thing share: no capitals, full width, diacritics, nor an owner's 's."""
    if spelled.isascii():
        return _POSSESSIVE.sub("", spelled.lower())
    return _POSSESSIVE.sub("", folded(spelled))


def folded(text: str) -> str:
    """Without capitals, full width and diacritics of Latin letters."""
    return without_diacritics(text).casefold().translate(_APOSTROPHES)


class _Plain(dict[int, int]):
    """For str.translate: the ASCII letter that a character is made of, if it is made of one."""

    def __missing__(self, code: int) -> int:
        character = chr(code)
        base = unicodedata.normalize("NFD", character)[0]
        lower = LETTERS.get(base.lower(), base)[0]
        if character in "’‘":
            lower = "'"
        plain = lower.upper() if base.isupper() else lower
        self[code] = ord(plain) if plain.isascii() else code
        return self[code]


_PLAIN = _Plain()


def plain(text: str) -> str:
    """A composed text of the same length with ASCII letters for Latin ones, for rules that look at shapes."""
    return text if text.isascii() else text.translate(_PLAIN)
