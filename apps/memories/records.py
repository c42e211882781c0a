"""Memories as they leave this app: frozen values, never rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.memories.models import MemoryColumns


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """One memory in one view."""

    memory_id: str
    user_id: str
    author_id: str | None
    subject_id: str | None
    session_id: str | None
    memory_type: str
    content: str
    trust_tier: str
    initial_confidence: float
    is_active: bool
    superseded_by: str | None
    extra_metadata: dict[str, Any] | None
    observed_at: datetime
    created_at: datetime


# The columns a record needs; lists never load vectors or search text.
RECORD_COLUMNS = tuple(MemoryRecord.__dataclass_fields__)


def record(row: MemoryColumns) -> MemoryRecord:
    return MemoryRecord(**{name: getattr(row, name) for name in RECORD_COLUMNS})
