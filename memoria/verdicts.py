"""Three-way comparison of a memory on a branch and on main. Diff, merge, apply, pick and preview all ask here."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """What a branch's row means for its target."""

    SAME = "same"
    BEHIND = "behind"  # only the target changed it
    AHEAD = "ahead"  # only the branch changed it: new, edited or removed
    CONFLICT = "conflict"


def verdict(mine: int | None, base: int | None, theirs: int | None) -> Verdict:
    """Compare digests of a row on the branch, when the branch first touched it, and in the target.

    None stands for "no such row" and equals itself. The first test that holds decides, so two sides that made
    the same change agree whatever the base was.
    """
    if mine == theirs:
        return Verdict.SAME
    if mine == base:
        return Verdict.BEHIND
    if theirs == base:
        return Verdict.AHEAD
    return Verdict.CONFLICT


@dataclass(frozen=True, slots=True)
class Side:
    """A row as one side has it."""

    digest: int
    is_active: bool
    superseded_by: str | None


@dataclass(frozen=True, slots=True)
class Touched:
    """A row the branch has touched. `mine` None: the branch removed it; `theirs` None: the target has no such row."""

    memory_id: str
    mine: Side | None
    base: int | None
    theirs: Side | None

    @property
    def verdict(self) -> Verdict:
        return verdict(
            self.mine.digest if self.mine else None, self.base, self.theirs.digest if self.theirs else None
        )

    @property
    def is_new(self) -> bool:
        """Unknown to the target now."""
        return self.theirs is None


@dataclass(frozen=True, slots=True)
class Unit:
    """A conflict with the successors of both sides: it is taken or left as a whole, or two corrections of one memory
    would both stay active."""

    memory_id: str
    mine: tuple[str, ...]
    theirs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Update:
    """A memory and what the branch made of it; equal ids where the row was changed in place."""

    old_id: str
    new_id: str


@dataclass(slots=True)
class Buckets:
    """A branch's difference from its target, every list in id order."""

    added: list[str] = field(default_factory=list)
    updated: list[Update] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    conflicts: list[Unit] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)
    ahead: set[str] = field(default_factory=set)
    """Every row that only the branch changed, the ones no list shows included."""
    aside: set[str] = field(default_factory=set)
    """Every row that belongs to a conflict."""


def successors(memory_id: str, sides: Mapping[str, Side | None]) -> tuple[str, ...]:
    """Follow `superseded_by` as far as the given rows go; loops end."""
    chain: list[str] = []
    seen = {memory_id}
    side = sides.get(memory_id)
    while side is not None and side.superseded_by is not None and side.superseded_by not in seen:
        seen.add(side.superseded_by)
        chain.append(side.superseded_by)
        side = sides.get(side.superseded_by)
    return tuple(chain)


def chain(update: Update, rows: Mapping[str, Touched], ahead: Set[str]) -> list[str]:
    """The rows from the old memory to the new one that only the branch changed: corrections of corrections come
    along, but nothing that the target changed itself.
    """
    sides: dict[str, Side | None] = {memory_id: row.mine for memory_id, row in rows.items()}
    later = successors(update.old_id, sides)
    until = later.index(update.new_id) + 1 if update.new_id in later else 0
    return [memory_id for memory_id in (update.old_id, *later[:until]) if memory_id in ahead]


def sort_out(touched: Iterable[Touched], target_changes: Mapping[str, Side]) -> Buckets:
    """Put touched rows into buckets. `target_changes` are the target's rows that the conflicts' successors may be."""
    rows = {row.memory_id: row for row in sorted(touched, key=lambda row: row.memory_id)}
    mine: dict[str, Side | None] = {memory_id: row.mine for memory_id, row in rows.items()}
    theirs: dict[str, Side | None] = {
        **target_changes,
        **{i: row.theirs for i, row in rows.items() if row.theirs},
    }
    buckets = Buckets()
    for memory_id, row in rows.items():
        if row.verdict is Verdict.CONFLICT:
            unit = Unit(memory_id, successors(memory_id, mine), successors(memory_id, theirs))
            buckets.conflicts.append(unit)
            buckets.aside.update((memory_id, *unit.mine, *unit.theirs))
    paired: set[str] = set()
    for memory_id, row in rows.items():
        if memory_id in buckets.aside:
            continue
        if row.verdict is Verdict.BEHIND:
            buckets.behind.append(memory_id)
        elif row.verdict is Verdict.AHEAD:
            buckets.ahead.add(memory_id)
            if row.mine is None or row.mine.is_active or row.is_new:
                continue
            for final in successors(memory_id, mine)[-1:]:
                after = mine.get(final)
                if after is not None and after.is_active and final not in buckets.aside:
                    buckets.updated.append(Update(memory_id, final))
                    paired.add(final)
    for memory_id in sorted(buckets.ahead - paired - {update.old_id for update in buckets.updated}):
        row = rows[memory_id]
        if row.mine is not None and row.mine.is_active:
            if row.is_new:
                buckets.added.append(memory_id)
            else:
                buckets.updated.append(Update(memory_id, memory_id))
        elif row.theirs is not None and row.theirs.is_active:
            buckets.removed.append(memory_id)
    buckets.updated.sort(key=lambda update: update.old_id)
    return buckets
