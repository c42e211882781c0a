"""How feedback moves retrieval: signals, their fading, the multiplier, and tuning its weight. Pure functions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from memoria.errors import Invalid


class Signal(StrEnum):
    USEFUL = "useful"
    IRRELEVANT = "irrelevant"
    OUTDATED = "outdated"
    WRONG = "wrong"


# A signal counts half after so long: what was useless for last year's questions may serve this year's.
HALF_LIFE_DAYS = 90.0
# However many signals there are, they change a score by no more than this: what fits better comes first in any case.
LEAST, MOST = 0.7, 1.3
TUNING_SIGNALS = 10
# What was said of a memory counts so much for the one that took its place.
INHERITED = 0.5
_KEPT = frozenset((Signal.USEFUL, Signal.IRRELEVANT))


@dataclass(frozen=True, slots=True)
class Params:
    """The weights a user may set, within their bounds."""

    feedback_weight: float = 0.1
    temporal_decay_hours: float = 168.0
    confidence_weight: float = 0.1

    def changed(
        self,
        *,
        feedback_weight: float | None = None,
        temporal_decay_hours: float | None = None,
        confidence_weight: float | None = None,
    ) -> "Params":
        """With the given values, clamped; None keeps what is there."""
        return Params(
            _clamped(feedback_weight, self.feedback_weight, 0.01, 0.5),
            _clamped(temporal_decay_hours, self.temporal_decay_hours, 1.0, 720.0),
            _clamped(confidence_weight, self.confidence_weight, 0.0, 0.5),
        )


DEFAULT_PARAMS = Params()


def _clamped(value: float | None, present: float, low: float, high: float) -> float:
    return present if value is None else min(max(value, low), high)


def checked_signal(text: str) -> Signal:
    try:
        return Signal(text)
    except ValueError:
        known = ", ".join(Signal)
        raise Invalid(f"Validation error: Invalid signal '{text}'. Must be one of: {known}") from None


def factor(
    own: Iterable[tuple[str, float]], weight: float, inherited: Iterable[tuple[str, float]] = ()
) -> float:
    """A memory's multiplier from its (signal, age in days): 1 + weight · (useful - ½ others), bounded. `inherited`:
    the same of those whose place it took; what was wrong with them is mended.
    """
    kept = ((signal, age) for signal, age in inherited if signal in _KEPT)
    total = _counted(own) + INHERITED * _counted(kept)
    return min(max(1 + weight * total, LEAST), MOST)


def _counted(signals: Iterable[tuple[str, float]]) -> float:
    return sum(
        (1.0 if signal == Signal.USEFUL else -0.5) * 0.5 ** (max(age, 0.0) / HALF_LIFE_DAYS)
        for signal, age in signals
    )


def tuned(params: Params, counts: Mapping[str, int]) -> Params | None:
    """Another feedback weight for what the new signals say; None where there are too few of them."""
    total = sum(counts.values())
    if total < TUNING_SIGNALS:
        return None
    weight = params.feedback_weight
    if counts.get(Signal.USEFUL, 0) / total > 0.7:
        weight = min(weight * 1.1, 0.2)
    elif (counts.get(Signal.IRRELEVANT, 0) + counts.get(Signal.WRONG, 0)) / total > 0.5:
        weight = max(weight * 0.9, 0.05)
    return replace(params, feedback_weight=round(weight, 3))
