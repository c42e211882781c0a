"""What could be tidied up, over all users: counted per user and kept in the control plane, so that asking for the
sum never asks every user's database.
"""

from dataclasses import asdict
from datetime import datetime, timedelta

from django.db.models import Sum

from apps.governance.models import HygieneFigures
from apps.memories.selectors import figures
from apps.tenancy.selectors import active_user_ids

FRESH_FOR = timedelta(hours=1)
COUNTS = ("inactive_memories", "stale_working_memories", "orphan_links", "orphan_entities", "orphan_stats")


def hygiene_count(*, user_id: str, now: datetime) -> None:
    """Count in the open user database, which is this user's, and keep the numbers."""
    counts = asdict(figures.hygiene(now=now))
    HygieneFigures.objects.update_or_create(pk=user_id, defaults={**counts, "counted_at": now, "error": ""})


def hygiene_failed(*, user_id: str, error: Exception, now: datetime) -> None:
    defaults = {"counted_at": now, "error": type(error).__name__[:64]}
    HygieneFigures.objects.update_or_create(pk=user_id, defaults=defaults)


def users_to_count(*, now: datetime, limit: int | None = None) -> list[str]:
    """Users in service whose figures are missing or older than an hour: first those without, then by age."""
    fresh = set(HygieneFigures.objects.filter(counted_at__gte=now - FRESH_FOR).values_list("pk", flat=True))
    ages = dict(HygieneFigures.objects.filter(counted_at__lt=now - FRESH_FOR).values_list("pk", "counted_at"))
    due = [user_id for user_id in active_user_ids() if user_id not in fresh]
    due.sort(key=lambda user_id: (user_id in ages, ages.get(user_id)))
    return due[:limit]


def hygiene_total(*, now: datetime) -> tuple[dict[str, int], int, int]:
    """The sums over all users in service, how many users those are, and of how many the figures are missing, old or
    could not be counted.
    """
    active = active_user_ids()
    sums = HygieneFigures.objects.aggregate(**{name: Sum(name) for name in COUNTS})
    fresh = HygieneFigures.objects.filter(counted_at__gte=now - FRESH_FOR, error="")
    known = set(fresh.values_list("pk", flat=True))
    return (
        {name: int(value or 0) for name, value in sums.items()},
        len(active),
        sum(user_id not in known for user_id in active),
    )
