"""When a query asks about a time: "last week", "in March", "before the launch", "latest", "first" and their
Chinese.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

_MONTHS = "january february march april may june july august september october november december".split()
_MONTH = "|".join(f"{m}|{m[:3]}" if len(m) > 3 else m for m in _MONTHS)
_NUMBERS = {w: n for n, w in enumerate("zero one two three four five six seven eight nine ten".split())}
_NUMBERS |= {
    "a": 1,
    "an": 1,
    "couple": 2,
    "few": 3,
    "一": 1,
    "两": 2,
    "二": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "十": 10,
}
_UNITS = {
    "day": 1,
    "week": 7,
    "month": 30,
    "year": 365,
    "天": 1,
    "周": 7,
    "星期": 7,
    "个星期": 7,
    "个月": 30,
    "年": 365,
}

_AGO = re.compile(
    r"\b(\d{1,3}|a|an|one|two|three|four|five|six|seven|eight|nine|ten|couple of|few) (day|week|month|year)s? ago\b"
)
_PAST = re.compile(
    r"\b(?:in |over |during |within )?the (?:past|last) (\d{1,3}|two|three|four|five|six|seven|few)"
    r" (day|week|month|year)s\b"
)
_CHINESE_AGO = re.compile(r"(\d{1,3}|[一两二三四五六七十])(天|周|个星期|个月|年)(?:以)?前")
_NAMED = re.compile(r"\b(today|yesterday|this week|last week|this month|last month|this year|last year)\b")
_CHINESE_NAMED = {
    "今天": "today",
    "昨天": "yesterday",
    "本周": "this week",
    "这周": "this week",
    "上周": "last week",
    "上个星期": "last week",
    "这个月": "this month",
    "本月": "this month",
    "上个月": "last month",
    "今年": "this year",
    "去年": "last year",
}
_ISO = re.compile(r"\b(\d{4})-(\d{1,2})(?:-(\d{1,2}))?\b")
_ENGLISH = re.compile(
    rf"\b({_MONTH})\.? (\d{{1,2}})(?:st|nd|rd|th)?(?:,? (\d{{4}}))?\b"
    rf"|\b(?:in|of|since|until|before|after|during) ({_MONTH})\b(?!\.? \d{{1,2}}(?!\d))(?:,? (\d{{4}}))?"
)
_CHINESE = re.compile(r"(?:(\d{4})年)?(\d{1,2})月(?:(\d{1,2})[日号])?")
_BEFORE = re.compile(r"\b(?:before|until|prior to)\b|之前|以前")
_AFTER = re.compile(r"\b(?:after|since)\b|之后|以后|以来")
_EVENT = re.compile(
    r"\b(before|until|prior to|after|since) (?:the |we |i |our |my )?([a-z][\w -]{2,60}?)(?=[,.?!]|$)"
)
_LATEST = re.compile(
    r"\b(?:latest|newest|most recent(?:ly)?|current(?:ly)?|right now|these days|now|nowadays|at the moment)\b"
    r"|最新|目前|当前|现在|最近"
)
_FIRST = re.compile(
    r"\b(?:first|earliest|originally|original|initially|initial|oldest)\b|最早|最初|第一次|一开始|起初"
)


# What is left of a question that asks for a time and for nothing else.
_ANYTHING = frozenset(
    "what which who whom where when how did do does done doing was were is are has have had been happen "
    "happened happens happening thing things tell told say said talk talked discuss discussed meet met "
    "see saw seen go went work worked write wrote note noted remember know learn learned about of on in "
    "at the a an to for with and or i you we he she they my your our me us user s d ve anything something "
    "everything everyone recently new all last any".split()
)
_CHINESE_ANYTHING = frozenset(
    "我你您他她们了的吗呢吧啊什么么做过发生说聊谁见哪些事情有在都是得知道学到和跟告诉给用户最"
)


@dataclass(frozen=True, slots=True)
class Intent:
    """`window` bounds when the wanted memories were observed (None: open); `event` is a phrase whose own time bounds
    it; `order` prefers one end of time among equals."""

    window: tuple[datetime | None, datetime | None] | None = None
    event: tuple[Literal["before", "after"], str] | None = None
    order: Literal["latest", "first"] | None = None

    @property
    def is_any(self) -> bool:
        return self.window is not None or self.event is not None or self.order is not None


def intent(query: str, now: datetime) -> Intent:
    """Read the temporal intent of a query; an Intent without any where there is none."""
    text = query.lower()
    order: Literal["latest", "first"] | None = None
    if _LATEST.search(text):
        order = "latest"
    elif _FIRST.search(text):
        order = "first"
    window = _window(text, now)
    if window is not None:
        return Intent(window=_turned(text, window), order=order)
    if (match := _EVENT.search(text)) is not None:
        side: Literal["before", "after"] = "after" if match.group(1) in ("after", "since") else "before"
        return Intent(event=(side, match.group(2)), order=order)
    return Intent(order=order)


def asks_for_time_alone(query: str) -> bool:
    """Whether a query has a temporal intent and no word besides that would tell memories apart."""
    text = query.lower()
    for pattern in (_AGO, _PAST, _CHINESE_AGO, _NAMED, _ISO, _ENGLISH, _CHINESE, _LATEST, _FIRST):
        text = pattern.sub(" ", text)
    for word in _CHINESE_NAMED:
        text = text.replace(word, " ")
    event = _EVENT.search(text)
    text = f"{text[: event.start()]} {text[event.end() :]}" if event is not None else text
    text = _AFTER.sub(" ", _BEFORE.sub(" ", text))
    words = re.findall(r"[a-z]+|[^\W\d_a-z]|\d+", text)
    return all(word in _ANYTHING or word in _CHINESE_ANYTHING for word in words)


def _turned(text: str, window: tuple[datetime, datetime]) -> tuple[datetime | None, datetime | None]:
    """Before a time means everything up to it, after a time everything from it on."""
    if _BEFORE.search(text):
        return None, window[0]
    if _AFTER.search(text):
        return window[0], None
    return window


def _window(text: str, now: datetime) -> tuple[datetime, datetime] | None:
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if (match := _PAST.search(text)) is not None:
        return now - timedelta(days=_days(match.group(1), match.group(2))), now
    if (match := _AGO.search(text) or _CHINESE_AGO.search(text)) is not None:
        unit = _UNITS[match.group(2)]
        middle = day - timedelta(days=_days(match.group(1), match.group(2)))
        return middle - timedelta(days=unit // 2), middle + timedelta(days=unit // 2 + 1)
    if (match := _NAMED.search(text)) is not None:
        return _named(match.group(1), day)
    for word, name in _CHINESE_NAMED.items():
        if word in text:
            return _named(name, day)
    return _date(text, now)


def _days(number: str, unit: str) -> int:
    count = int(number) if number.isdigit() else _NUMBERS[number.split()[0]]
    return count * _UNITS[unit]


def _named(name: str, day: datetime) -> tuple[datetime, datetime]:
    monday = day - timedelta(days=day.weekday())
    first = day.replace(day=1)
    january = first.replace(month=1)
    last_month = (first - timedelta(days=1)).replace(day=1)
    return {
        "today": (day, day + timedelta(days=1)),
        "yesterday": (day - timedelta(days=1), day),
        "this week": (monday, monday + timedelta(days=7)),
        "last week": (monday - timedelta(days=7), monday),
        "this month": (first, first + timedelta(days=32)),
        "last month": (last_month, first),
        "this year": (january, january.replace(year=january.year + 1)),
        "last year": (january.replace(year=january.year - 1), january),
    }[name]


def _date(text: str, now: datetime) -> tuple[datetime, datetime] | None:
    if (match := _ISO.search(text)) is not None:
        return _span(match.group(1), match.group(2), match.group(3), now)
    if (match := _ENGLISH.search(text)) is not None:
        name = match.group(1) or match.group(4)
        month = next(i for i, m in enumerate(_MONTHS, 1) if m.startswith(name[:3]))
        return _span(match.group(3) or match.group(5), str(month), match.group(2), now)
    if (match := _CHINESE.search(text)) is not None:
        return _span(match.group(1), match.group(2), match.group(3), now)
    return None


def _span(year: str | None, month: str, day: str | None, now: datetime) -> tuple[datetime, datetime] | None:
    """A day or a month; without a year the latest one that has begun."""
    try:
        start = datetime(int(year or now.year), int(month), int(day or 1), tzinfo=UTC)
        if year is None and start > now:
            start = start.replace(year=start.year - 1)
        end = start + timedelta(days=1) if day else (start + timedelta(days=32)).replace(day=1)
    except (ValueError, OverflowError):  # no such day, or none after it
        return None
    return start, end
