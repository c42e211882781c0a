"""How many users are at work at once, and where."""

import time

import pytest

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
    ],
)
def test_far_servers_are_waited_for_together(
    rows: int, users_at_once: int | None, far: bool, places: Places
) -> None:
    assert places_for(rows, users_at_once=users_at_once, is_far=far) == places


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
    return int(number)


@pytest.mark.parametrize("places", [Places(), Places(2, 1), Places(1, 3), Places(2, 3)], ids=str)
def test_everybody_is_done_once_and_rows_are_told(places: Places) -> None:
    told: list[int] = []
    users = list("1234567")
    found = results_of(
        _work, users, places=places, tick=told.append, died=lambda _: -1, last=lambda result: result < 0
    )
    assert sorted(found) == [1, 2, 3, 4, 5, 6, 7]
    assert told


@pytest.mark.parametrize("places", [Places(), Places(2, 2)], ids=str)
def test_what_nobody_expected_ends_the_work(places: Places) -> None:
    found = results_of(
        _work, list("192"), places=places, tick=lambda _: None, died=lambda _: -1, last=lambda _: False
    )
    with pytest.raises(LookupError):
        list(found)
