"""Base of commands that do one thing to many users: progress, processes, a result per user, a summary table.

A failing user never stops the sweep; a second run takes up what is left.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import django
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one user: a word for the summary, and the error's kind where there was one."""

    user_id: str
    word: str
    error: str | None = None


class SweepCommand(BaseCommand):
    """Subclasses name the users and the work; the work is a module-level function, so that processes can run it."""

    work: Callable[[str], str]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", action="append", default=[], help="only this user; may be repeated")
        parser.add_argument("--processes", type=int, default=1, help="work in so many processes (default 1)")

    def sweep(self, user_ids: list[str], *, processes: int) -> None:
        """Do the work for every user and print what happened. Raises CommandError at the end if any failed."""
        console = Console(file=self.stdout)  # type: ignore[arg-type]
        started = time.monotonic()
        outcomes: list[Outcome] = []
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task(self.__module__.rsplit(".", 1)[1], total=len(user_ids))
            for outcome in _run(type(self).work, user_ids, processes):
                outcomes.append(outcome)
                progress.advance(task)
        self._summary(console, outcomes, time.monotonic() - started)
        if failed := [outcome for outcome in outcomes if outcome.error]:
            raise CommandError(
                f"{len(failed)} of {len(outcomes)} users failed; run the command again to retry them"
            )

    def _summary(self, console: Console, outcomes: list[Outcome], seconds: float) -> None:
        table = Table("result", "users", title=f"{len(outcomes)} users in {seconds:.1f} s")
        for word, count in sorted(Counter(outcome.word for outcome in outcomes).items()):
            table.add_row(word, str(count))
        console.print(table)
        for outcome in [o for o in outcomes if o.error][:20]:
            console.print(f"{outcome.user_id!r}: {outcome.error}", markup=False)


def _run(work: Callable[[str], str], user_ids: Iterable[str], processes: int) -> Iterator[Outcome]:
    if processes <= 1:
        for user_id in user_ids:
            yield _attempt(work, user_id)
        return
    # Spawned, not forked: a forked child would share the parent's open connections.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=django.setup) as pool:
        futures: list[Any] = [pool.submit(_attempt, work, user_id) for user_id in user_ids]
        for future in as_completed(futures):
            yield future.result()


def _attempt(work: Callable[[str], str], user_id: str) -> Outcome:
    try:
        return Outcome(user_id, work(user_id))
    except Exception as error:  # whatever is wrong with one user must not keep the others waiting
        return Outcome(user_id, "failed", f"{type(error).__name__}: {error}"[:200])
