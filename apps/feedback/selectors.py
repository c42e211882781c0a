"""Reads of feedback and of the user's weights."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import Count

from apps.feedback.models import Feedback, RetrievalParams
from apps.memories.models import Memory
from apps.tenancy import sql
from memoria.feedback import DEFAULT_PARAMS, Params, Signal, factor

FIELDS = ("feedback_weight", "temporal_decay_hours", "confidence_weight")


def params_get() -> Params:
    found = sql.select(RetrievalParams, FIELDS, "id = 1")
    return Params(*found[0]) if found else DEFAULT_PARAMS


def factors_of(*, memory_ids: Sequence[str], params: Params, now: datetime) -> Mapping[str, float]:
    """Multipliers of those of the memories that somebody has said something about, or about those whose place they
    took on main.
    """
    if not memory_ids:
        return {}
    marks, signal = sql.marks(memory_ids), sql.quoted("signal")
    rows = sql.query(
        f"SELECT memory_id, {signal}, created_at, 0 FROM mem_retrieval_feedback WHERE memory_id IN ({marks})"
        f" UNION ALL SELECT m.superseded_by, f.{signal}, f.created_at, 1 FROM mem_memories m"
        f" JOIN mem_retrieval_feedback f ON f.memory_id = m.memory_id WHERE m.superseded_by IN ({marks})",
        [*memory_ids, *memory_ids],
    )
    signals: dict[str, tuple[list[tuple[str, float]], ...]] = defaultdict(lambda: ([], []))
    columns = ("memory_id", "signal", "created_at")
    for memory_id, said, created_at, is_inherited in sql.converted(Feedback, columns, rows):
        signals[memory_id][is_inherited].append((said, (now - created_at) / timedelta(days=1)))
    return {
        memory_id: factor(own, params.feedback_weight, inherited)
        for memory_id, (own, inherited) in signals.items()
    }


def signal_counts(*, since: datetime | None = None) -> dict[str, int]:
    """How often each signal was given, every signal named."""
    rows = Feedback.objects.all() if since is None else Feedback.objects.filter(created_at__gt=since)
    return dict.fromkeys(map(str, Signal), 0) | dict(
        rows.values_list("signal").annotate(count=Count("feedback_id"))
    )


def signals_by_tier() -> list[tuple[str, str, int]]:
    """(tier, signal, count), ordered; of memories that main still holds, active or not."""
    rated = Memory.objects.filter(memory_id__in=Feedback.objects.values("memory_id"))
    tiers = dict(rated.values_list("memory_id", "trust_tier"))
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for memory_id, signal, count in Feedback.objects.values_list("memory_id", "signal").annotate(
        count=Count("feedback_id")
    ):
        if memory_id in tiers:
            counts[tiers[memory_id], signal] += count
    return [(tier, signal, count) for (tier, signal), count in sorted(counts.items())]
