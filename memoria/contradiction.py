"""Whether two short statements may contradict each other: the same words, but another number, or one denies it."""

import re

from memoria.signals import is_fact

_WORD = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)?|[^\W_]+")
_DENIAL = frozenset(
    "not no never don't doesn't didn't isn't aren't wasn't weren't cannot can't won't without".split()
)
_HELPERS = frozenset("do does did is are was were the a an".split())
_CHINESE_DENIAL = re.compile("不再|不(?![错仅但只同断久少]|过(?!敏))|没有|没(?!问题|关系)|未(?!来|婚)")
_NOT_ONLY = re.compile(r"\bnot only\b", re.IGNORECASE)


def frame(text: str) -> tuple[str, str] | None:
    """What a statement says it of, and what it says: statements with one frame and two values contradict each other.

    None for texts that are too long or ask something.
    """
    if not is_fact(text):
        return None
    text = _NOT_ONLY.sub("also", text)
    denied = _CHINESE_DENIAL.search(text) is not None
    kept: list[str] = []
    values: list[str] = []
    for word in _WORD.findall(_CHINESE_DENIAL.sub("", text).lower().replace("’", "'")):
        if word[0].isdigit() and not re.search("[a-z]", word):
            values.append(word)
            kept.append("#")
        elif word in _DENIAL:
            denied = True
        elif word not in _HELPERS:
            kept.append(word[:-1] if word.endswith("s") and len(word) > 3 else word)
    return " ".join(kept), " ".join([*values, *(["not"] if denied else [])])
