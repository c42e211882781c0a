"""Words that name a time, in English and Chinese, and the small grammar that reads them off a query.

    phrase   = [bound] range [bound]             before …, since …, by …; … 之前, … 以来
    range    = time [joint time]                 from … to …, between … and …, 从 … 到 …
    time     = [part of] (named | counted | date) [part]
    named    = today, last week, this spring, 上个月 …
    counted  = amount ago, last amount, 三天前, 过去两周 …
    date     = see memoria/temporal/dates.py

A reader takes the place of a word and answers with what begins there and the place behind it, or with None. It looks
a bounded number of words ahead, so that the time for a text grows with its length only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from memoria.temporal import spans
from memoria.temporal.dates import Read, date_at, day_and_month, in_year, is_year, number_at
from memoria.temporal.lexicon import Words
from memoria.temporal.names import (
    Bound,
    Evidence,
    Relative,
    Time,
    Which,
    Yearly,
    a_month,
    a_season,
    a_weekday,
    a_year,
    counted_from,
    day_in,
    joined,
    latest_weekend,
    part_of,
    years_later,
)
from memoria.temporal.spans import Span, Unit
from memoria.temporal.words import (
    AGO,
    BEGINNINGS,
    BOUND_BEFORE,
    BOUND_BEHIND,
    CHINESE,
    CHINESE_PARTS,
    CHINESE_WEEKDAYS,
    HALF_BEHIND,
    HALF_INSIDE,
    HALVES,
    JOINTS,
    LAST_NIGHT,
    MONTHS,
    NAMED,
    NAMES_TOO,
    NO_LAST,
    NOT_YET,
    ORDINALS,
    OTHER_DAY,
    OTHERWISE,
    OVER,
    PART_OF_DAY,
    PARTS,
    RANGE_BEFORE,
    ROLLING,
    SEASONS,
    SOME,
    TWO_DAYS,
    UNITS,
    UP_TO_NOW,
    WEEKDAYS,
    WHICH,
    WHOLE_UNITS,
)


@dataclass(frozen=True, slots=True)
class Phrase:
    """A time in a text, with its bound, and the words that it takes up."""

    time: Time
    bound: Bound
    start: int
    end: int


def times(words: Words, *, is_past: bool, is_general: bool) -> Iterator[Phrase]:
    """The times in a text, in its order. `is_past`: it tells of something past; `is_general`: of what is always."""
    at = 0
    while at < len(words):
        begins = _may_begin(words[at])
        phrase = _phrase(words, at, is_past=is_past, is_general=is_general) if begins else None
        if phrase is not None:
            yield phrase
        at = at + 1 if phrase is None else phrase.end


def _may_begin(word: str) -> bool:
    """Whether a time may begin with this word; to read on for every word of a text takes long."""
    return len(word) <= 2 or word in BEGINNINGS or not word.isascii() or word[0].isdigit()


def _phrase(words: Words, start: int, *, is_past: bool, is_general: bool) -> Phrase | None:
    bound, at = BOUND_BEFORE.read(words, start) or (None, start)
    found = _range(words, start) or _range(words, at)
    if found is None:
        return None
    time, end = found
    behind, end = BOUND_BEHIND.read(words, end) or (None, end)
    is_marked = bound is not None or behind is not None
    if time.needs is Evidence.PREPOSITION and not is_marked:
        return None
    if time.needs is Evidence.PAST:
        is_chinese = CHINESE.match(words[end - 1]) is not None
        if not (is_past if is_chinese else is_marked and not is_general):
            return None
    if words[start] in ("by", "from") and words[at] in NAMES_TOO and time.needs is Evidence.PREPOSITION:
        return None  # a letter from May, a book by June
    if isinstance(time, Relative) and (time.is_range or time.bound is not None):
        bound = time.bound
    return Phrase(time, behind or bound or Bound.WITHIN, start, end)


def _range(words: Words, at: int) -> Read:
    """From one time to another, or the one time that is there. Either may leave out what the other says."""
    start = RANGE_BEFORE.end(words, at)
    if (first := _time(words, start) or _open_start(words, start)) is None:
        return None
    joint = JOINTS.end(words, first[1])
    second = (_time(words, joint) or _open_end(words, joint, first[0])) if joint > first[1] else None
    if second is None:
        return first if start == at else None
    needs = max(first[0].needs, second[0].needs)
    is_list = start == at and words[first[1]] in ("and", "or", "和", "或")
    if needs is Evidence.PREPOSITION and not is_list:  # March to June; but April and June are friends
        needs = Evidence.NOTHING
    return joined(first[0], second[0], needs), second[1]


def _open_start(words: Words, at: int) -> Read:
    """The 3 of "3 to 9 May", the 2021 of "2021到2023年"; and both of 3-9 May, as one word."""
    if (match := TWO_DAYS.fullmatch(words[at])) is not None:
        last = day_and_month(words, at + 1, int(match.group(2)))
        return (joined(last[0].on(int(match.group(1))), last[0]), last[1]) if last is not None else None
    if (number := number_at(words, at)) is None or (joint := JOINTS.end(words, number[1])) == number[1]:
        return None
    second = _time(words, joint)
    if second is None or not isinstance(second[0], Yearly):
        return None
    if second[0].day is not None:
        return second[0].on(number[0]), number[1]
    if second[0].year is not None and is_year(words, at):
        return a_year(number[0]), number[1]
    if second[0].month is not None and CHINESE.match(words[joint - 1]):  # 三到五月
        return a_month(number[0]).of(second[0].year), number[1]
    return None


def _open_end(words: Words, at: int, first: Time) -> Read:
    """The 9 of "May 3 to 9"."""
    if not isinstance(first, Yearly) or first.day is None or (number := number_at(words, at)) is None:
        return None
    return first.on(number[0]), number[1] + (words[number[1]] in ("日", "号"))


def _time(words: Words, at: int) -> Read:
    """One time, with the part of it that is meant."""
    if (found := _plain_time(words, at)) is not None:
        time, end = found
        part = CHINESE_PARTS.read(words, end) if CHINESE.match(words[end - 1]) else None
        return found if part is None else (part_of(time, part[0]), part[1])
    if words[at] == "the" and words[at + 1] != "the":
        return _time(words, at + 1)
    if (counted := _week_of(words, at)) is not None:
        return counted
    if words[at] == "earlier" and (found := _named(words, at + 1)) is not None:
        whole = found[0].at
        return Relative(lambda now: Span(whole(now).start, now)), found[1]
    if (part := PARTS.read(words, at)) is not None:
        at = part[1] + (words[part[1]] == "the")
        found = _plain_time(words, at)
        if found is None and (unit := WHOLE_UNITS.read(words, at)) is not None:
            found = Relative(partial(counted_from, unit[0], 0)), unit[1]
        return (part_of(found[0], part[0]), found[1]) if found is not None else None
    return None


def _plain_time(words: Words, at: int) -> Read:
    return _named(words, at) or _counted(words, at) or date_at(words, at)


def _week_of(words: Words, at: int) -> Read:
    """The first week of May."""
    number = ORDINALS.get(words[at])
    if number is None or words[at + 1] != "week" or words[at + 2] not in ("of", "in"):
        return None
    if (found := _plain_time(words, at + 3 + (words[at + 3] == "the"))) is None:
        return None

    def week(span: Span) -> Span:
        start = span.start + timedelta(days=7 * (number - 1))
        return Span(start, start + timedelta(days=7))

    return part_of(found[0], week), found[1]


def _named(words: Words, at: int) -> Read:
    if (end := LAST_NIGHT.end(words, at)) > at:
        return Relative(_last_night), end
    if (end := OTHER_DAY.end(words, at)) > at:
        return Relative(lambda now: spans.ago(now, Unit.DAY, 2, 9, Unit.DAY)), end
    if (named := NAMED.read(words, at)) is not None:
        (unit, offset), end = named
        if unit is Unit.YEAR and (dated := in_year(words, end, years_later(offset))) is not None:
            return dated
        if unit is Unit.DAY:
            end = PART_OF_DAY.end(words, end)
        return Relative(partial(counted_from, unit, offset)), end
    if words[at] == "the" and words[at + 1] == "weekend":
        return Relative(latest_weekend, needs=Evidence.PAST), at + 2
    if (which := WHICH.read(words, at)) is not None:
        return _which_one(words, at, *which)
    return None


def _last_night(now: datetime) -> Span:
    """From noon to noon: in which time zone it was night is not known."""
    start, half = spans.midnight(now), timedelta(hours=12)
    return Span(start - half, start + half)


def _which_one(words: Words, start: int, offset: int, at: int) -> Read:
    """This, last or next: a unit, a weekday, a month or a season."""
    word = words[at]
    if words[start] in ("上", "下") and words[start - 1] in NO_LAST:
        return None
    if (unit := WHOLE_UNITS.read(words, at)) is not None:
        if words[unit[1]] and words[unit[1]] in OTHERWISE.get(words[unit[1] - 1], ""):
            return None
        return _within_unit(words, unit[0], offset, unit[1])
    if word in WEEKDAYS:
        return a_weekday(WEEKDAYS[word], offset), at + 1
    month = MONTHS.get(word) or SEASONS.get(word)
    if month is None or offset > 0 or offset < -1:
        return None
    which = Which.ENDED if offset else Which.THIS
    if word in MONTHS:
        return a_month(month, which=which), at + 1
    return a_season(month, which=which), at + 1


def _within_unit(words: Words, unit: Unit, offset: int, at: int) -> Read:
    """A whole unit, or a day of it: 上周三, 上个月5号."""
    if unit is Unit.WEEK and words[at] in CHINESE_WEEKDAYS:
        days = CHINESE_WEEKDAYS[words[at]]
        return Relative(lambda now: day_in(spans.around(now, Unit.WEEK, offset), days)), at + 1
    number = number_at(words, at) if unit is Unit.MONTH else None
    if number is not None and words[number[1]] in ("日", "号"):
        days = number[0] - 1
        return Relative(lambda now: day_in(spans.around(now, Unit.MONTH, offset), days)), number[1] + 1
    if unit is Unit.YEAR and (dated := in_year(words, at, years_later(offset))) is not None:
        return dated
    return Relative(partial(counted_from, unit, offset)), at


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of units, as the least and the most that it may be. `precision`: the unit that it is exact to."""

    least: int
    most: int
    unit: Unit
    precision: Unit

    def and_a_half(self) -> "Amount":
        smaller, count = HALVES[self.unit]
        half = count // 2
        precision = Unit.WEEK if smaller is Unit.DAY else smaller
        return Amount(self.least * count + half, self.most * count + half, smaller, precision)


def _amount(words: Words, at: int) -> tuple[Amount, int] | None:
    """Three weeks, a few days, half a year, a year and a half, 一个半月."""
    half = 2 if words[at] == "half" and words[at + 1] in ("a", "an") else int(words[at] == "半")
    if half:
        unit = UNITS.read(words, at + half)
        if unit is None or unit[0] not in HALVES:
            return None
        return Amount(0, 0, unit[0], unit[0]).and_a_half(), unit[1]
    if (some := SOME.read(words, at)) is not None:
        (least, most), at = some
    elif (number := number_at(words, at)) is not None:
        (least, at), most = number, number[0]
    else:
        return None
    if (inner := HALF_INSIDE.read(words, at)) is not None and least:
        return Amount(least, most, inner[0], inner[0]).and_a_half(), inner[1]
    if (unit := UNITS.read(words, at)) is None or not least:
        return None
    amount, end = Amount(least, most, unit[0], unit[0]), unit[1]
    if (half := HALF_BEHIND.end(words, end)) > end and amount.unit in HALVES:
        return amount.and_a_half(), half
    return amount, end


def _counted(words: Words, at: int) -> Read:
    """So many units ago, or the last so many of them."""
    start = ROLLING.end(words, at)
    if start > at:
        if (found := _amount(words, start)) is not None:
            return _rolling(found[0]), found[1] + (words[found[1]] in ("里", "内", "来"))
        whole = WHOLE_UNITS.read(words, start) if words[at] == "past" else None
        if whole is not None and whole[0] is not Unit.WEEKEND:
            return _rolling(Amount(1, 1, whole[0], whole[0])), whole[1]
        return None
    over = OVER.end(words, at)
    if (found := _amount(words, over)) is None:
        return None
    amount, end = found
    if (behind := AGO.end(words, end)) > end:
        bound = Bound.BEFORE if over > at else None
        return Relative(partial(_ago, amount), bound=bound), behind
    if (behind := UP_TO_NOW.end(words, end)) > end:
        return _rolling(amount), behind
    if (behind := NOT_YET.end(words, end)) > end:
        return Relative(partial(_not_yet, amount)), behind
    return None


def _ago(amount: Amount, now: datetime) -> Span:
    return spans.ago(now, amount.unit, amount.least, amount.most, amount.precision)


def _rolling(amount: Amount) -> Relative:
    return Relative(lambda now: spans.rolling(now, amount.unit, amount.most))


def _not_yet(amount: Amount, now: datetime) -> Span:
    start = spans.back(now, amount.unit, -amount.least)
    return Span(start, start + timedelta(days=1))
