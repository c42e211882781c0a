"""What a row of the old database is here. Quirks of old versions end in this module."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from apps.accounts.models import ApiKey, ToolUsage
from apps.feedback.models import Feedback, RetrievalParams
from apps.governance.models import Cooldown
from apps.legacy.source import Row
from apps.memories.models import EditLog, Memory, MemoryStats
from apps.versioning.models import Branch, Kind, Snapshot, Status, UserState
from memoria.digest import content_hash, state_digest
from memoria.entities import Found
from memoria.types import MemoryType, TrustTier

KINDS, TIERS = frozenset(MemoryType), frozenset(TrustTier)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def moment(value: Any) -> datetime | None:
    """A time of either engine; those without a zone are UTC. Blank is None."""
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        if not value.strip():
            return None
        value = datetime.fromisoformat(value.strip())
    if value is None:
        return None
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)


def made_at(row: Row) -> datetime:
    """When a row was made; those that do not say were made before all others."""
    return moment(row.get("created_at")) or EPOCH


def text(value: Any) -> str | None:
    """Text, or None for NULL and for the empty text that old versions wrote instead."""
    return (value.decode() if isinstance(value, bytes) else value) or None


def decoded(value: Any) -> Any:
    """JSON, as text or as the engine gave it; what is none is kept under `legacy_text`."""
    if value is None or isinstance(value, dict | list):
        return value
    raw = value.decode() if isinstance(value, bytes) else str(value)
    if not raw.strip():
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return {"legacy_text": raw}


def vector(value: Any) -> "np.ndarray[Any, Any] | None":
    """A unit vector from text, or from float32 bytes; None for NULL, empty, zero and unreadable ones."""
    if value in (None, "", b""):
        return None
    if isinstance(value, bytes) and value[:1] != b"[":
        if len(value) % 4:
            return None
        found = np.frombuffer(value, dtype="<f4")
    else:
        try:
            found = np.array(msgspec.json.decode(value, type=list[float]), dtype=np.float32)
        except (ValueError, TypeError, msgspec.MsgspecError):
            return None
    norm = float(np.linalg.norm(found)) if found.ndim == 1 else 0.0
    return found / norm if norm and np.isfinite(norm) else None


def memory(row: Row) -> Memory:
    """A memory without its place in history, its vector and its search text."""
    content = text(row["content"]) or ""
    created = moment(row["created_at"]) or EPOCH
    metadata = decoded(row.get("extra_metadata"))
    if metadata is not None and not isinstance(metadata, dict):
        metadata = {"legacy_text": metadata}
    events = decoded(row.get("source_event_ids"))
    confidence = row.get("initial_confidence")
    kind = text(row["memory_type"]) or MemoryType.SEMANTIC
    if kind not in KINDS:
        metadata, kind = {**(metadata or {}), "legacy_memory_type": kind}, MemoryType.SEMANTIC
    tier = text(row.get("trust_tier")) or TrustTier.VERIFIED
    if tier not in TIERS:
        metadata, tier = {**(metadata or {}), "legacy_trust_tier": tier}, TrustTier.INFERRED
    made = Memory(
        memory_id=text(row["memory_id"]) or "",
        user_id=text(row["user_id"]) or "",
        author_id=text(row.get("author_id")),
        subject_id=text(row.get("subject_id")),
        session_id=text(row.get("session_id")),
        memory_type=kind,
        content=content,
        trust_tier=tier,
        initial_confidence=0.95 if confidence is None else float(confidence),
        is_active=is_active(row),
        superseded_by=text(row.get("superseded_by")),
        source_event_ids=events if isinstance(events, list) else [],
        extra_metadata=metadata or None,
        observed_at=moment(row.get("observed_at")) or created,
        created_at=created,
        updated_at=moment(row.get("updated_at")),
        content_hash=content_hash(content),
    )
    made.digest = state_digest(made)
    return made


def branch(row: Row, number: int, *, fork_seq: int | None) -> Branch:
    """A branch that forked from main at a commit, or, without one, a branch that is gone."""
    name, owner = text(row["name"]) or "", row["user_id"]
    is_live = fork_seq is not None
    return Branch(
        id=number,
        user_id=owner,
        name=name,
        live_name=name if is_live else None,
        fork_seq=fork_seq or 0,
        status=Status.ACTIVE if is_live else Status.DELETED,
        created_by=owner,
        created_at=made_at(row),
    )


def snapshot(row: Row, user_id: str) -> Snapshot:
    """The name of a snapshot that cannot be gone back to."""
    return Snapshot(
        user_id=user_id,
        name=row["name"],
        snapshot_name=row["snapshot_name"],
        seq=0,
        kind=Kind.NAMED,
        extra=decoded(row.get("extra")) or {},
        status=Status.DELETED,
        created_at=made_at(row),
    )


def edit(row: Row, user_id: str) -> EditLog:
    return EditLog(
        edit_id=text(row["edit_id"]) or "",
        user_id=user_id,
        memory_id=text(row.get("memory_id")),
        operation=row["operation"],
        payload=decoded(row.get("payload")),
        reason=row.get("reason") or "",
        snapshot_before=text(row.get("snapshot_before")),
        created_at=made_at(row),
        created_by=text(row.get("created_by")) or user_id,
    )


def feedback(row: Row) -> Feedback:
    return Feedback(
        feedback_id=row["id"],
        memory_id=row["memory_id"],
        signal=row["signal"],
        context=row.get("context"),
        created_at=made_at(row),
    )


def params(row: Row) -> RetrievalParams:
    return RetrievalParams(
        id=1,
        feedback_weight=row["feedback_weight"],
        temporal_decay_hours=row["temporal_decay_hours"],
        confidence_weight=row["confidence_weight"],
    )


def state(row: Row) -> UserState:
    at = moment(row.get("updated_at")) or EPOCH
    return UserState(user_id=row["user_id"], active_branch=row["active_branch"] or "main", updated_at=at)


def stats(row: Row) -> MemoryStats:
    counts = ("access_count", "feedback_useful", "feedback_irrelevant", "feedback_outdated", "feedback_wrong")
    return MemoryStats(
        memory_id=row["memory_id"],
        last_accessed_at=moment(row.get("last_accessed_at")),
        last_feedback_at=moment(row.get("last_feedback_at")),
        **{name: int(row.get(name) or 0) for name in counts},
    )


def entity(name: str, shown: Any, kind: Any) -> Found:
    """What somebody linked a memory to."""
    return Found(name.lower(), text(shown) or name, (kind or "concept")[:20])


def is_active(row: Row) -> bool:
    active = row.get("is_active")
    return active is None or bool(int(active))


def key(row: Row) -> ApiKey:
    return ApiKey(
        key_id=row["key_id"],
        user_id=row["user_id"],
        name=row["name"],
        key_hash=row["key_hash"],
        key_prefix=row["key_prefix"],
        is_active=is_active(row),
        created_at=made_at(row),
        expires_at=moment(row.get("expires_at")),
        last_used_at=moment(row.get("last_used_at")),
    )


def tool(row: Row) -> ToolUsage:
    at = moment(row["last_used_at"]) or EPOCH
    return ToolUsage(user_id=row["user_id"], tool_name=row["tool_name"], last_used_at=at)


def cooldown(row: Row) -> Cooldown:
    at = moment(row["last_run_at"]) or EPOCH
    return Cooldown(user_id=row["user_id"], operation=row["operation"], last_run_at=at)
