"""What an operator sees of a plan's work on a terminal, and elsewhere."""

from io import StringIO

from rich.console import Console

from apps.legacy.management.console import work_shown


def shown(*, is_terminal: bool) -> str:
    out = StringIO()
    console = Console(file=out, force_terminal=is_terminal, width=120, highlight=False)
    with work_shown(console, "copying", 4_000, "rows") as (progress, task):
        for _ in range(3):
            progress.advance(task, 1_000)
        progress.refresh()
    return out.getvalue()


def test_a_terminal_shows_rows_their_speed_and_the_time_left() -> None:
    said = shown(is_terminal=True)
    for part in ("copying", "3000/4000", "rows", "/s", "0:00:0"):
        assert part in said, said


def test_a_file_is_not_filled_with_bars() -> None:
    assert shown(is_terminal=False).strip() == ""
