"""Fingerprints: of a text, to recognise it, and of a memory's state, to compare two lines of history."""

import hashlib
from typing import Any

import msgspec


def content_hash(content: str) -> str:
    """128 bits of BLAKE2b over the text without outer blanks, as 32 hex digits."""
    return hashlib.blake2b(content.strip().encode(), digest_size=16).hexdigest()


def state_digest(row: Any) -> int:
    """63 bits of BLAKE2b over the state of a memory, which `row` has as attributes.

    Times are left out, so that restoring or re-saving a row is no difference; so is what derives from the
    content.
    """
    state = (
        row.user_id,
        row.author_id,
        row.subject_id,
        row.session_id,
        row.memory_type,
        row.content,
        row.trust_tier,
        float(row.initial_confidence),
        bool(row.is_active),
        row.superseded_by,
        row.source_event_ids,
        row.extra_metadata or None,  # {} means the same as no metadata
    )
    encoded = msgspec.json.encode(state, order="deterministic")
    return int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest(), "big") >> 1
