"""Counting what happens to memories. Not versioned, not part of a commit's state."""

from datetime import datetime

from django.db.models import IntegerField

from apps.memories.models import MemoryStats
from apps.tenancy import sql
from apps.tenancy.scope import user_connection

COUNTERS = tuple(
    field.attname for field in MemoryStats._meta.concrete_fields if isinstance(field, IntegerField)
)


def stat_add(*, memory_id: str, counter: str, moment: str, now: datetime) -> None:
    """Add 1 to a counter and move its moment on, never back, in one statement: reading first would deadlock with
    others doing so.
    """
    connection = user_connection()
    again, later = (
        ("ON CONFLICT (memory_id) DO UPDATE SET", "MAX")
        if connection.vendor == "sqlite"
        else ("ON DUPLICATE KEY UPDATE", "GREATEST")
    )
    values = ", ".join("1" if name == counter else "0" for name in COUNTERS)
    at = connection.ops.adapt_datetimefield_value(now)
    sql.execute(
        f"INSERT INTO mem_memories_stats (memory_id, {moment}, {', '.join(COUNTERS)}) VALUES (%s, %s, {values})"
        f" {again} {counter} = mem_memories_stats.{counter} + 1,"
        f" {moment} = COALESCE({later}(mem_memories_stats.{moment}, %s), %s)",
        [memory_id, at, at, at],
    )
