"""Show the history of one user's memories as a graph."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.text import Text

from apps.tenancy.admission import admit
from apps.tenancy.scope import user_database
from apps.tenancy.selectors import registration_find
from apps.versioning.timeline import Step, timeline

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
    """One line per commit. A branch has a column from its newest commit shown down to its fork; main is the first."""
    columns = ["main"]
    lines = []
    for step in steps:
        if step.branch not in columns:
            columns.append(step.branch)
        for name in (step.source,):
            if name is not None and name not in columns:
                columns.append(name)
        lines.append(_line(step, columns))
        for mark in step.marks:
            if mark.kind == "fork" and mark.name in columns:
                position = columns.index(mark.name)
                lines.append(Text("│ " * position + "╯" if position else "│"))
                columns.remove(mark.name)
    return lines


def _line(step: Step, columns: list[str]) -> Text:
    line = Text()
    for name in columns:
        sign = "●" if name == step.branch else ("╮" if name == step.source else "│")
        line.append(f"{sign} ", style=COLOURS[columns.index(name) % len(COLOURS)])
    line.append(f" {step.seq:>5}  {step.created_at:%Y-%m-%d %H:%M:%S}  ", style="dim")
    line.append(step.operation, style="bold")
    if step.source is not None:
        line.append(f" of '{step.source}'")
    if step.changes:
        line.append(f"  {step.changes} {'memory' if step.changes == 1 else 'memories'}")
    line.append(f"  by {step.actor_id}", style="dim")
    if step.branch != "main":
        line.append(f"  on '{step.branch}'")
    for mark in step.marks:
        line.append(f"  [{mark.kind} {mark.name}]", style="green")
    return line
