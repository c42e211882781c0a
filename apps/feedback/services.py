"""Giving feedback and setting the weights of retrieval."""

import uuid
from dataclasses import asdict, dataclass
from datetime import datetime

from django.conf import settings

from apps.feedback.models import Feedback, RetrievalParams
from apps.feedback.selectors import params_get, signal_counts
from apps.memories.selectors import row_find
from apps.memories.services.stats import stat_add
from apps.memories.view import MAIN
from apps.tenancy.scope import user_atomic
from memoria.drafts import checked_text
from memoria.errors import NotFound
from memoria.feedback import Params, checked_signal, tuned
from memoria.redaction import clean


@dataclass(frozen=True, slots=True)
class Given:
    feedback_id: str
    masked: tuple[str, ...]
    """Kinds of personal data that were masked in the context."""


def feedback_give(*, memory_id: str, signal: str, context: str | None, now: datetime) -> Given:
    """Keep a signal about a memory of main, active or not. Raises Invalid, Blocked and NotFound."""
    checked = checked_signal(signal)
    masked: tuple[str, ...] = ()
    if context is not None:
        cleaned = clean(checked_text(context, "context"), settings.MEMORIA_REDACTION)
        context, masked = cleaned.text, cleaned.masked
    if row_find(view=MAIN, memory_id=memory_id) is None:
        raise NotFound(f"Memory not found: Memory {memory_id} not found or not owned by user")
    row = Feedback(
        feedback_id=uuid.uuid4().hex, memory_id=memory_id, signal=checked, context=context, created_at=now
    )
    with user_atomic():
        row.save(force_insert=True)
        stat_add(memory_id=memory_id, counter=f"feedback_{checked}", moment="last_feedback_at", now=now)
    return Given(row.feedback_id, masked)


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
