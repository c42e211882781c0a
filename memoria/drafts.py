"""What a caller wants remembered, checked and completed. Every way of storing goes through here."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from memoria.errors import Invalid
from memoria.naming import is_encodable
from memoria.redaction import Policy, clean, clean_json, refuse_secrets
from memoria.types import (
    CONTENT_BYTES,
    INITIAL_CONFIDENCE,
    SESSION_LENGTH,
    SUBJECT_BYTES,
    MemoryType,
    TrustTier,
)

# MariaDB's JSON goes 32 levels deep.
METADATA_DEPTH = 30
# Clocks of callers may run ahead of ours by this much; later times are taken as now.
CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Draft:
    """A memory that may be stored. `extra_metadata`: None says nothing about it, {} clears it on a repeat."""

    content: str
    memory_type: MemoryType
    trust_tier: TrustTier
    initial_confidence: float
    observed_at: datetime
    session_id: str | None = None
    subject_id: str | None = None
    author_id: str | None = None
    extra_metadata: dict[str, Any] | None = None
    source_event_ids: list[str] = field(default_factory=list)
    may_replace: bool = True
    """Whether it may end what is known: what somebody else than the user said may not."""


def draft(
    *,
    content: str,
    now: datetime,
    memory_type: str = MemoryType.SEMANTIC,
    trust_tier: str | None = None,
    default_tier: TrustTier = TrustTier.VERIFIED,
    initial_confidence: float | None = None,
    observed_at: datetime | None = None,
    session_id: str | None = None,
    subject_id: str | None = None,
    author_id: str | None = None,
    extra_metadata: dict[str, Any] | None = None,
    source_event_ids: list[str] | None = None,
) -> Draft:
    """Check and complete what was given. Raises Invalid.

    Confidences are clamped to 0…1 and times to the present: neither may lift a memory above all others for
    ever.
    """
    tier = checked_tier(trust_tier) if trust_tier is not None else default_tier
    confidence = (
        INITIAL_CONFIDENCE[tier] if initial_confidence is None else min(max(initial_confidence, 0.0), 1.0)
    )
    if observed_at is None or observed_at > now + CLOCK_SKEW:
        observed_at = now
    return Draft(
        content=checked_content(content),
        memory_type=checked_type(memory_type),
        trust_tier=tier,
        initial_confidence=confidence,
        observed_at=observed_at,
        session_id=checked_session(session_id),
        subject_id=checked_subject(subject_id),
        author_id=author_id,
        extra_metadata=checked_metadata(extra_metadata),
        source_event_ids=source_event_ids or [],
    )


def cleaned(draft: Draft, policy: Policy | None = None) -> tuple[Draft, tuple[str, ...], tuple[str, ...]]:
    """The draft as the policy on secrets and personal data lets it be kept, the kinds of what was masked, and what
    the masks of its content stand for. Raises Blocked.

    Session and subject are names: a secret in one is refused, personal data stays, or two subjects would become one.
    """
    for name in (draft.session_id, draft.subject_id):
        if name is not None:
            refuse_secrets(name, policy)
    text = clean(draft.content, policy)
    metadata, masked = clean_json(draft.extra_metadata, policy)
    labels = tuple(dict.fromkeys((*text.masked, *masked)))
    kept = replace(draft, content=text.text, extra_metadata=metadata) if labels else draft
    return kept, labels, text.hidden


def checked_content(content: str) -> str:
    if not is_encodable(content):
        raise Invalid("content must be valid text")
    if len(content.encode()) > CONTENT_BYTES:
        raise Invalid("content exceeds 32 KiB limit")
    return content


def checked_type(text: str) -> MemoryType:
    try:
        return MemoryType(text)
    except ValueError:
        raise Invalid(f"Invalid memory type: {text}") from None


def checked_tier(text: str) -> TrustTier:
    try:
        return TrustTier(text)
    except ValueError:
        raise Invalid(f"Invalid trust tier: {text}") from None


def checked_subject(text: str | None) -> str | None:
    """Blanks around a subject do not count; a blank subject is none."""
    subject = (text or "").strip()
    if len(subject.encode(errors="replace")) > SUBJECT_BYTES:
        raise Invalid(f"Validation error: subject_id exceeds maximum length of {SUBJECT_BYTES} characters")
    return checked_text(subject, "subject_id") or None


def checked_session(text: str | None) -> str | None:
    """A session id is taken as it is; an empty one is none."""
    session = text or ""
    if len(session) > SESSION_LENGTH:
        raise Invalid(f"Validation error: session_id exceeds maximum length of {SESSION_LENGTH} characters")
    return checked_text(session, "session_id") or None


def checked_metadata(metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    """Metadata is kept as it is, within what every engine's JSON can hold."""
    level: list[Any] = [metadata]
    for _ in range(METADATA_DEPTH):
        for value in level:
            if isinstance(value, int) and not -(2**63) <= value < 2**64:
                raise Invalid("extra_metadata holds an integer of more than 64 bits")
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return metadata
    raise Invalid(f"extra_metadata is nested more than {METADATA_DEPTH} levels deep")


def checked_text(text: str, what: str) -> str:
    if not is_encodable(text) or "\0" in text:
        raise Invalid(f"Validation error: {what} must be valid text without NUL characters")
    return text
