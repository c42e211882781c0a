"""Users side by side: in several processes, and in several threads of each where the servers are far away.

Processes share the work of the cores; threads wait for servers together, and cost no start and little memory.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

from django.db import connection

from apps.legacy.services import progress
from apps.legacy.source import Source

Result = TypeVar("Result")

POLL_SECONDS = 0.25
# One process more for so many rows: starting one takes a second or two.
ROWS_PER_PROCESS = 20_000
# From this time for one round trip on, waiting for the servers takes longer than the work.
FAR_SECONDS = 0.01
USERS_AT_ONCE, FAR_USERS_AT_ONCE = 4, 16
# Each thread holds a connection of the process to a server of users; the bound on those is 8 unless configured.
THREADS = 4


@dataclass(frozen=True, slots=True)
class Places:
    """How many users are at work at once: in each of the threads of each of the processes one."""

    processes: int = 1
    threads: int = 1


def places_for(rows: int, *, users_at_once: int | None, is_far: bool) -> Places:
    """Near servers keep a core busy per user, if there is much to do; of far ones one waits for many answers."""
    if not is_far:
        return Places(min(users_at_once or USERS_AT_ONCE, 1 + rows // ROWS_PER_PROCESS))
    at_once = users_at_once or FAR_USERS_AT_ONCE
    return Places(-(-at_once // THREADS), min(at_once, THREADS))


def is_far(source: Source) -> bool:
    """Whether the old database or the control database is far away, by the quickest of three answers of each."""

    def ask_source() -> None:
        list(source.rows("SELECT 1"))

    def ask_control() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    return any(min(_seconds(ask) for _ in range(3)) >= FAR_SECONDS for ask in (ask_source, ask_control))


def _seconds(ask: Callable[[], None]) -> float:
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

    `tick` is told the rows counted meanwhile, several times a second, and may raise. Users whose process died have
    the result of `died`. After a result that is the `last` nobody else is begun.
    """
    context = get_context("spawn")  # a forked child would share the parent's open connections
    counter = progress.counter(context)
    shown = 0

    def show() -> None:
        nonlocal shown
        count = counter.value
        tick(count - shown)
        shown = count

    if len(user_ids) <= 1 or places == Places():
        progress.start(counter)
        for user_id in user_ids:
            result = work(user_id)
            show()
            yield result
            if last(result):
                return
        return
    left = iter(user_ids)
    groups = min(places.processes, -(-len(user_ids) // places.threads))
    with ProcessPoolExecutor(
        groups, mp_context=context, initializer=progress.start_process, initargs=(counter,)
    ) as pool:
        begun: dict[Future[list[Result]], list[str]] = {}

        def begin(
            count: int,
        ) -> None:  # little by little: what a pool has been given is not always taken back
            for _ in range(count):
                if not (group := list(islice(left, places.threads))):
                    return
                try:
                    future = pool.submit(_together, work, group, places.threads)
                except BrokenProcessPool as error:
                    future = Future()
                    future.set_exception(error)
                begun[future] = group

        begin(groups)
        while begun:
            done, _ = wait(begun, POLL_SECONDS, FIRST_COMPLETED)
            show()
            for future in done:
                group = begun.pop(future)
                try:
                    results = future.result()
                except BrokenProcessPool:
                    results = [died(user_id) for user_id in group]
                if any(map(last, results)):
                    left = iter(())
                begin(1)
                yield from results


def _together(work: Callable[[str], Result], group: list[str], threads: int) -> list[Result]:
    return [work(group[0])] if len(group) == 1 else list(_threads(threads).map(work, group))


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    """This process's, for as long as it lives: their connections are used again."""
    return ThreadPoolExecutor(count)
