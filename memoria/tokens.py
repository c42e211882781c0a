"""Our own token text: what lexical search sees of a memory, alike on every engine and in both scripts.

English words are folded and lightly stemmed, identifiers are kept whole and in parts, Chinese, Japanese and Korean
become single characters and bigrams. The same function reads memories and queries.
"""

import hashlib
import re
from functools import lru_cache

from memoria.latin import without_diacritics

_CJK_CHARACTERS = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af"
_CJK = re.compile(f"[{_CJK_CHARACTERS}]+")
# A word, with what holds identifiers, versions, hosts, paths and addresses together inside it.
_WORD = re.compile(r"[^\W_]+(?:['’._/@:+#&-]+[^\W_]+)*[+#]*")
_PART = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_POSSESSIVE = re.compile(r"['’]s\b")

STOP_WORDS = frozenset(
    "a about above after again against all also am an and any are as at be because been before being below"
    " between both but by can could did do does doing don down during each few for from further get got had"
    " has have having he her here hers him his how i if in into is it its just let like ll m make me more"
    " most my no nor not of off on once only or other our out over own re s same she should so some such t"
    " than that the their them then there these they this those through to too under until up us ve very"
    " was we were what when where which while who whom why will with would you your yours".split()
)
# Characters that bind a Chinese sentence together or make it a question; pairs of them say as little.
CJK_STOP = frozenset(
    "的了是在我们你他她它有没不和与也都就吗呢吧啊这那什么怎哪些谁几为上下个被把对从到会要能很之其及或于请"
)
# Longer ones that are made of characters which mean something elsewhere; longest first.
_CJK_FUNCTION = re.compile(
    "什么时候|可不可以|为什么|怎么样|是不是|有没有|能不能|要不要|时候|什么|怎么|如何|多少|是否|哪里|哪儿|哪个|哪些|请问|一下"
)


# How the encoded form of a single character begins.
SINGLE = "s"


def tokens(text: str) -> list[str]:
    """The tokens of a text, in order, repetitions included."""
    if text.isascii():  # nothing to fold
        return [token for word in _WORD.findall(text) for token in _of_word(word)]
    folded = without_diacritics(text)
    found: list[str] = []
    for run in _CJK.findall(_CJK_FUNCTION.sub(" ", folded)):
        found += [character for character in run if character not in CJK_STOP]
        pairs = (run[i : i + 2] for i in range(len(run) - 1))
        found += [pair for pair in pairs if not (pair[0] in CJK_STOP and pair[1] in CJK_STOP)]
    for word in _WORD.findall(_CJK.sub(" ", folded)):
        found += _of_word(word)
    return found


@lru_cache(maxsize=50_000)
def _of_word(word: str) -> tuple[str, ...]:
    parts = _PART.findall(_POSSESSIVE.sub("", word))
    if len(parts) == 1 and parts[0] == word:
        pieces = [piece.casefold() for piece in _CAMEL.split(word)] if not word.islower() else [word]
        whole = word.casefold()
        if len(pieces) == 1:
            return (stem(whole),) if whole not in STOP_WORDS else ()
        return (whole, *(stem(piece) for piece in pieces if piece not in STOP_WORDS))
    found: list[str] = []
    joined = word.casefold()
    if "'" not in word and "’" not in word:  # an identifier, not a contraction
        found.append(joined)
    for part in parts:
        found += _of_word(part)
    return tuple(found)


def stem(word: str) -> str:
    """Take the commonest English endings off. Both sides of a comparison go through here, so it need not be a
    word.
    """
    if len(word) <= 3 or not word.isascii() or not word.isalpha():
        return word
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("edly", ""), ("ed", ""), ("ly", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)] + instead
            break
    else:
        if word.endswith("es") and word[-3] in "sxz" and len(word) > 4:
            word = word[:-2]
        elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
            word = word[:-1]
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]  # running, runn: run
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def encoded(token: str) -> str:
    """Spell a token with lower-case ASCII letters and digits, three or more: no engine's tokenizer, minimum length
    or stop-word list changes such a word. The first letter says what it is: w a plain word, s a single character,
    h anything else."""
    if token.isascii() and token.isalnum() and 2 <= len(token) <= 60:
        return f"w{token}"
    return f"{SINGLE if len(token) == 1 else 'h'}{hashlib.blake2b(token.encode(), digest_size=8).hexdigest()}"


def search_terms(query: str) -> list[str]:
    """The encoded tokens of a query, in order, repetitions included."""
    return list(map(encoded, tokens(query)))
