"""Show the history of one user's memories as a graph."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.text import Text

from apps.tenancy.admission import admit
from apps.tenancy.scope import user_database
from apps.tenancy.selectors import registration_find
from apps.versioning.timeline import Mark, Step, timeline

MAIN = "main"
COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red")


class Command(BaseCommand):
    help = (
        "Print the newest commits of a user, newest first: branches side by side, merges, snapshots, rollbacks.\n"
        "Example: manage.py memory_log --user u-maria --limit 30"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", required=True)
        parser.add_argument("--limit", type=int, default=50)

    def handle(self, *, user: str, limit: int, **_: Any) -> None:
        if (found := registration_find(user_id=user)) is None:
            raise CommandError(f"no such user: {user!r}")
        with user_database(admit(found)):
            steps = timeline(limit=max(limit, 1))
        console = Console(file=self.stdout)  # type: ignore[arg-type]
        if not steps:
            console.print("No commits yet.")
        for line in graph(steps):
            console.print(line, soft_wrap=True)


def graph(steps: list[Step]) -> list[Text]:
    """A line per commit and per fork. Main is the first column; a branch has one from the newest line that speaks
    of it down to where it forked off.
    """
    columns: list[str | None] = [MAIN]
    lines = []
    for step in steps:
        for mark in step.marks:
            if mark.kind.endswith("fork"):
                at = _column(columns, mark.name)
                lines.append(
                    _row(columns, 0, at, "├", "╯").append(f"  '{mark.name}'{_gone(mark)}", style="dim")
                )
                columns[at] = None
        while columns[-1] is None:
            columns.pop()
        lines.append(_commit(step, columns))
    return lines


def _column(columns: list[str | None], name: str) -> int:
    """The column of a branch; a free one, or a new one, where it has none yet."""
    if name in columns:
        return columns.index(name)
    if None not in columns:
        columns.append(None)
    at = columns.index(None)
    columns[at] = name
    return at


def _gone(mark: Mark) -> str:
    return " (deleted)" if mark.kind == "deleted fork" else ""


def _row(columns: list[str | None], at: int, to: int, sign: str, end: str) -> Text:
    """The columns of one line, with `sign` at one of them, joined to another that gets `end`."""
    row = Text()
    for number, name in enumerate(columns):
        inside = min(at, to) < number < max(at, to)
        if number == at:
            drawn = sign
        elif number == to:
            drawn = end
        elif name is None:
            drawn = "─" if inside else " "
        else:
            drawn = "┼" if inside else "│"
        row.append(drawn, style=COLOURS[number % len(COLOURS)])
        row.append("─" if min(at, to) <= number < max(at, to) else " ")
    return row


def _commit(step: Step, columns: list[str | None]) -> Text:
    at = to = _column(columns, step.branch)
    end = ""
    if step.source is not None:
        end = "┤" if step.source in columns else "╮"
        to = _column(columns, step.source)
        if to < at:
            end = "├"
    line = _row(columns, at, to, "●", end)
    line.append(f" {step.seq:>5}  {step.created_at:%Y-%m-%d %H:%M:%S}  ", style="dim")
    line.append(step.operation, style="bold")
    if step.source is not None:
        line.append(f" of '{step.source}'")
    if step.snapshot is not None:
        line.append(f" to '{step.snapshot}'")
    if step.branch != MAIN:
        line.append(f" on '{step.branch}'")
    if step.changes:
        line.append(f", {step.changes} {'memory' if step.changes == 1 else 'memories'}")
    line.append(f"  by {step.actor_id}", style="dim")
    for mark in step.marks:
        if not mark.kind.endswith("fork"):
            line.append(f"  [{mark.kind} {mark.name}]", style="green")
    return line
