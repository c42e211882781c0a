"""Phrases of natural language and what they mean, read off a text word by word."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Words:
    """A text as words: in lower case, identifiers and dates with their signs whole, a Chinese character by itself."""

    _WORD = re.compile(
        r"['’]s\b|[a-z0-9_]+(?:[-./:@+#&][a-z0-9_]+)*(?:['’](?!s\b)[a-z]+)?|[\u3400-\u9fff]"
        r"|[^\W\u3400-\u9fff]+|\S",
        re.IGNORECASE,
    )

    def __init__(self, text: str) -> None:
        self.text = re.sub(r"\bmid-(?=\w)", "mid ", unicodedata.normalize("NFKC", text), flags=re.IGNORECASE)
        found = [(match.group(), match.span()) for match in self._WORD.finditer(self.text)]
        self.written = [word for word, _ in found]
        self.all = [word.lower().replace("’", "'") for word in self.written]
        self._places = [place for _, place in found]
        self.numbers: dict[int, tuple[int, int] | None] = {}  # read already; many readers ask for them

    def __getitem__(self, at: int) -> str:
        return self.all[at] if 0 <= at < len(self.all) else ""

    def __len__(self) -> int:
        return len(self.all)

    def between(self, start: int, end: int) -> str:
        return self.text[self._places[start][0] : self._places[end - 1][1]].lower() if start < end else ""


class Lexicon(Generic[Value]):
    """Phrases and what they mean; the longest that begins at a word counts."""

    def __init__(self, meanings: Mapping[str, Value]) -> None:
        self._by_first: dict[str, list[tuple[list[str], Value]]] = {}
        for phrases, value in meanings.items():
            for phrase in phrases.split("|"):
                words = Words(phrase).all
                self._by_first.setdefault(words[0], []).append((words, value))
        for entries in self._by_first.values():
            entries.sort(key=lambda entry: -len(entry[0]))

    @property
    def beginnings(self) -> frozenset[str]:
        """The words with which a phrase may begin."""
        return frozenset(self._by_first)

    def read(self, words: Words, at: int) -> tuple[Value, int] | None:
        for phrase, value in self._by_first.get(words[at], ()):
            if words.all[at : at + len(phrase)] == phrase:
                return value, at + len(phrase)
        return None

    def end(self, words: Words, at: int) -> int:
        """The place behind the phrase that begins there; the same place if none does."""
        found = self.read(words, at)
        return at if found is None else found[1]


def phrases(*each: str) -> Lexicon[None]:
    return Lexicon(dict.fromkeys(each))
