"""Whether two short statements contradict each other: the same words, but one denies them, or says the opposite."""

import re
from dataclasses import dataclass

from memoria.signals import is_fact
from memoria.tokens import tokens

_WORD = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)?|[^\W_]+")
_DENIAL = frozenset("not no never without".split())
_HELPERS = frozenset("do does did is are was were the a an".split())
_CHINESE_DENIAL = re.compile(
    "不再|不(?![错仅但只同断久少]|过(?!敏))|(?<!有)没有|没(?!问题|关系|有)|未(?!来|婚)"
)
_NOT_ONLY = re.compile(r"\bnot only\b", re.IGNORECASE)
# Spelled out, so that "can't swim" and "can swim" have the same verb. Many write them without the apostrophe.
_CONTRACTION = re.compile(
    r"\b(?:(?P<short>ca|wo|sha)n['’]?t|(?P<can>can)not"
    r"|(?P<verb>do|does|did|is|are|was|were|have|has|had|could|would|should|must|need|might)n['’]?t)\b",
    re.IGNORECASE,
)
_IN_FULL = {"ca": "can", "wo": "will", "sha": "shall"}
_NO_LONGER = re.compile(
    r"\bno\s+longer\b"
    r"|\b(?:(?:has|have|had)\s+)?(?:stopped|quit|gave\s+up|given\s+up)\s+(?P<verb>\w+)ing\b"
    r"|不再|停止了?|已经?(?=[不没])",
    re.IGNORECASE,
)
# As little as the "has been" of NEWS.
_NOT_BEEN = re.compile(r"\b(?:has|have)\s+not\s+been\b", re.IGNORECASE)
# "Any more servers" is a number of them.
_ANY_MORE = re.compile(r"\b(?:anymore\b|any\s+(?:more|longer)\b(?!\s+\w))", re.IGNORECASE)
# What says that something is so now, or has become so.
NEWS = re.compile(
    r"\b(?:now|currently|as of (?:now|today)|from now on|instead(?: of)?|no longer|has been|have been|was|were)\b"
    r"|现在|目前|如今|已经|已",
    re.IGNORECASE,
)
# "Has a car" is denied by "has no car", 有车 by 没车.
_CHINESE_HAS = re.compile("(?<![所只还拥具没享占含唯])有(?![限效趣关名时的些助利机])")
# Words of one syllable lose an e before -ing, and only those end in a single consonant after a single vowel there.
_LOST_E = re.compile("[^aeiouy]*[aeiouy][^aeiouwxy]", re.IGNORECASE)

# What says the opposite of another word. Who loves something likes it; who does not love it may like it all the same.
_MORE = {"love": "like", "adore": "like", "enjoy": "like"}
_AGAINST = {
    **dict.fromkeys("dislike hate detest loathe despise".split(), "like"),
    **dict.fromkeys("forbid disallow prohibit".split(), "allow"),
}
# These only where they are said of something: "inactive users get mail" does not contradict "active users get mail".
_UNLIKE = {
    word: other
    for other, words in {
        "enabled": "disabled",
        "open": "closed shut",
        "on": "off",
        "online": "offline",
        "allowed": "forbidden disallowed prohibited banned",
        "active": "inactive",
        "public": "private",
        "available": "unavailable",
        "able": "unable",
        "required": "optional",
        "mandatory": "voluntary",
        "locked": "unlocked",
        "encrypted": "unencrypted",
        "valid": "invalid",
        "visible": "hidden invisible",
        "possible": "impossible",
        "compatible": "incompatible",
        "supported": "unsupported",
        "stable": "unstable",
        "safe": "unsafe",
        "alive": "dead",
        "true": "false",
    }.items()
    for word in words.split()
}
_SAID_OF = frozenset("is are was were be been being not stays remains turned switched".split())
_BEARS = frozenset("on off".split())
_PREPOSITIONS = frozenset("in for by at during when while since until".split())
_CHINESE_MORE = {**dict.fromkeys(("热爱", "喜爱", "酷爱"), "喜欢"), "开启": "打开"}
_CHINESE_AGAINST = {
    **dict.fromkeys(("讨厌", "厌恶", "反感"), "喜欢"),
    **dict.fromkeys(("禁用", "停用"), "启用"),
    **dict.fromkeys(("关闭", "关上"), "打开"),
    "禁止": "允许",
    "离线": "在线",
    "无效": "有效",
    "失效": "有效",
    "私有": "公开",
    "关": "开",
}
_CHINESE_PLAINER = re.compile("|".join(_CHINESE_MORE))
# As in English, not where a noun follows; a single 关 is a part of many words.
_CHINESE_OPPOSITE = re.compile(
    f"(?:{'|'.join(word for word in _CHINESE_AGAINST if word != '关')}|(?<![相有无机海开])关(?=[着了]|的?$))(?!的.)"
)


@dataclass(frozen=True, slots=True)
class Frame:
    """What a statement says of what: of two with the same words and figures one may deny the other."""

    words: tuple[str, ...]
    """All but those that deny, help or are figures, for which "#" stands."""
    figures: tuple[str, ...]
    is_denied: bool
    ends: bool
    """It says that something no longer holds."""
    meant: tuple[str, ...]
    """The words with their opposites instead where those are the plainer ones: "like" for "hate"."""
    holds: bool
    """Whether it says what is meant, or the opposite."""


def frame(text: str) -> Frame | None:
    """None for texts that are too long, ask something or deny more than once."""
    if not is_fact(text):
        return None
    text, ends = _spelled(_NOT_ONLY.sub("also", text))
    text = _without(NEWS, text)
    text, denials = _CHINESE_DENIAL.subn("", text)
    said = [word.lower() for word in _WORD.findall(_CHINESE_HAS.sub("", text))]
    kept: list[str] = []
    meant: list[str] = []
    figures: list[str] = []
    opposites = 0
    for at, word in enumerate(said):
        if word[0].isdigit() and not re.search("[a-z]", word):
            figures.append(word)
            kept.append("#")
            meant.append("#")
        elif word in _DENIAL:
            denials += 1
        elif word not in _HELPERS and not (word == "any" and denials):
            kept.append(_folded(word))
            plainer, opposite = _meant(said, at)
            meant.append(plainer)
            opposites += opposite
    if denials > 1:
        return None
    words = tuple(kept)
    if denials:
        return Frame(words, tuple(figures), True, ends, words, False)
    return Frame(words, tuple(figures), False, False, tuple(meant), opposites % 2 == 0)


def subject_words(text: str) -> frozenset[str]:
    """The tokens of a statement without what denies it: those of the statements that it may contradict."""
    text = _without(NEWS, _spelled(text)[0])
    text = _CHINESE_HAS.sub("", _CHINESE_DENIAL.sub("", text))
    text = _CHINESE_PLAINER.sub(_plainer, _CHINESE_OPPOSITE.sub(_chinese_opposite, text))
    return frozenset(_KEY_WORDS.get(token, token) for token in tokens(text)) - _DENIAL


def _spelled(text: str) -> tuple[str, bool]:
    """The text with a plain "not" where it denies something, and whether it says that this was so before."""
    text = _NOT_BEEN.sub("not", _CONTRACTION.sub(_in_full, text))
    text, ended = _NO_LONGER.subn(_not, text)
    text, any_more = _ANY_MORE.subn("", text)
    text = text.rstrip(" .。!！")
    is_over = text.endswith("了") and not text.endswith("不了")
    return text.removesuffix("了"), bool(ended or any_more or is_over)


def _in_full(match: re.Match[str]) -> str:
    verb = _IN_FULL.get((match["short"] or "").lower()) or match["verb"] or match["can"]
    return f"{verb} not"


def _not(match: re.Match[str]) -> str:
    if not match.group().isascii():
        return "" if match.group().startswith("已") else "不"
    return f" not {_infinitive(match['verb'])}" if match["verb"] else " not "


def _infinitive(stem: str) -> str:
    """Of what stands before -ing."""
    if _LOST_E.fullmatch(stem):
        return f"{stem}e"
    return stem[:-1] if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "aeiouflsz" else stem


def _folded(word: str) -> str:
    if word == "has":
        return "have"
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    word = word[:-1] if word.endswith("s") and len(word) > 3 else word
    return word[:-1] if word.endswith("e") and len(word) > 4 else word


def _meant(said: list[str], at: int) -> tuple[str, int]:
    """The plainer of a word and its opposite, and how many opposites that were."""
    word = said[at]
    if not word.isascii():
        plainer, opposites = _CHINESE_OPPOSITE.subn(_chinese_opposite, word)
        return _CHINESE_PLAINER.sub(_plainer, plainer), opposites
    one = word[:-1] if word.endswith("s") else word
    if one in _MORE:
        return _folded(_MORE[one]), 0
    if one in _AGAINST:
        return _folded(_AGAINST[one]), 1
    if word in _UNLIKE and _is_said_of(said, at):
        return _folded(_UNLIKE[word]), 1
    return _folded(word), 0


def _is_said_of(said: list[str], at: int) -> bool:
    after = said[at + 1] if at + 1 < len(said) else ""
    if said[at] in _BEARS and after and after not in _PREPOSITIONS:
        return False  # "off the table" says where
    return not after or (at > 0 and said[at - 1] in _SAID_OF)


def _chinese_opposite(match: re.Match[str]) -> str:
    return _CHINESE_AGAINST[match.group()]


def _plainer(match: re.Match[str]) -> str:
    return _CHINESE_MORE[match.group()]


def _without(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda match: " " if match.group().isascii() else "", text)


_KEY_WORDS = {
    token: next(iter(tokens(other)), other)
    for word, other in (_MORE | _AGAINST | _UNLIKE).items()
    for token in tokens(word)
}
