"""Giving feedback and setting the weights of retrieval."""

import uuid
from dataclasses import asdict, dataclass
from datetime import datetime

from apps.feedback.models import Feedback, RetrievalParams
from apps.feedback.selectors import params_get, signal_counts
from apps.memories.selectors import row_find
from apps.memories.view import MAIN
from apps.tenancy import sql
from apps.tenancy.scope import user_atomic, user_connection
from memoria.drafts import checked_text
from memoria.errors import NotFound
from memoria.feedback import Params, Signal, checked_signal, tuned


def feedback_give(*, memory_id: str, signal: str, context: str | None, now: datetime) -> str:
    """Keep a signal about a memory of main, active or not. Returns its id. Raises Invalid and NotFound."""
    checked = checked_signal(signal)
    if context is not None:
        checked_text(context, "context")
    if row_find(view=MAIN, memory_id=memory_id) is None:
        raise NotFound(f"Memory not found: Memory {memory_id} not found or not owned by user")
    row = Feedback(
        feedback_id=uuid.uuid4().hex, memory_id=memory_id, signal=checked, context=context, created_at=now
    )
    with user_atomic():
        row.save(force_insert=True)
        _count(memory_id, checked, now)
    return row.feedback_id


def _count(memory_id: str, signal: Signal, now: datetime) -> None:
    """In one statement: reading first and writing then would deadlock with others who do the same."""
    connection = user_connection()
    counter = f"feedback_{signal}"
    moment = connection.ops.adapt_datetimefield_value(now)
    again = (
        "ON CONFLICT (memory_id) DO UPDATE SET"
        if connection.vendor == "sqlite"
        else "ON DUPLICATE KEY UPDATE"
    )
    counters = ["access_count", *(f"feedback_{each}" for each in Signal)]
    values = ", ".join("1" if each == counter else "0" for each in counters)
    sql.execute(
        f"INSERT INTO mem_memories_stats (memory_id, last_feedback_at, {', '.join(counters)})"
        f" VALUES (%s, %s, {values}) {again} {counter} = mem_memories_stats.{counter} + 1, last_feedback_at = %s",
        [memory_id, moment, moment],
    )


def params_set(*, changes: dict[str, float | None]) -> Params:
    """Set some weights, clamped to their bounds; they act with the next retrieval, in every process."""
    with user_atomic():
        params = params_get().changed(**changes)
        RetrievalParams.objects.update_or_create(pk=1, defaults=asdict(params))
    return params


@dataclass(frozen=True, slots=True)
class Tuning:
    """`new` is None where too few signals have come since the last tuning."""

    old: Params
    new: Params | None


def params_tune(*, now: datetime) -> Tuning:
    """Let the signals since the last tuning move the weight of feedback; each signal counts in one tuning only."""
    with user_atomic():
        row = RetrievalParams.objects.select_for_update().filter(pk=1).first()
        old = params_get()
        new = tuned(old, signal_counts(since=row.tuned_at if row is not None else None))
        if new is not None:
            RetrievalParams.objects.update_or_create(pk=1, defaults={**asdict(new), "tuned_at": now})
    return Tuning(old, new)
