"""What a query asks of time."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoria.temporal import Intent, asks_for_time_alone, intent

NOW = datetime(2026, 5, 20, 15, 30, tzinfo=UTC)  # a Wednesday


def day(month: int, number: int, year: int = 2026) -> datetime:
    return datetime(year, month, number, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "window"),
    [
        ("what did I say yesterday?", (day(5, 19), day(5, 20))),
        ("what happened last week?", (day(5, 11), day(5, 18))),
        ("上周我们讨论了什么？", (day(5, 11), day(5, 18))),
        ("plans of this month", (day(5, 1), day(6, 2))),
        ("what was decided in March?", (day(3, 1), day(4, 1))),
        ("what was decided in November?", (day(11, 1, 2025), day(12, 1, 2025))),
        ("on 2026-02-03 we met", (day(2, 3), day(2, 4))),
        ("before May 3, 2026", (None, day(5, 3))),
        ("since March 2026", (day(3, 1), None)),
        ("2025年12月的计划", (day(12, 1, 2025), day(1, 1))),
        ("the past 3 days", (datetime(2026, 5, 17, 15, 30, tzinfo=UTC), NOW)),
        ("2 days ago", (day(5, 18), day(5, 19))),
    ],
)
def test_windows(query: str, window: tuple[datetime | None, datetime | None]) -> None:
    assert intent(query, NOW).window == window


@pytest.mark.parametrize(
    ("query", "order"), [("the latest plan", "latest"), ("最早的方案", "first"), ("a plan", None)]
)
def test_ends_of_time(query: str, order: str | None) -> None:
    assert intent(query, NOW).order == order


@pytest.mark.parametrize(
    ("query", "alone"),
    [
        ("What happened last week?", True),
        ("What did I do yesterday?", True),
        ("Who did I meet last year?", True),
        ("上周我做了什么？", True),
        ("昨天发生了什么？", True),
        ("What is the latest thing I did?", True),
        ("What happened before the launch?", True),
        ("What did we decide on pricing last week?", False),
        ("上周的发布出了什么问题？", False),
        ("the latest budget", False),
    ],
)
def test_whether_time_is_all_that_is_asked_for(query: str, alone: bool) -> None:
    assert asks_for_time_alone(query) is alone


def test_events() -> None:
    assert intent("what did we fear before the launch?", NOW).event == ("before", "launch")


@pytest.mark.parametrize("query", ["on 2026-02-30", "9999-12-31", "0000-00", "9999年12月", "13月45日", "tea"])
def test_dates_that_are_none_mean_nothing(query: str) -> None:
    assert intent(query, NOW) == Intent()


@given(
    st.from_regex(
        r"(in|before|after|the past|last) [0-9]{1,4}[-年 ](days?|[0-9]{1,2}[-月][0-9]{1,2}日?) ?(ago)?"
    )
)
def test_any_date_is_read_or_not(query: str) -> None:
    window = intent(query, NOW).window
    assert window is None or None in window or window[0] < window[1]  # type: ignore[operator]
