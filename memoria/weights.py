"""What each stage of the ranking counts. docs/decisions/0009 has the measurements behind every number."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Weights:
    """What each stage counts; 0 switches it off. bench/ablation.py shows what each is good for."""

    dense: float = 1.0
    lexical: float = 0.7
    entity: float = 0.25
    # Share of the mean over a memory's passages in its closeness; the rest is the best passage.
    whole: float = 0.5
    # A linked fact gets this share, per hop, of what it is linked to.
    link: float = 0.7
    # And this share of its own evidence on top: many facts owe the same to one key.
    linked_own: float = 0.2
    # Tone: own statements before advice; a few standing instructions and preferences.
    voice: float = 0.05
    instruction: float = 0.20
    preference: float = 0.10
    tone_places: int = 3
    # Multipliers: how much of the score they can take away.
    trust: float = 0.1
    fresh: float = 0.05
    # How slowly memories grow stale; 1 is the usual pace.
    pace: float = 1.0
    session: float = 0.1
    time: float = 0.3
    # Asked for the present or the past: what the last, or first, of the good ones gets more than the other end.
    order: float = 0.15
    # Of two facts that say nearly the same the older loses this, if the newer is trusted as much.
    outdated: float = 0.05
    outdated_alike: float = 0.6
    # An answer has so much more evidence than the closeness of the nearest of so many unrelated memories would be by
    # chance; never less than `nothing`, and `enough` always does, as does so much of the query's words. Nobody
    # answers below `floor`.
    beyond: float = 0.1
    nothing: float = 0.22
    enough: float = 0.4
    worded: float = 0.6
    floor: float = 0.08
    # Below this share of the best a memory is no answer: messages, facts, facts without the query's names, linked.
    gap: float = 0.30
    gap_fact: float = 0.45
    gap_unnamed: float = 0.65
    gap_linked: float = 0.20
    # From this cosine on two results say the same.
    alike: float = 0.97
    # How much a closer look at the best facts may take away or add.
    reading: float = 1.0


DEFAULT = Weights()
