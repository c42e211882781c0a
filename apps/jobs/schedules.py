"""Starting what is due. Any number of processes may ask; each due time is claimed once."""

from collections.abc import Callable
from datetime import datetime, timedelta

from apps.jobs.models import Schedule


def schedules_start_due(
    *, schedules: dict[str, float], now: datetime, start: Callable[[str, float], None]
) -> list[str]:
    """Start every schedule (name: seconds) that is due, calling `start(name, seconds)`. Returns the names started.

    A schedule that is new is due one period from now. One that was missed runs once, not once per missed period.
    """
    started = []
    for name, seconds in schedules.items():
        period = timedelta(seconds=seconds)
        row, _ = Schedule.objects.get_or_create(pk=name, defaults={"next_due_at": now + period})
        if row.next_due_at > now:
            continue
        claim = Schedule.objects.filter(pk=name, next_due_at=row.next_due_at)
        if claim.update(next_due_at=now + period, last_started_at=now):
            start(name, seconds)
            started.append(name)
    return started
