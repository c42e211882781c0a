"""What a row of the old database is here. Quirks of old versions end in this module."""

import json
import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
import numpy as np
from django.db.models import CharField, IntegerField, Model

from apps.accounts.models import ApiKey, ToolUsage
from apps.feedback.models import Feedback, RetrievalParams
from apps.governance.models import Cooldown
from apps.legacy.source import Row, as_shown
from apps.memories.models import EditLog, Memory, MemoryStats
from apps.versioning.models import Branch, Kind, Snapshot, Status, UserState
from memoria.digest import content_hash, state_digest
from memoria.entities import Found
from memoria.errors import Invalid
from memoria.types import MemoryType, TrustTier

KINDS, TIERS = frozenset(MemoryType), frozenset(TrustTier)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
CONFIDENCE = 0.95
KIND_LENGTH = 20


YES, NO = frozenset("true t yes y on".split()), frozenset("false f no n off".split())
# Numbers that are times, in seconds, milliseconds and microseconds: from 1973 to 2099, so that none is two of them.
SCALES = ((1, 10**8, 41 * 10**8), (10**3, 10**11, 41 * 10**11), (10**6, 10**14, 41 * 10**14))
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


# Columns whose values are not repeated: they open doors, or are what others are told by.
SECRET = frozenset(("key_hash", "key_prefix"))


class Odd(Invalid):
    """A value of the old database that cannot be carried over."""

    def __init__(self, column: str, value: Any, why: str) -> None:
        shown = "what is there" if column in SECRET else as_shown(value)[:60]
        super().__init__(f"column {column}: {shown} {why}")


def not_text(row: Row, error: UnicodeDecodeError) -> Odd:
    """Which column of a row holds what could not be decoded."""
    column = next(name for name, value in row.items() if value == error.object)
    return Odd(column, error.object, "is no UTF-8 text")


def moment(value: Any) -> datetime | None:
    """A time of either engine; those without a zone are UTC. Blank and the zero date are None.

    Raises ValueError and OverflowError.
    """
    if value is None:
        return None
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        value = value.strip()
        if not value or value.startswith("0000-00-00"):
            return None
        if len(value) != len("20240131") and _NUMBER.fullmatch(value):
            value = Decimal(value)
        else:
            value = datetime.fromisoformat(value)
    if isinstance(value, int | float | Decimal):
        value = _since_1970(Decimal(str(value)))
    elif not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)


def _since_1970(number: Decimal) -> datetime:
    for scale, least, most in SCALES:
        if least <= number < most:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(number * 10**6 / scale))
    raise ValueError(number)


def at(row: Row, column: str) -> datetime | None:
    """A column's time. Raises Odd."""
    try:
        return moment(row.get(column))
    except (ValueError, OverflowError):
        raise Odd(column, row[column], "is no time") from None


def made_at(row: Row) -> datetime:
    """When a row was made; those that do not say were made before all others."""
    return at(row, "created_at") or EPOCH


def text(value: Any) -> str | None:
    """Text, or None for NULL and for the empty text that old versions wrote instead. Raises UnicodeDecodeError."""
    if value is None:
        return None
    return (value.decode() if isinstance(value, bytes) else str(value)) or None


def required(row: Row, column: str) -> str:
    """Text. Raises Odd where there is none."""
    if (found := text(row[column])) is None:
        raise Odd(column, row[column], "is lacking")
    return found


def number(row: Row, column: str, default: float) -> float:
    """A finite number; the default where there is none. Raises Odd."""
    value = row.get(column)
    if value in (None, "", b""):
        return default
    try:
        found = float(value)
    except (ValueError, TypeError):
        raise Odd(column, value, "is no number") from None
    if not math.isfinite(found):
        raise Odd(column, value, "is no finite number")
    return found


def count(row: Row, column: str) -> int:
    found = number(row, column, 0)
    if found != int(found):
        raise Odd(column, row[column], "is no whole number")
    return int(found)


def decoded(value: Any) -> Any:
    """JSON, as text or as the engine gave it. What is none is kept under `legacy_text`, and so is what not every
    reader of JSON takes: NaN, and halves of characters.
    """
    if value is None or isinstance(value, dict | list):
        return value
    raw = value.decode() if isinstance(value, bytes) else str(value)
    if not raw.strip():
        return None
    try:
        found = json.loads(raw)
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return {"legacy_text": raw}
    return found


def vector(value: Any) -> "np.ndarray[Any, Any] | None":
    """A unit vector from text, or from float32 bytes; None for NULL, empty, zero and unreadable ones."""
    if value in (None, "", b""):
        return None
    try:
        found = np.array(msgspec.json.decode(value, type=list[float]), dtype=np.float32)
    except (ValueError, TypeError, msgspec.MsgspecError):  # bytes may begin like a text
        if not isinstance(value, bytes) or len(value) % 4:
            return None
        found = np.frombuffer(value, dtype="<f4")
    with np.errstate(over="ignore"):  # bytes that are no vector may be numbers of any size
        norm = float(np.linalg.norm(found)) if found.ndim == 1 else 0.0
    return found / norm if norm and np.isfinite(norm) else None


def memory(row: Row) -> Memory:
    """A memory without its place in history, its vector and its search text."""
    content = text(row["content"]) or ""
    created = made_at(row)
    metadata = decoded(row.get("extra_metadata"))
    if metadata is not None and not isinstance(metadata, dict):
        metadata = {"legacy_text": metadata}
    apart: dict[str, Any] = {}
    """What is kept in the metadata because its own column cannot take it."""
    events = decoded(row.get("source_event_ids"))
    if events and not isinstance(events, list):
        apart["source_event_ids"], events = events, []
    try:
        confidence = number(row, "initial_confidence", CONFIDENCE)
    except Odd:
        apart["initial_confidence"], confidence = text(row["initial_confidence"]), CONFIDENCE
    kind = text(row["memory_type"]) or MemoryType.SEMANTIC
    if kind not in KINDS:
        apart["memory_type"], kind = kind, MemoryType.SEMANTIC
    tier = text(row.get("trust_tier")) or TrustTier.VERIFIED
    if tier not in TIERS:
        apart["trust_tier"], tier = tier, TrustTier.INFERRED
    if apart:
        metadata = {**(metadata or {}), **{f"legacy_{name}": value for name, value in apart.items()}}
    made = Memory(
        memory_id=required(row, "memory_id"),
        user_id=required(row, "user_id"),
        author_id=text(row.get("author_id")),
        subject_id=text(row.get("subject_id")),
        session_id=text(row.get("session_id")),
        memory_type=kind,
        content=content,
        trust_tier=tier,
        initial_confidence=confidence,
        is_active=is_active(row),
        superseded_by=text(row.get("superseded_by")),
        source_event_ids=events or [],
        extra_metadata=metadata or None,
        observed_at=at(row, "observed_at") or created,
        created_at=created,
        updated_at=at(row, "updated_at"),
        content_hash=content_hash(content),
    )
    made.digest = state_digest(made)
    return made


def branch(row: Row, number: int, *, fork_seq: int | None) -> Branch:
    """A branch that forked from main at a commit, or, without one, a branch that is gone."""
    name, owner = text(row["name"]) or "", required(row, "user_id")
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
        name=text(row["name"]) or "",
        snapshot_name=text(row["snapshot_name"]) or "",
        seq=0,
        kind=Kind.NAMED,
        extra=decoded(row.get("extra")) or {},
        status=Status.DELETED,
        created_at=made_at(row),
    )


def edit(row: Row, user_id: str) -> EditLog:
    return EditLog(
        edit_id=required(row, "edit_id"),
        user_id=user_id,
        memory_id=text(row.get("memory_id")),
        operation=required(row, "operation"),
        payload=decoded(row.get("payload")),
        reason=text(row.get("reason")) or "",
        snapshot_before=text(row.get("snapshot_before")),
        created_at=made_at(row),
        created_by=text(row.get("created_by")) or user_id,
    )


def feedback(row: Row) -> Feedback:
    return Feedback(
        feedback_id=required(row, "id"),
        memory_id=required(row, "memory_id"),
        signal=text(row["signal"]) or "",
        context=text(row.get("context")),
        created_at=made_at(row),
    )


def params(row: Row) -> RetrievalParams:
    return RetrievalParams(
        id=1,
        feedback_weight=number(row, "feedback_weight", 0.1),
        temporal_decay_hours=number(row, "temporal_decay_hours", 168.0),
        confidence_weight=number(row, "confidence_weight", 0.1),
    )


def state(row: Row) -> UserState:
    moved = at(row, "updated_at") or EPOCH
    return UserState(
        user_id=required(row, "user_id"),
        active_branch=text(row["active_branch"]) or "main",
        updated_at=moved,
    )


def stats(row: Row) -> MemoryStats:
    counts = ("access_count", "feedback_useful", "feedback_irrelevant", "feedback_outdated", "feedback_wrong")
    return MemoryStats(
        memory_id=required(row, "memory_id"),
        last_accessed_at=at(row, "last_accessed_at"),
        last_feedback_at=at(row, "last_feedback_at"),
        **{name: count(row, name) for name in counts},
    )


def entity(name: str, shown: str | None, kind: str | None) -> Found:
    """What somebody linked a memory to."""
    return Found(name.lower(), shown or name, (kind or "concept")[:KIND_LENGTH])


def is_active(row: Row) -> bool:
    """Nothing and every number but zero mean yes. Raises Odd."""
    value = row.get("is_active")
    if value in (None, "", b""):
        return True
    word = str(value[0]) if value in (b"\0", b"\1") else (text(value) or "").strip().lower()
    if word in YES or word in NO:
        return word in YES
    try:
        return number({"is_active": word}, "is_active", 1) != 0
    except Odd:
        raise Odd("is_active", value, "says neither yes nor no") from None


def key(row: Row) -> ApiKey:
    return ApiKey(
        key_id=required(row, "key_id"),
        user_id=required(row, "user_id"),
        name=text(row["name"]) or "",
        key_hash=required(row, "key_hash"),
        key_prefix=text(row["key_prefix"]) or "",
        is_active=is_active(row),
        created_at=made_at(row),
        expires_at=at(row, "expires_at"),
        last_used_at=at(row, "last_used_at"),
    )


def tool(row: Row) -> ToolUsage:
    used = at(row, "last_used_at") or EPOCH
    return ToolUsage(
        user_id=required(row, "user_id"), tool_name=required(row, "tool_name"), last_used_at=used
    )


def cooldown(row: Row) -> Cooldown:
    ran = at(row, "last_run_at") or EPOCH
    return Cooldown(user_id=required(row, "user_id"), operation=required(row, "operation"), last_run_at=ran)


def fits(row: Model) -> None:
    """Raises Odd where a column here does not take what was made for it; SQLite would, and MySQL not say which."""
    for name, is_optional, longest, largest in _limits(type(row)):
        value = getattr(row, name)
        if value is None:
            if not is_optional:
                raise Odd(name, value, "is lacking")
        elif longest is not None and len(value) > longest:
            raise Odd(name, value, f"is longer than {longest} characters")
        elif largest is not None and not -largest <= value <= largest:
            raise Odd(name, value, "is too large")


@cache
def _limits(model: type[Model]) -> list[tuple[str, bool, int | None, int | None]]:
    """Name, whether it may be NULL, longest text and largest number, of each column that an old row fills."""
    later = {"id", "search_text", "born", "digest"}
    fields = [field for field in model._meta.concrete_fields if field.attname not in later]
    return [
        (
            field.attname,
            field.null,
            field.max_length if isinstance(field, CharField) else None,
            2**31 - 1 if type(field) is IntegerField else None,
        )
        for field in fields
    ]
