"""Times as words name them, English or Chinese: which stretch of time each is, once it is known what time it is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, IntEnum
from functools import partial

from memoria.temporal import spans
from memoria.temporal.spans import Span, Unit, around


class Bound(Enum):
    """How a word beside a time turns it: everything before its start, up to its end, and so on."""

    WITHIN = "within"
    BEFORE = "before"
    UNTIL = "until"
    AFTER = "after"
    SINCE = "since"


class Evidence(IntEnum):
    """What a word needs beside it to be a time: May and 2024 alone are none, "on Friday" is one in the past only."""

    NOTHING = 0
    PREPOSITION = 1
    PAST = 2


@dataclass(frozen=True, slots=True)
class Relative:
    """A time counted from now, or from the week that it is in. `period`: it comes back after that long."""

    at: Callable[[datetime], Span]
    needs: Evidence = Evidence.NOTHING
    bound: Bound | None = None
    period: timedelta | None = None
    is_range: bool = False


# Which year is meant, told the year that it is.
YearOf = Callable[[int], int]


class Which(Enum):
    LATEST = "latest"  # that has begun
    ENDED = "ended"
    THIS = "this"


@dataclass(frozen=True, slots=True)
class Yearly:
    """A time that every year has one of: `make` gives that of a year. Without a year it is the latest one."""

    make: Callable[[int], Span]
    needs: Evidence = Evidence.NOTHING
    year: YearOf | None = None
    which: Which = Which.LATEST
    month: int | None = None
    day: int | None = None

    def at(self, now: datetime) -> Span:
        this = spans.midnight(now).year
        if self.year is not None:
            return self.make(self.year(this))
        if self.which is Which.THIS:
            before = self.make(this - 1)  # a winter may last into this year
            return before if before.end > now else self.make(this)
        return spans.latest(self.make, this, now, whole=self.which is Which.ENDED)

    def of(self, year: YearOf | None) -> "Yearly":
        """The same with what a text says of its year, if it does."""
        return self if year is None else replace(self, year=year, needs=Evidence.NOTHING)

    def on(self, day: int) -> "Yearly":
        """A day of the same month."""
        assert self.month is not None
        return replace(self, make=day_of(self.month, day), day=day)


Time = Relative | Yearly


def joined(first: Time, second: Time, needs: Evidence = Evidence.NOTHING) -> Relative:
    def at(now: datetime) -> Span:
        if isinstance(first, Yearly) and isinstance(second, Yearly):
            if first.year is not None and second.year is None:
                start = first.at(now).start
                end = second.make(start.year).end
                return Span(start, end if end > start else second.make(start.year + 1).end)
            if first.year is None:
                last = second.at(now)
                return Span(spans.latest(first.make, last.start.year, last.start).start, last.end)
        start, end = first.at(now).start, second.at(now).end
        if isinstance(first, Relative) and first.period is not None and start >= end:
            start -= first.period  # Thursday to Monday
        if start >= end:
            raise ValueError("ends before it begins")
        return Span(start, end)

    return Relative(at, needs=needs, is_range=True)


def part_of(time: Time, part: Callable[[Span], Span]) -> Time:
    if isinstance(time, Yearly):
        whole = time.make
        return replace(time, make=lambda year: part(whole(year)), needs=Evidence.NOTHING)
    moment = time.at
    return replace(time, at=lambda now: part(moment(now)))


def counted_from(unit: Unit, offset: int, now: datetime) -> Span:
    return around(now, unit, offset)


def latest_weekend(now: datetime) -> Span:
    span = around(now, Unit.WEEKEND)
    return span if span.start <= now else around(now, Unit.WEEKEND, -1)


def day_in(span: Span, days: int) -> Span:
    start = span.start + timedelta(days=days)
    if not span.start <= start < span.end:
        raise ValueError(days)
    return Span(start, start + timedelta(days=1))


def a_weekday(number: int, offset: int | None) -> Relative:
    """This, last or next such day; without an offset, and the last one, the latest before today."""

    def at(now: datetime) -> Span:
        day = around(now, Unit.DAY).start
        behind = (day.weekday() - number) % 7 or 7
        if offset is not None and offset >= 0:
            behind = day.weekday() - number - 7 * offset
        start = day - timedelta(days=behind)
        return Span(start, start + timedelta(days=1))

    needs = Evidence.PAST if offset is None else Evidence.NOTHING
    return Relative(at, needs=needs, period=timedelta(days=7))


def exactly(year: int) -> YearOf:
    return lambda _: year


def years_later(years: int) -> YearOf:
    return lambda this: this + years


def a_year(year: int, needs: Evidence = Evidence.PREPOSITION) -> Yearly:
    return Yearly(lambda each: spans.months_of(each, 1, 12), needs=needs, year=exactly(year))


def a_quarter(number: int) -> Yearly:
    return Yearly(lambda year: spans.months_of(year, 3 * number - 2, 3), needs=Evidence.PREPOSITION)


def a_half(number: int) -> Yearly:
    return Yearly(lambda year: spans.months_of(year, 6 * number - 5, 6))


def a_season(month: int, which: Which = Which.LATEST) -> Yearly:
    needs = Evidence.PREPOSITION if which is Which.LATEST else Evidence.NOTHING
    return Yearly(lambda year: spans.months_of(year, month, 3), needs=needs, which=which)


def a_month(month: int, which: Which = Which.LATEST) -> Yearly:
    needs = Evidence.PREPOSITION if which is Which.LATEST else Evidence.NOTHING
    return Yearly(partial(whole_month, month), needs=needs, which=which, month=month)


def whole_month(month: int, year: int) -> Span:
    if not 1 <= month <= 12:
        raise ValueError(month)
    return spans.months_of(year, month)


def a_date(month: int, day: int) -> Yearly:
    return Yearly(day_of(month, day), month=month, day=day)


def day_of(month: int, day: int) -> Callable[[int], Span]:
    return lambda year: spans.day_of(year, month, day)


def latest_day(day: int, now: datetime) -> Span:
    """The latest day of that number in any month."""
    today = spans.midnight(now)
    this_month = today.year * 12 + today.month - 1
    return spans.latest(lambda month: spans.day_of(month // 12, month % 12 + 1, day), this_month, now)
