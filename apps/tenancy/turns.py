"""Turns at the interpreter: of the requests of a process one computes at a time, in the order in which they came.

The threads of a process share one interpreter. Ranking gives it away at each of its many short array operations and
gets it back when another thread lets go, so that requests that rank side by side cost nearly twice the processor time
of the same requests one after the other. Whoever waits for something else, a lock or an endpoint, ends their turn.
Nobody waits for theirs much longer than `PATIENCE_SECONDS`, and who has had one for so long loses it to the next, so
that one slow request does not hold the others up.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

PATIENCE_SECONDS = 0.2
# A server whose answers take longer than this is far away. A quick answer counts for some hundred statements.
FAR_SECONDS, FORGETTING = 0.0005, 1.01


class _Turn:
    __slots__ = ("came",)

    def __init__(self) -> None:
        self.came = threading.Lock()
        self.came.acquire()


class _Turns:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: _Turn | None = None
        self._since = 0.0
        self._going_on: deque[_Turn] = deque()
        self._beginning: deque[_Turn] = deque()

    def take(self, *, is_going_on: bool = False) -> _Turn:
        """Wait for a turn; who is going on has theirs before who begins. Where it does not come in time one goes on
        without, and passes nothing on.
        """
        mine = _Turn()
        queue = self._going_on if is_going_on else self._beginning
        with self._lock:
            if self._holder is None:
                self._give(mine)
                return mine
            queue.append(mine)
        if not mine.came.acquire(timeout=PATIENCE_SECONDS):
            with self._lock:
                if mine in queue:  # else it came just now
                    queue.remove(mine)
                    if time.monotonic() - self._since >= PATIENCE_SECONDS:
                        self._give(mine)
        return mine

    def pass_on(self, turn: _Turn) -> None:
        with self._lock:
            if self._holder is not turn:
                return
            self._holder = None
            if queue := self._going_on or self._beginning:
                self._give(queue.popleft())

    def _give(self, turn: _Turn) -> None:
        self._holder, self._since = turn, time.monotonic()
        turn.came.release()


class _Mine(threading.local):
    turn: _Turn | None = None


_turns = _Turns()
_mine = _Mine()


@contextmanager
def turn() -> Iterator[None]:
    """Around a request: what is inside runs in its turn, or out of it where that does not come in time."""
    if _mine.turn is not None:
        yield
        return
    _mine.turn = _turns.take()
    try:
        yield
    finally:
        end_turn()


def end_turn() -> None:
    """Let the next one compute; for whoever may have to wait from here on."""
    mine, _mine.turn = _mine.turn, None
    if mine is not None:
        _turns.pass_on(mine)


@contextmanager
def turn_ended() -> Iterator[None]:
    """Around waiting for something outside; whoever had a turn goes on in another one."""
    had_turn = _mine.turn is not None
    end_turn()
    try:
        yield
    finally:
        if had_turn:
            _mine.turn = _turns.take(is_going_on=True)


class _Distance:
    """How long the way to a database server and back takes: the least that one of the latest statements took."""

    seconds: float | None = None

    def note(self, seconds: float) -> None:
        known = self.seconds if self.seconds is not None else seconds
        self.seconds = min(known * FORGETTING, seconds)

    @property
    def is_far(self) -> bool:
        return self.seconds is not None and self.seconds > FAR_SECONDS


_distances: defaultdict[tuple[Any, Any], _Distance] = defaultdict(_Distance)


def watch_statements(*, connection: Any, **_: Any) -> None:
    """Signal receiver: let others compute while a database server that is far away does. To give a turn away and take
    it again at each statement of a near one costs more than it saves; SQLite computes here itself.
    """
    if connection.vendor == "mysql" and _execute not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, _execute)  # Django takes its own off the end


def _execute(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    place = context["connection"].settings_dict
    distance = _distances[place["HOST"], place["PORT"]]
    with turn_ended() if distance.is_far else nullcontext():
        started = time.perf_counter()
        result = execute(sql, params, many, context)
        distance.note(time.perf_counter() - started)
    return result
