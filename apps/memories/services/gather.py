"""Remembering in bulk: lines of a conversation, candidates of an agent. One bad item stops no other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from apps.memories.records import MemoryRecord
from apps.memories.services.prepare import Clean, drafts_clean
from apps.memories.services.write import Written, clean_write
from apps.memories.view import View
from memoria.decisions import Action
from memoria.drafts import Draft, checked_session, checked_subject, draft
from memoria.errors import Blocked, Invalid
from memoria.ports import Embedder
from memoria.types import MemoryType, TrustTier

OBSERVED_CONFIDENCE = 0.7
PIPELINE_CONFIDENCE = 0.75
SPEAKERS = ("user", "assistant")
# Lines of one conversation keep their order by being observed this far apart.
APART = timedelta(milliseconds=1)


class Fate(StrEnum):
    STORED = "stored"
    REPEATED = "repeated"
    """Known already, or said twice among the items: `memory` is the one that says so."""
    SKIPPED = "skipped"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one item; `memory` where it is remembered now, `reason` where it is not."""

    place: int
    fate: Fate
    memory: MemoryRecord | None = None
    masked: tuple[str, ...] = ()
    reason: str | None = None

    @classmethod
    def rejected(cls, place: int, reason: str) -> "Item":
        return cls(place, Fate.REJECTED, reason=reason)


@dataclass(frozen=True, slots=True)
class Line:
    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Candidate:
    content: str
    memory_type: str | None = None
    trust_tier: str | None = None


def said_lines(lines: Sequence[Line]) -> list[Line]:
    """What user and assistant said."""
    return [line for line in lines if line.role in SPEAKERS and line.content.strip()]


def conversation_observe(
    *,
    lines: Sequence[Line],
    view: View,
    session_id: str | None,
    subject_id: str | None,
    actor_id: str,
    now: datetime,
    embedder: Embedder | None,
) -> list[Item]:
    """Remember what user and assistant said, line by line, in one commit. Returns an item per line, in order.

    Raises Invalid for a session or subject that no line could have.
    """
    session_id, subject_id = checked_session(session_id), checked_subject(subject_id)
    drafts: list[tuple[int, Draft]] = []
    items: list[Item] = []
    for place, line in enumerate(lines):
        if line.role not in SPEAKERS or not line.content.strip():
            items.append(Item(place, Fate.SKIPPED, reason="neither said by user nor assistant, or blank"))
            continue
        try:
            one = draft(
                content=line.content,
                now=now,
                initial_confidence=OBSERVED_CONFIDENCE,
                observed_at=now + len(drafts) * APART,
                session_id=session_id,
                subject_id=subject_id,
            )
            drafts.append((place, replace(one, may_replace=line.role == "user")))
        except Invalid as error:
            items.append(Item.rejected(place, str(error)))
    return texts_remember(
        drafts, items, view=view, actor_id=actor_id, operation="observe", now=now, embedder=embedder
    )


def candidates_run(
    *,
    candidates: Sequence[Candidate],
    view: View,
    actor_id: str,
    now: datetime,
    embedder: Embedder | None,
) -> list[Item]:
    """Remember an agent's candidates, in one commit; unknown types and tiers become the usual ones."""
    drafts: list[tuple[int, Draft]] = []
    items: list[Item] = []
    for place, candidate in enumerate(candidates):
        tier = candidate.trust_tier if candidate.trust_tier in set(TrustTier) else None
        known = candidate.memory_type in set(MemoryType)
        if not candidate.content.strip():
            items.append(Item.rejected(place, "content must not be empty"))
            continue
        try:
            one = draft(
                content=candidate.content,
                now=now,
                memory_type=str(candidate.memory_type) if known else MemoryType.SEMANTIC,
                trust_tier=tier,
                default_tier=TrustTier.INFERRED,
                initial_confidence=None if tier is not None else PIPELINE_CONFIDENCE,
            )
            drafts.append((place, one))
        except Invalid as error:
            items.append(Item.rejected(place, str(error)))
    return texts_remember(
        drafts, items, view=view, actor_id=actor_id, operation="pipeline", now=now, embedder=embedder
    )


def texts_remember(
    drafts: Sequence[tuple[int, Draft]],
    items: list[Item],
    *,
    view: View,
    actor_id: str,
    operation: str,
    now: datetime,
    embedder: Embedder | None,
) -> list[Item]:
    """Remember drafts by their places, in one commit, leaving out what holds secrets. Returns all items in order."""
    kept: list[tuple[int, Clean]] = []
    for (place, _), clean in zip(drafts, drafts_clean([one for _, one in drafts]), strict=True):
        if isinstance(clean, Blocked):
            items.append(Item.rejected(place, str(clean)))
        else:
            kept.append((place, clean))
    written = clean_write(
        items=[clean for _, clean in kept],
        view=view,
        actor_id=actor_id,
        operation=operation,
        reason=operation,
        now=now,
        embedder=embedder,
    )
    items += [
        Item(place, _fate(each), each.memory, each.masked)
        for (place, _), each in zip(kept, written, strict=True)
    ]
    return sorted(items, key=lambda item: item.place)


def _fate(written: Written) -> Fate:
    return Fate.REPEATED if written.decision.action is Action.DUPLICATE else Fate.STORED
