"""Users side by side: in several processes, and in several threads of each where the servers are far away.

Processes share the work of the cores; threads wait for servers together, and cost no start and little memory.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import wait
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection

from apps.legacy.services import progress
from apps.legacy.services.hand import ERROR, ROWS, work_on_users
from apps.legacy.source import Source
from apps.tenancy import schema
from apps.tenancy.servers import server, server_names

Result = TypeVar("Result")

POLL_SECONDS, ENDING_SECONDS = 0.25, 5.0
# One process more for so many rows: starting one takes a second or two.
ROWS_PER_PROCESS = 20_000
# From this time for one round trip on, waiting for the servers takes longer than the work.
FAR_SECONDS = 0.01
USERS_AT_ONCE, FAR_USERS_AT_ONCE = 4, 16
# Of one process; each holds a connection to a server of users while a user is worked on.
MOST_THREADS = 4


@dataclass(frozen=True, slots=True)
class Places:
    """How many users are at work at once: in each of the threads of each of the processes one."""

    processes: int = 1
    threads: int = 1


def places_for(rows: int, *, users_at_once: int | None, is_far: bool) -> Places:
    """Near servers keep a core busy per user, if there is much to do; of far ones one waits for many answers. Never
    more at once than is said, nor more in a process than it may have connections.
    """
    if not is_far:
        return Places(min(users_at_once or USERS_AT_ONCE, 1 + rows // ROWS_PER_PROCESS))
    at_once = users_at_once or FAR_USERS_AT_ONCE
    most = min(MOST_THREADS, settings.MEMORIA_USER_CONNECTIONS)
    processes = -(-at_once // most)
    return Places(processes, at_once // processes)


def is_far(source: Source) -> bool:
    """Whether the old database, the control database or a server of users is far away, by the quickest of three
    answers of each.
    """

    def ask_source() -> None:
        list(source.rows("SELECT 1"))

    def ask_control() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    def ask_users(name: str) -> Callable[[], object]:
        return lambda: server(name).owner(schema.template_database())

    every = [ask_source, ask_control, *map(ask_users, server_names())]
    return any(min(_seconds(ask) for _ in range(3)) >= FAR_SECONDS for ask in every)


def _seconds(ask: Callable[[], object]) -> float:
    started = time.perf_counter()
    ask()
    return time.perf_counter() - started


def results_of(
    work: Callable[[str], Result],
    user_ids: Sequence[str],
    *,
    places: Places,
    tick: Callable[[int], None],
    died: Callable[[str], Result],
    last: Callable[[Result], bool],
) -> Iterator[Result]:
    """What `work`, which other processes can be given, finds for each user; they are begun in order.

    `tick` is told the rows counted meanwhile, as they come or several times a second, and may raise. Users whose
    process died have the result of `died`; others go on. After a result that is the `last` nobody else is begun.
    """
    if len(user_ids) > 1 and places != Places():
        yield from _by_hands(work, deque(user_ids), places, tick, died, last)
        return
    progress.start(tick)
    for user_id in user_ids:
        result = work(user_id)
        yield result
        if last(result):
            return


class _Hand:
    """A process at work, as its command sees it."""

    def __init__(self, threads: int) -> None:
        context = get_context("spawn")  # a forked child would share the command's open connections
        self.connection, theirs = context.Pipe()
        self.at_work: list[str] = []
        self._process = context.Process(target=work_on_users, args=(theirs, threads), daemon=True)
        self._process.start()
        theirs.close()  # so that the end of the process ends the connection

    def send(self, message: Any) -> None:
        try:
            self.connection.send(message)
        except OSError:  # it died; what it had is found out when it is listened to
            return

    def give(self, user_id: str) -> None:
        self.at_work.append(user_id)
        self.send(user_id)

    def end(self, *, patience_seconds: float = 0.0) -> None:
        """Give it so long to end by itself. What it has written is found again in any case."""
        self._process.join(patience_seconds)
        self._process.terminate()
        self._process.join()
        self.connection.close()


def _by_hands(
    work: Callable[[str], Result],
    left: deque[str],
    places: Places,
    tick: Callable[[int], None],
    died: Callable[[str], Result],
    last: Callable[[Result], bool],
) -> Iterator[Result]:
    hands: list[_Hand] = []

    def begin(count: int) -> None:
        new = [_Hand(places.threads) for _ in range(count)]
        hands.extend(new)  # known before anything is sent, so that each is ended
        for hand in new:
            hand.send(work)

    def give() -> None:
        """The next users to those who have least to do."""
        while left:
            idlest = min(hands, key=lambda hand: len(hand.at_work))
            if len(idlest.at_work) == places.threads:
                return
            idlest.give(left.popleft())

    try:
        begin(min(places.processes, len(left)))
        give()
        while any(hand.at_work for hand in hands):
            rows = 0
            results: list[Result] = []
            ready = wait([hand.connection for hand in hands], POLL_SECONDS)
            for hand in [hand for hand in hands if hand.connection in ready]:
                try:
                    kind, user_id, said = hand.connection.recv()
                except (EOFError, OSError):
                    hands.remove(hand)
                    hand.end()
                    results += map(died, hand.at_work)
                    begin(1 if left else 0)
                    continue
                if kind == ROWS:
                    rows += said
                    continue
                hand.at_work.remove(user_id)
                if kind == ERROR:
                    raise said
                results.append(said)
            if any(map(last, results)):
                left.clear()
            give()
            tick(rows)
            yield from results
        for hand in hands:
            hand.send(None)
        while hands:
            hands.pop().end(patience_seconds=ENDING_SECONDS)
    finally:
        for hand in hands:
            hand.end()
