"""Enumerations, limits and defaults that clients of the earlier server rely on."""

from enum import StrEnum

CONTENT_BYTES = 32_768
BATCH_ITEMS = 100
SUBJECT_BYTES = 128
SESSION_LENGTH = 64


class MemoryType(StrEnum):
    SEMANTIC = "semantic"
    WORKING = "working"
    EPISODIC = "episodic"
    PROFILE = "profile"
    TOOL_RESULT = "tool_result"
    PROCEDURAL = "procedural"


class TrustTier(StrEnum):
    """How far a memory can be trusted, by its origin."""

    VERIFIED = "T1"
    CURATED = "T2"
    INFERRED = "T3"
    UNVERIFIED = "T4"


INITIAL_CONFIDENCE = {
    TrustTier.VERIFIED: 0.95,
    TrustTier.CURATED: 0.85,
    TrustTier.INFERRED: 0.65,
    TrustTier.UNVERIFIED: 0.40,
}
HALF_LIFE_DAYS = {
    TrustTier.VERIFIED: 365,
    TrustTier.CURATED: 180,
    TrustTier.INFERRED: 60,
    TrustTier.UNVERIFIED: 30,
}
