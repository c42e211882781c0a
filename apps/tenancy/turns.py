"""Turns at the interpreter: of the requests of a process one computes at a time, in the order in which they came.

The threads of a process share one interpreter. Ranking gives it away at each of its many short array operations and
gets it back when another thread lets go, so that requests that rank side by side cost nearly twice the processor time
of the same requests one after the other. Whoever waits for something else, a lock or an endpoint, ends their turn;
and nobody waits for theirs longer than `PATIENCE_SECONDS`, so that one slow request does not hold the others up.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

PATIENCE_SECONDS = 0.1
# A server whose answers take longer than this is far away. A quick answer counts for some hundred statements.
FAR_SECONDS, FORGETTING = 0.0005, 1.01


class _Turns:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Lock] = deque()

    def take(self, *, is_going_on: bool = False) -> bool:
        """Wait for a turn; who is going on has theirs before who begins. False where it did not come in time."""
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return True
            mine = threading.Lock()
            mine.acquire()
            if is_going_on:
                self._waiting.appendleft(mine)
            else:
                self._waiting.append(mine)
        if mine.acquire(timeout=PATIENCE_SECONDS):
            return True
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
                return False
        return True  # it came just now

    def pass_on(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False


class _Mine(threading.local):
    has_turn = False


_turns = _Turns()
_mine = _Mine()


@contextmanager
def turn() -> Iterator[None]:
    """Around a request: what is inside runs in its turn, or out of it where that does not come in time."""
    _mine.has_turn = _turns.take()
    try:
        yield
    finally:
        end_turn()


def end_turn() -> None:
    """Let the next one compute; for whoever may have to wait from here on."""
    if _mine.has_turn:
        _mine.has_turn = False
        _turns.pass_on()


@contextmanager
def turn_ended() -> Iterator[None]:
    """Around waiting for something outside; whoever had a turn goes on in another one."""
    had_turn = _mine.has_turn
    end_turn()
    try:
        yield
    finally:
        if had_turn:
            _mine.has_turn = _turns.take(is_going_on=True)


class _Distance:
    """How long the way to a database server and back takes: the least that one of the latest statements took."""

    seconds = 0.0

    def note(self, seconds: float) -> None:
        self.seconds = min(self.seconds * FORGETTING + FAR_SECONDS / 1_000, seconds)


_distance = _Distance()


def watch_statements(*, connection: Any, **_: Any) -> None:
    """Signal receiver: let others compute while a database server that is far away does. To give a turn away and take
    it again at each statement of a near one costs more than it saves; SQLite computes here itself.
    """
    if connection.vendor == "mysql" and _execute not in connection.execute_wrappers:
        connection.execute_wrappers.append(_execute)


def _execute(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    waiting = turn_ended() if _distance.seconds > FAR_SECONDS else nullcontext()
    with waiting:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            _distance.note(time.perf_counter() - started)
