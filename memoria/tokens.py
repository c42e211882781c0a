"""Our own token text: what full-text search sees of a memory, alike on every engine and in both scripts."""

import hashlib
import re
import unicodedata

WORD = re.compile(r"[^\W_]+(?:[._/@:+#-]+[^\W_]+)*", re.UNICODE)
PART = re.compile(r"[^\W_]+", re.UNICODE)
CJK = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\u3040-\u30ff\uac00-\ud7af]+")
STOP_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "been",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "for",
        "from",
        "had",
        "has",
        "have",
        "he",
        "her",
        "his",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "me",
        "my",
        "not",
        "of",
        "on",
        "or",
        "our",
        "she",
        "should",
        "so",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "to",
        "us",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
    ]
)


def tokens(text: str) -> list[str]:
    """Words without diacritics and endings, identifiers whole and in parts, Chinese as characters and
    bigrams.
    """
    found: list[str] = []
    folded = "".join(
        c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)
    ).casefold()
    for run in CJK.findall(folded):
        found += list(run)
        found += [run[i : i + 2] for i in range(len(run) - 1)]
    for word in WORD.findall(CJK.sub(" ", folded)):
        parts = PART.findall(word)
        if len(parts) > 1:
            found.append(word)
        found += [stem(part) for part in parts if part not in STOP_WORDS]
    return found


def stem(word: str) -> str:
    """Take the commonest English endings off; both sides of a comparison go through here."""
    if len(word) > 3 and word.isalpha():
        for ending, instead in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
            if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
                return word[: -len(ending)] + instead
    return word


def encoded(token: str) -> str:
    """Spell a token with lower-case ASCII letters and digits only, at least three of them: no engine's
    tokenizer, minimum length or stop-word list changes such a word."""
    if token.isascii() and token.isalnum() and 2 <= len(token) <= 60:
        return f"w{token}"
    return f"h{hashlib.blake2b(token.encode(), digest_size=8).hexdigest()}"


def search_text(text: str) -> str:
    """The words to index for a text, in order."""
    return " ".join(map(encoded, tokens(text)))
