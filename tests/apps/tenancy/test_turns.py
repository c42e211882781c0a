"""Turns at the interpreter: one at a time, in order, and nobody is held up by somebody who waits."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import timezone
from rest_framework.response import Response

from apps.accounts.services import key_create
from apps.memories.remote import Endpoint, Endpoints
from apps.rest.base import UserView
from apps.tenancy import sql, turns
from apps.tenancy.scope import open_alias, user_atomic, user_connection
from apps.tenancy.turns import end_turn, turn, turn_ended
from tests import engine
from tests.conftest import MakeUser
from tests.language_model import language_model

LONG = 30


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_turns", turns._Turns())
    turns._distances.clear()
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", LONG)


def has_turn() -> bool:
    return turns._mine.turn is not None and turns._turns._holder is turns._mine.turn


def waiting() -> int:
    return len(turns._turns._going_on) + len(turns._turns._beginning)


class Request:
    """A thread that does something in its turn."""

    def __init__(self, work: Callable[[], object] = lambda: None) -> None:
        self.had_turn: bool | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with turn():
            self.had_turn = has_turn()
            self._work()

    def join(self) -> None:
        self._thread.join(LONG)
        assert not self._thread.is_alive()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_one_computes_at_a_time_and_who_came_first_goes_first() -> None:
    at_work: list[int] = []
    done: list[int] = []

    def work(number: int) -> Callable[[], None]:
        def run() -> None:
            at_work.append(number)
            time.sleep(0.001)
            assert at_work == [number]
            at_work.remove(number)
            done.append(number)

        return run

    with turn():
        requests = []
        for number in range(8):
            requests.append(Request(work(number)))
            until(lambda: waiting() == len(requests))
    for request in requests:
        request.join()
    assert done == list(range(8))
    assert all(request.had_turn for request in requests)


def test_who_waits_for_something_else_lets_the_next_one_go_on() -> None:
    with turn(), turn_ended():
        assert not has_turn()
        Request().join()
    with turn():
        with turn_ended():
            pass
        assert has_turn()
        end_turn()
        Request().join()
        with turn_ended():
            pass
        assert not has_turn()  # given away for good


def test_who_goes_on_has_their_turn_before_who_begins() -> None:
    done: list[str] = []
    with turn():
        with turn_ended():
            held = threading.Event()
            first = Request(lambda: held.wait(LONG))
            until(lambda: first.had_turn is True)
            second = Request(lambda: done.append("began"))
            until(lambda: waiting() == 1)
            threading.Thread(target=lambda: (until(lambda: waiting() == 2), held.set())).start()
        done.append("went on")
    first.join()
    second.join()
    assert done == ["went on", "began"]


def test_one_slow_request_does_not_hold_the_others_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 0.01)
    with turn():
        others = []
        for _ in range(5):
            others.append(Request())
            others[-1].join()
        assert [other.had_turn for other in others] == [True] * 5  # the first took it over
        assert not has_turn()
        assert waiting() == 0
    after = Request()
    after.join()
    assert after.had_turn


def test_who_waits_too_long_for_others_goes_on_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 0.05)
    turns_had = []

    def come() -> None:
        with turn():
            turns_had.append(has_turn())
            time.sleep(0.02)

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert set(turns_had) == {True, False}
    assert waiting() == 0


def test_a_turn_inside_a_turn_is_the_same() -> None:
    with turn():
        with turn():
            assert has_turn()
        assert has_turn()
        with turn_ended():
            Request().join()


def test_no_turn_is_lost_or_doubled_however_requests_end(monkeypatch: pytest.MonkeyPatch) -> None:
    at_work = threading.Semaphore(1)

    def work() -> None:
        for number in range(30):
            assert has_turn()
            assert at_work.acquire(blocking=False), "two had a turn at the same time"
            time.sleep(0.0001 * (number % 12))
            at_work.release()
            with turn_ended():
                time.sleep(0.0005)
        raise LookupError

    failed: list[BaseException] = []

    def run() -> None:
        try:
            for _ in range(3):
                with pytest.raises(LookupError), turn():
                    work()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
        assert not thread.is_alive()
    assert failed == []
    after = Request()
    after.join()
    assert after.had_turn


def test_a_far_server_is_known_by_its_quickest_answers() -> None:
    distance = turns._Distance()
    assert not distance.is_far
    distance.note(0.002)
    assert distance.is_far
    distance.note(0.0001)
    for _ in range(50):
        distance.note(0.5)
    assert not distance.is_far
    for _ in range(200):
        distance.note(0.002)
    assert distance.is_far


@pytest.fixture
def statements(in_adas_database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Whether each statement of the test ran in its turn."""
    ran: list[bool] = []

    def note(execute: Callable[..., object], *arguments: object) -> object:
        ran.append(has_turn())
        return execute(*arguments)

    sql.query("SELECT 1")  # connects
    with user_connection().execute_wrapper(note):
        yield ran


def test_others_compute_while_a_far_server_does(statements: list[bool]) -> None:
    place = user_connection().settings_dict
    turns._distances.clear()
    turns._distances[place["HOST"], place["PORT"]].note(1.0)
    with turn():
        sql.query("SELECT 1")
        assert has_turn()
    assert statements == [engine.SERVER is None]


def test_a_near_server_is_waited_for_in_turn(statements: list[bool]) -> None:
    with turn():
        sql.query("SELECT 1")
    assert statements == [True]


def test_who_writes_has_given_their_turn_away(statements: list[bool]) -> None:
    with turn():
        with user_atomic():
            sql.query("SELECT 1")
        assert not has_turn()
    assert not any(statements)


def test_others_compute_while_an_endpoint_is_waited_for() -> None:
    with language_model() as model:
        model.delay_seconds = 0.5
        endpoints = Endpoints([Endpoint(model.url)], what="the model", timeout_seconds=LONG, concurrent=1)
        answers: list[object] = []
        asking = Request(lambda: answers.append(endpoints.post("chat/completions", {})))
        until(lambda: bool(model.asked))
        other = Request()
        other.join()
        assert other.had_turn
        assert not answers
        asking.join()
        assert answers


class Probe(UserView):
    """Notes whether whoever asked has a turn."""

    had: ClassVar[list[bool]] = []

    def get(self, request: object) -> Response:
        self.had.append(has_turn())
        return Response()

    post = get


@pytest.fixture
def ask(make_user: MakeUser) -> Callable[..., HttpResponse]:
    make_user("ada")
    key = key_create(user_id="ada", name="test", expires_at=None, now=timezone.now()).raw_key
    Probe.had.clear()

    def ask(method: str, body: bytes = b"", **environment: Any) -> HttpResponse:
        environment["HTTP_AUTHORIZATION"] = f"Bearer {key}"
        return Probe.as_view()(RequestFactory().generic(method, "/", body, **environment))

    return ask


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_opens_a_users_database_does_so_in_turn(method: str, ask: Callable[..., HttpResponse]) -> None:
    assert ask(method).status_code == 200
    assert Probe.had == [True]
    assert not has_turn()


def test_a_body_that_comes_slowly_keeps_nobody_waiting(ask: Callable[..., HttpResponse]) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert not has_turn()
            assert open_alias() is None
            Request().join()
            return super().read(size)

    answer = ask("POST", b"{}", **{"wsgi.input": Slow(b"{}")})
    assert answer.status_code == 200
    assert Probe.had == [True]
