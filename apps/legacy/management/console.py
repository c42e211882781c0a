"""What the command shows of plans and of work that goes on."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from apps.legacy.services.planning import Plan

USERS_SHOWN = 50


def plan_show(plan: Plan, out: OutputWrapper) -> None:
    """What a plan would move, and what not."""
    table = Table(
        "user", "rows", "branches", "live snapshots", title=f"{len(plan.users)} users, {plan.rows} rows"
    )
    for user_id, counts in list(plan.users.items())[:USERS_SHOWN]:
        branches = len(plan.branches.get(user_id, ()))
        table.add_row(
            Text(repr(user_id)),
            str(sum(counts.values())),
            str(branches),
            str(plan.snapshots.get(user_id, 0)),
        )
    Console(file=out, highlight=False).print(table)  # type: ignore[arg-type]
    if (more := len(plan.users) - USERS_SHOWN) > 0:
        out.write(f"and {more} smaller ones; --report-out lists them all")
    for name, why in sorted(plan.skipped.items()):
        out.write(f"not copied: {name} ({why})")
    for line in plan.unknown:
        out.write(f"not known here: {line}")


@contextmanager
def work_shown(console: Console, what: str, total: int, unit: str) -> Iterator[tuple[Progress, TaskID]]:
    """A bar on a terminal, and nothing elsewhere."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        _PerSecond(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield progress, progress.add_task(what, total=total)


class _PerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f}/s")
