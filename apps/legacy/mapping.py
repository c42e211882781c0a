"""What a row of the old database is here. Quirks of old versions end in this module."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from apps.legacy.source import Row
from apps.memories.models import Memory
from memoria.digest import content_hash, state_digest
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
    active = row.get("is_active")
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
        is_active=active is None or bool(int(active)),
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
