"""Stretches of time on the calendar, in UTC: days, weeks, months and the like around a moment, and parts of them.

Only arithmetic; which words name which stretch is in memoria/temporal/words.py. A date that does not exist raises
ValueError, one beyond the calendar OverflowError.
"""

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

MONTHS_PER_YEAR, DAYS_PER_WEEK = 12, 7
SATURDAY = 5


class Unit(StrEnum):
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    WEEKEND = "weekend"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


_MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.YEAR: 12}
_LENGTHS = {
    Unit.MINUTE: timedelta(minutes=1),
    Unit.HOUR: timedelta(hours=1),
    Unit.DAY: timedelta(days=1),
    Unit.WEEK: timedelta(days=7),
    Unit.WEEKEND: timedelta(days=7),
}
# "Three weeks ago" is seldom that to the day: half a unit more or less, of minutes five.
_SLACK = {
    Unit.MINUTE: timedelta(minutes=5),
    Unit.HOUR: timedelta(minutes=30),
    Unit.DAY: timedelta(0),
    Unit.WEEK: timedelta(days=3),
    Unit.WEEKEND: timedelta(days=3),
    Unit.MONTH: timedelta(days=15),
    Unit.QUARTER: timedelta(days=45),
    Unit.YEAR: timedelta(days=182),
}


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` until just before `end`. `point` is what "before" and "after" count from where that is not
    the nearer end: the end of March lasts for days, but before the end of March is before April.
    """

    start: datetime
    end: datetime
    point: datetime | None = None


def midnight(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def moved(at: datetime, months: int) -> datetime:
    """The same day so many months later, or earlier; the last day of a month that is too short."""
    year, month = divmod(at.year * MONTHS_PER_YEAR + at.month - 1 + months, MONTHS_PER_YEAR)
    if not 1 <= year <= 9999:
        raise OverflowError(year)
    return at.replace(year=year, month=month + 1, day=min(at.day, monthrange(year, month + 1)[1]))


def back(at: datetime, unit: Unit, count: int) -> datetime:
    if unit in _MONTHS:
        return moved(at, -count * _MONTHS[unit])
    return at - count * _LENGTHS[unit]


def day_of(year: int, month: int, day: int) -> Span:
    start = datetime(year, month, day, tzinfo=UTC)
    return Span(start, start + timedelta(days=1))


def months_of(year: int, month: int, count: int = 1) -> Span:
    """So many whole months; those after December are in the next year."""
    start = moved(datetime(year, 1, 1, tzinfo=UTC), month - 1)
    return Span(start, moved(start, count))


def around(now: datetime, unit: Unit, offset: int = 0) -> Span:
    """The whole day, week, … that holds `now`, or one so many of them later. Weeks begin on Monday, and a weekend
    belongs to the week that it ends.
    """
    day = midnight(now)
    if unit in _MONTHS:
        size = _MONTHS[unit]
        start = moved(day.replace(day=1), -((day.month - 1) % size) + offset * size)
        return Span(start, moved(start, size))
    if unit is Unit.DAY:
        start = day + timedelta(days=offset)
        return Span(start, start + timedelta(days=1))
    monday = day - timedelta(days=day.weekday()) + timedelta(days=DAYS_PER_WEEK * offset)
    skipped = SATURDAY if unit is Unit.WEEKEND else 0
    return Span(monday + timedelta(days=skipped), monday + timedelta(days=DAYS_PER_WEEK))


def ago(now: datetime, unit: Unit, least: int, most: int, precision: Unit) -> Span:
    """About so many units before `now`; a vague number is a stretch by itself."""
    slack = _SLACK[precision] if least == most else timedelta(0)
    if unit in (Unit.MINUTE, Unit.HOUR):
        at = now.astimezone(UTC)
        return Span(back(at, unit, most) - slack, back(at, unit, least) + slack)
    first, last = back(midnight(now), unit, most), back(midnight(now), unit, least)
    return Span(first - slack, last + slack + timedelta(days=1), point=first)


def rolling(now: datetime, unit: Unit, count: int) -> Span:
    """The last so many units up to `now`."""
    at = now.astimezone(UTC)
    return Span(back(at, unit, count), at)


def latest(make: Callable[[int], Span], number: int, until: datetime, *, whole: bool = False) -> Span:
    """The latest of the numbered stretches, from `number` on down, that has begun by `until`, or is over if `whole`.

    Numbers without a stretch, such as years without a 29 February, are passed over.
    """
    for each in range(number, number - 10, -1):
        try:
            span = make(each)
        except ValueError:
            continue
        if span.end <= until if whole else span.start <= until:
            return span
    raise ValueError(number)


def share(span: Span, part: int, parts: int) -> Span:
    """One of the equal parts, from 0: of months and longer whole months, of a month ten days for a third."""
    months = (span.end.year - span.start.year) * MONTHS_PER_YEAR + span.end.month - span.start.month
    if span.start.day == span.end.day == 1 and months and months % parts == 0:
        size = months // parts
        return Span(moved(span.start, part * size), moved(span.start, (part + 1) * size))
    size = (span.end - span.start).days // parts
    start = span.start + timedelta(days=part * size)
    return Span(start, span.end if part == parts - 1 else start + timedelta(days=size))


def early(span: Span) -> Span:
    return Span(span.start, share(span, 0, 3).end, point=span.start)


def middle(span: Span) -> Span:
    return share(span, 1, 3)


def late(span: Span) -> Span:
    return Span(share(span, 2, 3).start, span.end, point=span.end)
