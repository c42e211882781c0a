"""Reading dates: what begins with a month, a season, a quarter, a weekday or a number.

A numeric date of which either number may be the month is read with the day first, as in most of the world:
05/03/2026 is the 5th of March. A date without a year is the latest one that has begun. Seasons are those of the
northern hemisphere, in whole months; the winter of a year begins in its December.
"""

import re
from dataclasses import replace
from functools import partial

from memoria.temporal.lexicon import Words
from memoria.temporal.names import (
    Evidence,
    Relative,
    Time,
    Yearly,
    YearOf,
    a_date,
    a_half,
    a_month,
    a_quarter,
    a_season,
    a_weekday,
    a_year,
    exactly,
    joined,
    latest_day,
    latest_weekend,
    years_later,
)
from memoria.temporal.words import (
    CHINESE,
    CHINESE_DIGITS,
    CHINESE_SEASONS,
    CHINESE_WEEKDAYS,
    DATED,
    DAY,
    FIRST_YEAR,
    HALF,
    ISO,
    LAST_YEAR,
    MEASURES,
    MONTHS,
    NO_THING,
    NUMBERED,
    NUMBERS,
    NUMERIC,
    ORDINALS,
    OTHERWISE,
    QUARTER,
    SEASONS,
    TWO_DAYS,
    TWO_YEARS,
    VERBS,
    WEEK,
    WEEKDAYS,
)

# What is read, and the place behind it.
Read = tuple[Time, int] | None


def number_at(words: Words, at: int) -> tuple[int, int] | None:
    if at not in words.numbers:
        words.numbers[at] = _read_number(words, at)
    return words.numbers[at]


def _read_number(words: Words, at: int) -> tuple[int, int] | None:
    word = words[at]
    if word.isdecimal() and word.isascii() and len(word) <= 4:
        return int(word), at + 1
    if word in NUMBERS:
        return NUMBERS[word], at + 1
    return _chinese_number(words, at)


def _chinese_number(words: Words, at: int) -> tuple[int, int] | None:
    """一 … 九百九十九; and digits one by one, as a year is read."""
    start = at
    digits: list[int] = []
    total = 0
    while at < start + 7:
        word = words[at]
        if word in CHINESE_DIGITS:
            digits.append(CHINESE_DIGITS[word])
        elif word in ("十", "百"):
            count = digits.pop() if digits else 1
            total += count * (10 if word == "十" else 100)
            digits.clear()
        else:
            break
        at += 1
    if at == start:
        return None
    for digit in digits:
        total = total * 10 + digit if len(digits) > 1 else total + digit
    return total, at


def date_at(words: Words, at: int) -> Read:
    word = words[at]
    if not word:
        return None
    if word in MONTHS:
        return _month_first(words, at)
    if word in SEASONS:
        return _season_first(words, at)
    if word in WEEKDAYS:
        return a_weekday(WEEKDAYS[word], None), at + 1
    if (quarter := _quarter_first(words, at)) is not None:
        return quarter
    if "0" <= word[0] <= "9":
        return _numeric(words, at)
    if word in ORDINALS:
        return day_and_month(words, at + 1, ORDINALS[word])
    return _chinese_date(words, at)


def _numeric(words: Words, at: int) -> Read:
    """What begins with a figure: ISO dates, 05/03/2026, 5 March, the 5th, 2023, 2023年, 3月."""
    word = words[at]
    if words[at - 1] in NUMBERED:
        return None
    if (match := ISO.fullmatch(word)) is not None:
        if match.group(4):
            return a_month(int(match.group(5))).of(exactly(int(match.group(4)))), at + 1
        year, month, day = map(int, match.groups()[:3])
        return a_date(month, day).of(exactly(year)), at + 1
    if (match := NUMERIC.fullmatch(word)) is not None:
        day, month, year = map(int, match.groups())
        if month > 12:
            day, month = month, day
        return a_date(month, day).of(exactly(year)), at + 1
    if (match := TWO_YEARS.fullmatch(word)) is not None:
        first, last = map(int, match.groups())
        if not FIRST_YEAR <= first < last <= LAST_YEAR:
            return None
        return joined(a_year(first), a_year(last)), at + 1
    if (match := DAY.fullmatch(word)) is not None:
        if (day_first := day_and_month(words, at + 1, int(match.group(1)))) is not None:
            return day_first
        if not word.isdecimal() and words[at - 1] == "the" and _no_thing(words, at + 1):
            return Relative(partial(latest_day, int(match.group(1))), needs=Evidence.PAST), at + 1
    if (found := _chinese_date(words, at)) is not None:
        return found
    return (a_year(int(word)), at + 1) if is_year(words, at) else None


def _no_thing(words: Words, at: int) -> bool:
    """Whether no word follows there that the number before it could count."""
    word = words[at]
    return not word[:1].isalpha() or word in NO_THING or CHINESE.match(word) is not None


def is_year(words: Words, at: int) -> bool:
    word = words[at]
    if not (len(word) == 4 and word.isdecimal() and FIRST_YEAR <= int(word) <= LAST_YEAR):
        return False
    return (
        not (words[at + 1].endswith("s") and not _no_thing(words, at + 1)) and words[at + 1] not in MEASURES
    )


def day_and_month(words: Words, at: int, day: int) -> tuple[Yearly, int] | None:
    """5 March 2026, 5th of March."""
    at += words[at] == "of"
    month = MONTHS.get(words[at])
    if month is None:
        return None
    at += 1 + (words[at + 1] == ".")
    year, end = _year_behind(words, at)
    return a_date(month, day).of(year), end


def _month_first(words: Words, at: int) -> Read:
    """March, March 5th, March 2024, March last year."""
    name, month = words[at], MONTHS[words[at]]
    behind = at + 1 + (words[at + 1] == ".") + (words[at + 1] == "the")
    year, end = _year_behind(words, at + 1)
    if year:
        return a_month(month).of(year), end
    match = DAY.fullmatch(words[behind])
    if match is None:
        two = TWO_DAYS.fullmatch(words[behind])
        if two is not None:
            year, end = _year_behind(words, behind + 1)
            last = a_date(month, int(two.group(2))).of(year)
            return joined(last.on(int(two.group(1))), last), end
        return a_month(month), at + 1
    counts_things = match.group().isdecimal() and not _no_thing(words, behind + 1)
    is_name = words.written[at].istitle() and at > 0
    if name in VERBS and words[at - 1] not in DATED and not is_name and counts_things:
        return None  # may 5 people join
    year, end = _year_behind(words, behind + 1)
    return a_date(month, int(match.group(1))).of(year), end


def _year_behind(words: Words, at: int) -> tuple[YearOf | None, int]:
    """The year that a date ends with, if it does."""
    start = at + (words[at] in ("of", ",", "in"))
    if is_year(words, start):
        return exactly(int(words[start])), start + 1
    if words[start] in ("last", "this") and words[start + 1] == "year":
        return years_later(0 if words[start] == "this" else -1), start + 2
    return None, at


def _season_first(words: Words, at: int) -> Read:
    year, end = _year_behind(words, at + 1)
    season = a_season(SEASONS[words[at]])
    if year:
        return season.of(year), end
    is_named = words.written[at][0].isupper()  # Spring, the framework
    return (season, at + 1) if not is_named else None


def _quarter_first(words: Words, at: int) -> Read:
    """Q3 2025, the third quarter of 2025, H1 2025."""
    if (half := HALF.fullmatch(words[at])) is not None:
        of_year, end = _year_behind(words, at + 1)  # without one it is a heading
        return (a_half(int(half.group(1))).of(of_year), end) if of_year is not None else None
    if (match := QUARTER.fullmatch(words[at])) is not None:
        number, end = int(match.group(1)), at + 1
    elif (match := re.fullmatch(r"q([1-4])[-/](\d{4})|(\d{4})[-/]?q([1-4])", words[at])) is not None:
        number, year = int(match.group(1) or match.group(4)), int(match.group(2) or match.group(3))
        return a_quarter(number).of(exactly(year)), at + 1
    elif words[at] in ORDINALS and words[at + 1] == "quarter" and ORDINALS[words[at]] <= 4:
        number, end = ORDINALS[words[at]], at + 2
    else:
        return None
    of_year, end = _year_behind(words, end)
    return a_quarter(number).of(of_year), end


def _chinese_date(words: Words, at: int) -> Read:
    number = number_at(words, at)
    if number is not None and words[number[1]] == "年":
        year, end = number[0], number[1] + 1
        if year < 1000 or words[end] in tuple(OTHERWISE["年"]):
            return None
        return in_year(words, end, exactly(year)) or (a_year(year, needs=Evidence.NOTHING), end)
    return _chinese_weekday(words, at) or in_year(words, at)


def _chinese_weekday(words: Words, at: int) -> Read:
    """周三, 周末; no habit (每周三) and no number of weeks (一周一次)."""
    end = WEEK.end(words, at)
    if end == at or words[at - 1] in ("每", "半", "个") or number_at(words, at - 1) is not None:
        return None
    if words[end] == "末":
        return Relative(latest_weekend, needs=Evidence.PAST), end + 1
    if words[end] in CHINESE_WEEKDAYS:
        return a_weekday(CHINESE_WEEKDAYS[words[end]], None), end + 1
    return None


def in_year(words: Words, at: int, year: YearOf | None = None) -> Read:
    """What stands behind a year: a month, a day, a season, a quarter. Without a year the same by itself."""
    at += year is not None and words[at] == "的"
    if (season := CHINESE_SEASONS.get(words[at])) is not None and words[at + 1] in ("天", "季"):
        return replace(a_season(season), needs=Evidence.PAST).of(year), at + 2
    if year is not None and (match := QUARTER.fullmatch(words[at])) is not None:
        return a_quarter(int(match.group(1))).of(year), at + 1
    number = number_at(words, at + (words[at] == "第"))
    if number is None:
        return None
    count, end = number
    if words[end] == "季" and words[end + 1] == "度" and 1 <= count <= 4:
        return replace(a_quarter(count), needs=Evidence.NOTHING, year=year), end + 2
    if words[end] != "月" or words[at] == "第" or (words[end + 1] and words[end + 1] in OTHERWISE["月"]):
        return None
    day = number_at(words, end + 1)
    if day is not None and words[day[1]] in ("日", "号"):
        return a_date(count, day[0]).of(year), day[1] + 1
    return replace(a_month(count), needs=Evidence.NOTHING, year=year), end + 1 + (words[end + 1] == "份")
