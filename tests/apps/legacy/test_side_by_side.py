"""How many users are at work at once, and where; what becomes of them when something ends before its time."""

import multiprocessing
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from apps.legacy.services import progress
from apps.legacy.services.side_by_side import Places, is_far, places_for, results_of

FEW, MANY = 500, 10_000_000


@pytest.mark.parametrize(
    ("rows", "users_at_once", "far", "places"),
    [
        (FEW, None, False, Places(1, 1)),
        (MANY, None, False, Places(4, 1)),
        (MANY, 12, False, Places(12, 1)),
        (50_000, 12, False, Places(3, 1)),
        (FEW, None, True, Places(4, 4)),
        (FEW, 1, True, Places(1, 1)),
        (FEW, 3, True, Places(1, 3)),
        (MANY, 32, True, Places(8, 4)),
        (MANY, 5, True, Places(2, 2)),
        (MANY, 13, True, Places(4, 3)),
    ],
)
def test_far_servers_are_waited_for_together(
    rows: int, users_at_once: int | None, far: bool, places: Places, settings: Any
) -> None:
    settings.MEMORIA_USER_CONNECTIONS = 8
    assert places_for(rows, users_at_once=users_at_once, is_far=far) == places


def test_no_process_has_more_users_than_connections(settings: Any) -> None:
    settings.MEMORIA_USER_CONNECTIONS = 2
    assert places_for(MANY, users_at_once=None, is_far=True) == Places(8, 2)


class _Answering:
    """An old database that takes its time for every third answer, or for each."""

    def __init__(self, *seconds: float) -> None:
        self._seconds = list(seconds)

    def rows(self, sql: str) -> list[object]:
        time.sleep(self._seconds.pop(0))
        return []


@pytest.mark.django_db
def test_one_slow_answer_makes_no_server_far() -> None:
    assert not is_far(_Answering(0.05, 0.0, 0.05))  # type: ignore[arg-type]
    assert is_far(_Answering(0.02, 0.03, 0.02))  # type: ignore[arg-type]


def _work(number: str) -> int:
    if number == "9":
        raise LookupError(number)
    if number == "8":
        os._exit(1)
    if number == "7":
        raise Unsendable
    progress.count(10)
    return int(number)


class Unsendable(Exception):
    def __init__(self) -> None:
        super().__init__("cannot be made again", lambda: None)


def results(
    users: str, places: Places, told: list[int] | None = None, last: int | None = None
) -> Iterator[int]:
    return results_of(
        _work,
        list(users),
        places=places,
        tick=(told if told is not None else []).append,
        died=lambda user_id: -int(user_id),
        last=lambda result: result == last,
    )


EVERYWHERE = pytest.mark.parametrize("places", [Places(), Places(2, 1), Places(1, 3), Places(2, 3)], ids=str)
ELSEWHERE = pytest.mark.parametrize("places", [Places(2, 1), Places(2, 2)], ids=str)


@EVERYWHERE
def test_everybody_is_done_once_and_rows_are_told(places: Places) -> None:
    told: list[int] = []
    assert sorted(results("1234561", places, told)) == [1, 1, 2, 3, 4, 5, 6]
    assert sum(told) == 70


@EVERYWHERE
@pytest.mark.parametrize(("user", "error"), [("9", LookupError), ("7", (Unsendable, RuntimeError))])
def test_what_nobody_expected_ends_the_work(places: Places, user: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        list(results(f"1{user}2", places))


@ELSEWHERE
def test_a_process_that_dies_takes_nobody_along_but_whom_it_had(places: Places) -> None:
    found = list(results("18" + "123456" * 4, places))
    dead = [result for result in found if result < 0]
    assert -8 in dead
    assert len(dead) <= places.threads
    assert sorted(map(abs, found)) == sorted([1, 8, *[1, 2, 3, 4, 5, 6] * 4])


def test_all_processes_may_die() -> None:
    assert sorted(results("888881", Places(2, 1))) == [-8, -8, -8, -8, -8, 1]


@EVERYWHERE
def test_nobody_is_begun_after_the_last(places: Places) -> None:
    assert len(list(results("1" * 30, places, last=1))) == places.processes * places.threads


@ELSEWHERE
def test_work_that_is_given_up_leaves_no_process(places: Places) -> None:
    found = results("1234", places)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert multiprocessing.active_children() == []


def test_rows_of_one_user_are_told_while_they_are_read() -> None:
    told: list[int] = []

    def work(user_id: str) -> int:
        progress.count(400)
        assert told == [400]
        progress.count(600)
        return 1

    found = results_of(
        work, ["a"], places=Places(4, 4), tick=told.append, died=lambda _: -1, last=lambda _: False
    )
    assert list(found) == [1]
    assert told == [400, 600]
