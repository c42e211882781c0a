"""Shapes that several routes answer with."""

from collections.abc import Iterable
from typing import Any

import msgspec

from apps.memories.records import MemoryRecord
from apps.memories.selectors import conflicts_of, opponents
from apps.memories.view import View
from memoria.times import rfc3339


class DecisionObject(msgspec.Struct):
    """What a stored memory is to one known before."""

    action: str
    """duplicate: nothing was added; update: the other is superseded; conflict: both stay."""
    memory_id: str
    reason: str


class MemoryObject(msgspec.Struct, kw_only=True):
    """A memory. `author_id`, `subject_id` and `extra_metadata` are left out where there are none."""

    memory_id: str
    user_id: str
    author_id: str | msgspec.UnsetType = msgspec.UNSET
    subject_id: str | msgspec.UnsetType = msgspec.UNSET
    memory_type: str
    content: str
    trust_tier: str
    initial_confidence: float
    is_active: bool
    session_id: str | None
    observed_at: str
    created_at: str | None
    retrieval_score: float | None = None
    extra_metadata: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    decision: DecisionObject | msgspec.UnsetType = msgspec.UNSET
    """In answers that stored it, unless it was simply new."""
    conflicts_with: list[str] | msgspec.UnsetType = msgspec.UNSET
    """Where memories are read: others that may contradict it."""
    superseded_by: str | msgspec.UnsetType = msgspec.UNSET
    """In the answer to a batch: the memory of a later item that has taken this one's place already."""
    masked: list[str] | msgspec.UnsetType = msgspec.UNSET
    """In answers that stored it: the kinds of personal data that were masked."""


class MemoryPage(msgspec.Struct):
    """Newest first; pass `next_cursor` to get the next page."""

    items: list[MemoryObject]
    next_cursor: str | None


EXAMPLE_MEMORY = {
    "memory_id": "0195f0aa11227c3d9e4f5a6b7c8d9e0f",
    "user_id": "u-maria",
    "memory_type": "semantic",
    "content": "Deploys run from the blue cluster",
    "trust_tier": "T1",
    "initial_confidence": 0.95,
    "is_active": True,
    "session_id": None,
    "observed_at": "2026-05-02T08:15:30.120000+00:00",
    "created_at": None,
    "retrieval_score": None,
    "extra_metadata": {"scene": "ops"},
}


def memory_object(
    memory: MemoryRecord, *, is_fresh: bool = False, score: float | None = None
) -> MemoryObject:
    """Clients expect `created_at` to be null in the answer that stored the memory."""
    return MemoryObject(
        memory_id=memory.memory_id,
        user_id=memory.user_id,
        author_id=memory.author_id or msgspec.UNSET,
        subject_id=memory.subject_id or msgspec.UNSET,
        memory_type=memory.memory_type,
        content=memory.content,
        trust_tier=memory.trust_tier,
        initial_confidence=memory.initial_confidence,
        is_active=memory.is_active,
        session_id=memory.session_id,
        observed_at=rfc3339(memory.observed_at),
        created_at=None if is_fresh else rfc3339(memory.created_at),
        retrieval_score=score,
        extra_metadata=memory.extra_metadata or msgspec.UNSET,
    )


def with_conflicts(shown: Iterable[MemoryObject], view: View) -> list[MemoryObject]:
    """The same memories of the view, each with those that it disagrees with."""
    every = list(shown)
    found = opponents(conflicts_of(view=view, memory_ids=[each.memory_id for each in every]))
    for each in every:
        each.conflicts_with = found.get(each.memory_id, msgspec.UNSET)
    return every
