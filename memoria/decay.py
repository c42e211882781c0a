"""How trust and freshness fade. One decay function: a half-life, so that a value halves in that time."""

import numpy as np
from numpy.typing import NDArray

from memoria.types import HALF_LIFE_DAYS, MemoryType, TrustTier

DAY = 86_400.0

# Freshness by type, in days: what somebody prefers or how something is done does not grow stale by itself.
FRESH_HALF_LIFE_DAYS: dict[MemoryType, float | None] = {
    MemoryType.SEMANTIC: 180.0,
    MemoryType.WORKING: 3.0,
    MemoryType.EPISODIC: 60.0,
    MemoryType.PROFILE: None,
    MemoryType.TOOL_RESULT: 2.0,
    MemoryType.PROCEDURAL: None,
}

_TRUST = np.array([HALF_LIFE_DAYS[tier] for tier in TrustTier], dtype=np.float64)
_FRESH = np.array([FRESH_HALF_LIFE_DAYS[t] or np.inf for t in MemoryType], dtype=np.float64)

Floats64 = NDArray[np.float64]


def halved(age_days: Floats64 | float, half_life_days: Floats64 | float) -> Floats64:
    """2^(-age/half-life); ages below 0 count as 0, so that a date in the future lifts nothing."""
    return np.exp2(-np.maximum(age_days, 0.0) / half_life_days)


def effective_confidence(
    confidences: NDArray[np.float32], tiers: NDArray[np.int8], age_days: Floats64
) -> Floats64:
    """Initial confidence, faded with its tier's half-life."""
    return np.clip(confidences, 0.0, 1.0) * halved(age_days, _TRUST[tiers])


def freshness(types: NDArray[np.int8], age_days: Floats64) -> Floats64:
    return halved(age_days, _FRESH[types])
