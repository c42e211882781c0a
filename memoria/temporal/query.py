"""When a query asks about a time: "last week", "in March", "before the launch", "latest", "first" and their Chinese.

A word that may name a time and may not (May, 2024, Sunday, first) counts only where what stands beside it says so: a
query must not be held to a time that nobody asked for. The times themselves are read by memoria/temporal/grammar.py.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal

from memoria.temporal.grammar import Phrase, times
from memoria.temporal.lexicon import Lexicon, Words
from memoria.temporal.names import Bound, Relative

Order = Literal["latest", "first"]
Side = Literal["before", "after"]
Window = tuple[datetime | None, datetime | None]

# What is left of a question that asks for a time and for nothing else.
_ANYTHING = frozenset(
    "what which who whom where when how did do does done doing was were is are has have had been happen"
    " happened happens happening thing things tell told say said talk talked discuss discussed meet met"
    " see saw seen go went work worked write wrote note noted remember know learn learned about of on in"
    " at the a an to for with and or i you we he she they my your our me us user 's d ve anything something"
    " everything everyone new all last any 我 你 您 他 她 们 了 的 吗 呢 吧 啊 什 么 做 过 发 生 说 聊 谁 见"
    " 哪 些 事 情 有 在 都 是 得 知 道 学 到 和 跟 告 诉 给 用 户 最".split()
)
_PAST = frozenset(
    "did was were had been happened met said told saw made wrote bought got took came left began felt thought knew"
    " gave found spent ate drank won lost paid sold sent built kept ran went chose broke spoke".split()
)
_NOT_PAST = frozenset("need feed speed seed embed hundred indeed exceed proceed red bed".split())
_PRESENT = frozenset("do does is are am should must need can could would will shall may might".split())
_CHINESE_PAST = frozenset("了过曾")
_CHINESE_GENERAL = ("应该", "需要", "必须", "可以", "要", "通常", "一般", "每次", "总是")

_ENDS = Lexicon[Order](
    {
        "latest|newest|most recent|most recently|current|currently|now|right now|these days|nowadays|at the moment"
        "|recently|lately|last time|最新|目前|当前|现在|如今|最近|近来|近期|上次|上一次|最后一次": "latest",
        "first|first time|at first|earliest|original|originally|initial|initially|oldest"
        "|最早|最初|第一次|首次|一开始|起初|当初": "first",
    }
)
# Ends of time that are said of what somebody did, said or thought; other firsts are names: first sprint, first name.
_TOLD = frozenset(
    "thing time plan idea version proposal attempt decision choice message question note conversation chat discussion"
    " mention impression reaction approach memory entry record".split()
)
_SUBJECTS = frozenset("i we you he she they".split())
_NO_END = frozenset(
    (
        *(
            "at the latest",
            "at the earliest",
            "from now",
            "until now",
            "till now",
            "by now",
            "now on",
            "now that",
        ),
        *("direct current", "alternating current", "electric current", "ocean current", "current account"),
        *("current directory", "current user", "original soundtrack", "earliest date", "earliest slot"),
        *("earliest flight", "earliest train", "earliest bus"),
    )
)
# 最近 is "nearest" too, and 最早 what leaves before all others; this is what stands behind them then.
_NEAREST = re.compile(
    "(?:的|那|一)[家个所间]?.{0,4}?(?:站|店|医院|超市|银行|餐厅|机场|公园|厕所|路|学校|停车场)"
)
_DEPARTURE = re.compile("几|什么时候|班|可以|能|的(?:航班|飞机|车|火车|地铁|高铁)")

_EVENT = Lexicon[Side]({"before|prior to|until|till": "before", "after|since|ever since": "after"})
_CHINESE_EVENT = Lexicon[Side]({"之前|以前": "before", "之后|以后|以来": "after"})
_SHORT_EVENT = Lexicon[Side]({"前": "before", "后": "after"})
# With these 前 and 后 mean before and after; with others they are mostly parts of words.
_HAPPENINGS = frozenset(
    "发布 上线 搬家 会议 开会 升级 迁移 部署 重构 出差 旅行 结婚 婚礼 毕业 入职 离职 手术 考试 面试 生日".split()
)
_EVENT_WORDS, _EVENT_CHARACTERS = 8, 12
_EVENT_STARTS = frozenset("the we i you he she they our my your his her their".split())
_EVENT_ENDS = frozenset(
    "about regarding concerning which what who how when where did do does in with".split()
)
# Look after, named after; and how many days after.
_NO_EVENT_BEHIND = frozenset(
    "look looks looking looked named called take takes took run ask asked days weeks months years hours".split()
)
_INDEFINITE = frozenset("a an any each every all long that this it then".split())
_REASON = frozenset("is are am do does can will have has need want use like prefer".split())
_CHINESE_STARTS = frozenset("在自从我你您他她们咱")
_CHINESE_ENDS = _CHINESE_STARTS | frozenset(("", *"的是，。,.!?！？"))


@dataclass(frozen=True, slots=True)
class Intent:
    """`window` bounds when the wanted memories were observed (None: open); `event` is a phrase whose own time bounds
    it; `order` prefers one end of time among equals."""

    window: Window | None = None
    event: tuple[Side, str] | None = None
    order: Order | None = None

    @property
    def is_any(self) -> bool:
        return self.window is not None or self.event is not None or self.order is not None


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a query says of time, before it is known what time it is. `rest`: its other words."""

    times: tuple[Phrase, ...]
    event: tuple[Side, str] | None
    order: Order | None
    rest: tuple[str, ...]


def intent(query: str, now: datetime) -> Intent:
    """Read the temporal intent of a query; an Intent without any where there is none."""
    reading = _read(query)
    # What is counted from now says when; a date beside it may be the name of a thing.
    for phrase in sorted(reading.times, key=lambda each: not _is_from_now(each)):
        if (window := _window(phrase, now)) is not None:
            return Intent(window=window, order=reading.order)
    return Intent(event=reading.event, order=reading.order)


def asks_for_time_alone(query: str) -> bool:
    """Whether a query has a temporal intent and no word besides that would tell memories apart."""
    return all(word in _ANYTHING or not word[0].isalnum() for word in _read(query).rest)


def _is_from_now(phrase: Phrase) -> bool:
    return isinstance(phrase.time, Relative) and not phrase.time.is_range


def _window(phrase: Phrase, now: datetime) -> Window | None:
    """The bounds of a time; none if it does not exist, or leaves nothing out that a memory could be of: the future is
    what memories tell of, not when they were told.
    """
    try:
        span = phrase.time.at(now)
    except (ValueError, OverflowError):
        return None
    match phrase.bound:
        case Bound.BEFORE:
            return _until(span.point or span.start, now)
        case Bound.UNTIL:
            return _until(span.end, now)
        case Bound.AFTER:
            start, end = span.point or span.end, None
        case Bound.SINCE:
            start, end = span.start, None
        case Bound.WITHIN:
            start, end = span.start, span.end
    return (start, end) if start <= now else None


def _until(end: datetime, now: datetime) -> Window | None:
    return (None, end) if end <= now else None


@lru_cache(maxsize=256)
def _read(query: str) -> _Reading:
    words = Words(query)
    is_past, is_general = _tense(words)
    found = tuple(times(words, is_past=is_past, is_general=is_general))
    used = {place for phrase in found for place in range(phrase.start, phrase.end)}
    order = _order(words, used)
    event = _event(words, used, is_general=is_general) or _chinese_event(words, used)
    rest = tuple(word for place, word in enumerate(words.all) if place not in used)
    return _Reading(found, event, order, rest)


def _tense(words: Words) -> tuple[bool, bool]:
    """Whether a text tells of something past, and whether it tells of what is, or should be, in general."""
    seen = set(words.all)
    is_past = not seen.isdisjoint(_PAST | _CHINESE_PAST) or any(
        len(word) > 3 and word.endswith("ed") and word not in _NOT_PAST for word in seen
    )
    return is_past, not is_past and not seen.isdisjoint(_PRESENT)


def _order(words: Words, used: set[int]) -> Order | None:
    """The end of time that is asked for; the latest where both are. Takes up its words."""
    found: set[Order] = set()
    for at in range(len(words)):
        if at in used:
            continue
        end_of_time = _ENDS.read(words, at)
        if words[at] == "last" and (words[at - 1] in _SUBJECTS or words[at + 1] in _TOLD):
            end_of_time = end_of_time or ("latest", at + 1)
        if end_of_time is not None and _is_meant(words, at, end_of_time[1]):
            found.add(end_of_time[0])
            used.update(range(at, end_of_time[1]))
    return "latest" if "latest" in found else "first" if found else None


def _is_meant(words: Words, at: int, end: int) -> bool:
    """Whether it is an end of time there, and not part of a name or a saying."""
    word, before, following = words[at], words[at - 1], words[end]
    if not _NO_END.isdisjoint(
        (f"{words[at - 2]} {before} {word}", f"{before} {word}", f"{word} {following}")
    ):
        return False
    behind = "".join(words.all[end : end + 8])
    if word == "最" and words[at + 1] == "近":
        is_far = not {"离", "距"}.isdisjoint(words.all[max(0, at - 4) : at])
        return not is_far and _NEAREST.match(behind) is None
    if word == "最" and words[at + 1] == "早":
        return _DEPARTURE.match(behind) is None
    if end - at > 1:
        return True
    if word in ("initial", "oldest"):
        return following in _TOLD
    if word == "now":
        return at > 0
    if word == "first":
        is_last = not following[:1].isalnum() and before not in ("the", "my", "")
        return following in _TOLD or before in _SUBJECTS or is_last
    return True


def _event(words: Words, used: set[int], *, is_general: bool) -> tuple[Side, str] | None:
    """What a query puts its time before or after: "before the launch". Takes up its words."""
    for at in range(len(words)):
        if at in used or (side := _EVENT.read(words, at)) is None:
            continue
        start, before = side[1], words[at - 1]
        if words[start] in _INDEFINITE or before in _NO_EVENT_BEHIND or before == words[start]:
            continue
        while words[start] in _EVENT_STARTS:
            start += 1
        end = start
        while end < start + _EVENT_WORDS and words[end][:1].isalnum() and words[end] not in _EVENT_ENDS:
            end += 1
        about = words.all[start:end]
        if "since" in words.all[at : side[1]]:
            if not _REASON.isdisjoint(about):
                continue
        elif is_general:
            continue  # what is to be done before every deployment
        if any(word.isalpha() and len(word) > 2 for word in about):
            used.update(range(at, end))
            return side[0], words.between(start, end)
    return None


def _chinese_event(words: Words, used: set[int]) -> tuple[Side, str] | None:
    """发布之前, 搬家以后."""
    if any(cue in words.text for cue in _CHINESE_GENERAL) and _CHINESE_PAST.isdisjoint(words.all):
        return None
    for at in range(len(words)):
        side = _CHINESE_EVENT.read(words, at)
        if side is None and words[at - 2] + words[at - 1] in _HAPPENINGS:
            side = _SHORT_EVENT.read(words, at)
        if side is None or at in used:
            continue
        start = at
        while (
            at - start < _EVENT_CHARACTERS and words[start - 1] not in _CHINESE_ENDS and start - 1 not in used
        ):
            start -= 1
        said = words.between(start, at)
        if len(said) < 2 or said in ("很久", "不久"):
            continue
        while words[start - 1] in _CHINESE_STARTS and start - 1 not in used:
            start -= 1
        used.update(range(start, side[1]))
        return side[0], said
    return None
