"""The things in a text, and what a query may mean."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from memoria.entities import chinese, latin, written
from memoria.entities.things import NAME_LENGTH, Found, canonical, folded, plain
from memoria.entities.vocabulary import ALIASES
from memoria.entities.written import Spotted

ENTITIES_PER_TEXT = 40
TEXT_LENGTH = 8_000


def entities(text: str) -> list[Found]:
    """The things in a text, each once, in the order of the rules; at most ENTITIES_PER_TEXT."""
    return list(_entities(text[:TEXT_LENGTH]))


@lru_cache(maxsize=2_000)
def _entities(text: str) -> tuple[Found, ...]:
    text = unicodedata.normalize("NFKC", text)
    found: dict[str, Found] = {}
    for kind, start, end, given in _spotted(plain(text)):
        spelled = text[start:end]
        name = given if given is not None else canonical(spelled)
        name = ALIASES.get(name, name)
        if 1 < len(name) <= NAME_LENGTH or (name and not name.isascii()):
            found.setdefault(name, Found(name, spelled, kind))
        if len(found) >= ENTITIES_PER_TEXT:
            break
    return tuple(found.values())


def _spotted(text: str) -> Iterator[Spotted]:
    """By rule, the most telling first; what one has taken no other sees."""
    spotted, rest = written.by_signs(text)
    yield from spotted
    is_chinese = chinese.is_in(rest)
    if is_chinese:
        spotted, rest = chinese.organizations_and_places(rest)
        yield from spotted
    yield from latin.identifiers(rest, amid_chinese=is_chinese)
    yield from latin.names(rest)
    yield from latin.aliases(rest)
    if is_chinese:
        yield from chinese.people_and_teams(rest)
        yield from chinese.aliases(rest)


_PHRASE_WORD = re.compile(r"[^\W_]+(?:[-_.'’/@:][^\W_]+)*|[\u3400-\u9fff]+")
PHRASE_WORDS, PHRASE_CHARACTERS = 4, 6


def possible_names(query: str) -> list[str]:
    """What a query may call a thing by a name that somebody gave it: the rules' finds and every short phrase."""
    found = {thing.name: None for thing in entities(query)}
    query = query[:1_000]
    for spelled in {query.lower(), folded(query)}:
        words = _PHRASE_WORD.findall(spelled)
        for start in range(len(words)):
            for length in range(1, PHRASE_WORDS + 1):
                phrase = " ".join(words[start : start + length])
                found[phrase] = found[canonical(phrase)] = None
    for run in re.findall("[\u3400-\u9fff]+", query[:200]):
        for start in range(len(run)):
            for length in range(2, PHRASE_CHARACTERS + 1):
                found[run[start : start + length]] = None
    return list(found)
