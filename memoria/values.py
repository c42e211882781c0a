"""What a statement says of an attribute, and whether one such value can take another's place.

"The owner is Tim" and "the owner is on vacation" fill the same sentence, but with values of different kinds: both
hold. So do "30 seconds for reads" and "60 seconds for writes", which say for what they hold.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from memoria.tokens import tokens


@dataclass(frozen=True, slots=True)
class Value:
    said: frozenset[str]
    kind: str
    """number and what is counted, figure, day, clock, name, code, words, description, chinese; after a preposition of
    its own that comes first."""
    qualifier: frozenset[str]
    """For what, where or when it holds."""
    amount: tuple[str, float] | None = None
    """Of what, and how much: the same for 60 seconds and 1 minute. None where that is not known."""

    @property
    def named(self) -> frozenset[str]:
        """What remains without figures: "port" of "port 8080"."""
        return frozenset(_DIGITS.sub("", token) for token in self.said) - {""}


_SINCE = re.compile(
    r"[\s,]+(?:since|as of|starting|effective|until|till|from (?=next|now|today|tomorrow|\d|[A-Z]))\b.*$",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r"\s*[,;，；(（—]\s*(?!(?:for|on|in|at|when|if|unless|except|during|but|with)\b).*$", re.IGNORECASE
)
_LED = re.compile(
    r"(?P<by>on|in|at|under|by|with|for|about|from|to|near|between)\s+(?P<rest>.+)$", re.IGNORECASE
)
_QUALIFIED = re.compile(
    r"[\s,]+(?:for|at|in|on|of(?!\s+[A-Z])|during|with|by|per|when|if|while|from|within|via|under|unless|except|but)\s+",
    re.IGNORECASE,
)
_DAY = re.compile(
    r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?|today|tomorrow|(?:jan|febr)uary|march|april|june|july|august"
    r"|(?:septem|octo|novem|decem)ber|(?:\d+(?:st|nd|rd|th)?\s+)may|may\s+\d+|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov"
    r"|dec|q[1-4]|\d{4}-\d\d?(?:-\d\d?)?|(?:next|this) (?:week|month|year|spring|summer|autumn|fall|winter))\b"
    r"|星期|周[一二三四五六日天末]|礼拜|\d+月|\d+[日号]|明天|后天|下周|下个月",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"\b\d{1,2}:\d\d\b|\b\d{1,2}\s*(?:a\.?m\.?|p\.?m\.?|o'clock)(?!\w)|\bnoon\b|\bmidnight\b|\d+点",
    re.IGNORECASE,
)
# With a time of day, the days on which it is that every week.
_EVERY = re.compile(
    r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)days\b|\bweek(?:days|ends)\b|\b(?:every|each) \w+"
    r"|每周\w|每[天月年]|周末",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?:about|around|roughly|over|under|every|max(?:imum)?|at most|~|≈|约|每)?\s*(?P<sign>[$€£¥])?\s*"
    r"-?\d[\d.,_]*\s*(?P<unit>.*)$",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"(?:an?|some|one of)\s", re.IGNORECASE)
_DEFINITE = re.compile(r"(?:the|our|my|your|his|her|their)\s+", re.IGNORECASE)
_CODE = re.compile(r"\S*(?:[A-Za-z][-_./:@]?\d|\d[-_./:]?[A-Za-z]|[A-Za-z0-9][-_./:@]+[A-Za-z0-9])\S*$")
# A version, a room, an address or an amount.
_FIGURE = re.compile(r"v?\d+(?:\.\d+)+")
_DIGITS = re.compile(r"[\d.,:]+")
_CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af]")
_NOT_A_VALUE = re.compile(
    r"\b(?:not|never|unknown|unclear|tbd|undecided|or|between)\b|n['’]t\b|^不|未知|待定|的$", re.IGNORECASE
)
# What happens to a thing, or how it is, is no value of what it is.
_HAPPENING = re.compile(r"[a-z]+(?:ed|ing|able)\b", re.IGNORECASE)
# Units of one measure can take each other's place.
_MEASURES = (
    (
        "time",
        "ms s sec second min minute h hr hour day week month year millisecond".split()
        + "毫秒 秒 分钟 小时 天 周 个月 年".split(),
    ),
    ("size", "b kb mb gb tb kib mib gib byte kilobyte megabyte gigabyte terabyte".split()),
    ("money", "$ usd dollar € eur euro £ gbp pound ¥ cny rmb yuan 元 块 万元".split()),
    ("length", "mm cm m km meter metre kilometer mile inch foot ft 米 公里".split()),
    ("weight", "g kg gram kilogram lb pound 公斤 斤 克".split()),
    ("%", "% percent".split()),
    ("", "k m million thousand billion 万 亿".split()),
)
_UNITS = frozenset(spelling for _, units in _MEASURES for unit in units for spelling in (unit, f"{unit}s"))
# The spellings of a unit, the shortest first, and what it is worth. "5 m" may be metres, minutes or millions.
_SPELLINGS = {
    spelling: (spellings.split()[0], measure, worth)
    for spellings, measure, worth in (
        ("ms msec msecs millisecond milliseconds 毫秒", "time", 0.001),
        ("s sec secs second seconds 秒 秒钟", "time", 1),
        ("min mins minute minutes 分钟", "time", 60),
        ("h hr hrs hour hours 小时", "time", 3_600),
        ("d day days 天", "time", 86_400),
        ("% percent", "share", 1),
    )
    for spelling in spellings.split()
}
_AMOUNT = re.compile(
    rf"(?<![\d.])(\d++(?:\.\d++)?+)\s?({'|'.join(sorted(_SPELLINGS, key=len, reverse=True))})(?![^\W_])"
)
_LONGEST_CHINESE = 12
# "3" may follow "2.5", and "2.0-beta" "1.9".
_ALIKE = ({"figure", "number "}, {"figure", "code"})


@lru_cache(maxsize=2_048)
def value(text: str) -> Value | None:
    """The value that a statement's end gives; None where it gives none."""
    text = _ASIDE.sub("", _SINCE.sub("", text)).strip().strip("\"'“”‘’`").rstrip(".。!！了 ")
    if not text or _NOT_A_VALUE.search(text):
        return None
    led = _LED.match(text)
    head = led["rest"] if led else text
    if when := _time(head, at=bool(led) and led["by"].lower() == "at" if led else False):
        head, qualifier = _split(
            head, re.compile(r"[\s,]+(?:for|with|by|when|if|unless|except|but)\s+", re.IGNORECASE)
        )
        if _CLOCK.search(head):
            qualifier |= frozenset(found.lower() for found in _EVERY.findall(head))
        return Value(frozenset(tokens(head)), when, qualifier)
    head, qualifier = _split(head, _QUALIFIED)
    kind = _kind(head)
    kind = f"{led['by'].lower()} {kind}" if led else kind
    return Value(frozenset(tokens(head)), kind, qualifier, _amount(head))


def comparable(new: Value, old: Value, *, any_kind: bool = False) -> bool:
    """Whether the new value can take the old one's place; `any_kind` for attributes that take all sorts of words."""
    if any_kind and " words" not in (new.kind + old.kind):  # such a word has a preposition before it
        return new.qualifier == old.qualifier
    kinds = {new.kind, old.kind}
    return new.qualifier == old.qualifier and "" not in kinds and (len(kinds) == 1 or kinds in _ALIKE)


def spelled_alike(text: str) -> str:
    """The text with one spelling of each unit: "30 seconds" and "30s" are the same."""
    return _AMOUNT.sub(lambda match: match[1] + _SPELLINGS[match[2]][0], text)


def _amount(head: str) -> tuple[str, float] | None:
    if (found := _AMOUNT.fullmatch(head)) is None:
        return None
    _, measure, worth = _SPELLINGS[found[2]]
    return measure, round(float(found[1]) * worth, 6)


def _split(text: str, pattern: "re.Pattern[str]") -> tuple[str, frozenset[str]]:
    """What comes before the qualifier, and the words of that, little ones included: "for me" is not "for you"."""
    found = pattern.search(text)
    if found is None:
        return text, frozenset()
    return text[: found.start()], frozenset(re.findall(r"\w+", text[found.start() :].lower())) - {
        "the",
        "a",
        "an",
    }


def _time(text: str, *, at: bool) -> str:
    if _DAY.search(text):
        return "day"
    return "clock" if _CLOCK.search(text) or (at and re.fullmatch(r"\d{1,2}", text)) else ""


def _kind(head: str) -> str:
    """What kind of value it is; empty for what cannot take another's place."""
    if not head.split():
        return ""
    if _FIGURE.fullmatch(head):
        return "figure"
    number = _NUMBER.match(head)
    if number is not None and (not _CODE.match(head.split()[0]) or _is_measured(number)):
        return f"number {_measure(number['sign'] or '', number['unit'])}"
    if re.match(r"[$€£¥~≈]?\d[\d.,]*[A-Za-z%]{1,3}\b", head):
        return f"number {_measure('', re.sub(r'^[^A-Za-z%]+', '', head))}"
    if _ARTICLE.match(head):
        return "description"
    head = _DEFINITE.sub("", head).strip() or head
    if _CJK.match(head):
        return "chinese" if len(head) <= _LONGEST_CHINESE else ""
    if _CODE.match(head.split()[0]):
        return "code"
    if head[:1].isupper() or any(letter.isupper() for letter in head.split()[0]):
        return "name"
    return "" if _HAPPENING.match(head) else "words"


def _is_measured(number: re.Match[str]) -> bool:
    """Whether it is an amount of something, whatever its figures look like: "2.50 euros", "99.9%"."""
    unit = number["unit"].lower().split()
    return bool(number["sign"]) or (bool(unit) and unit[0].rstrip(".") in _UNITS)


def _measure(sign: str, unit: str) -> str:
    found = [sign, *unit.lower().split()] if sign else unit.lower().split()
    words = [word.rstrip("s.") if len(word) > 2 else word for word in found]
    named = (next((name for name, units in _MEASURES if word in units), word) for word in words)
    return " ".join(sorted(set(named)))
