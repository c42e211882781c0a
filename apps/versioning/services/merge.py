"""Bringing a branch's changes to main: whole (merge) or chosen (apply). Both judge by memoria.verdicts."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

from apps.memories.audit import Entry, audit
from apps.memories.commits import Change, OpenCommit, commit
from apps.memories.models import OPEN, Memory, Revision
from apps.memories.services.entities import link_by_rules
from apps.memories.similarity import nearest_in_main
from apps.memories.transfers import adopt, settle
from apps.memories.view import MAIN, View
from apps.versioning.difference import difference, touched_against_main
from apps.versioning.selectors import branch_view
from apps.versioning.services.snapshots import restore_point_create
from memoria.errors import Conflict, Invalid, Malformed, NotFound
from memoria.verdicts import Buckets, Side, Touched, Unit, Update, chain

MERGE_LIMIT = 5_000
# Of two unit vectors at L2 distance 0.4472.
NEAR = 0.9
STRATEGIES = {"append": "append", "replace": "replace", "accept": "replace"}


@dataclass(frozen=True, slots=True)
class Merged:
    new: int
    replaced: int
    skipped: int
    restore_point: str | None


def branch_merge(*, name: str, strategy: str, actor_id: str, now: datetime) -> Merged:
    """Apply everything that only the branch changed. Conflicts stay main's (append) or become the branch's (replace).

    With replace, a new row that says nearly what an active main memory of its type says takes that memory's place,
    under main's id. Repeating a merge finds nothing. Raises NotFound, Invalid for an unknown strategy, and Conflict
    with the text clients know when the branch is too different.
    """
    if strategy not in STRATEGIES:
        raise Invalid(
            f"Validation error: Unsupported merge strategy '{strategy}'. Use append, replace, or accept."
        )
    with commit(view=MAIN, operation="merge", actor_id=actor_id, now=now) as opened:
        branch = _branch(name)
        rows = touched_against_main(branch.branch_id)
        buckets = difference(branch, MAIN, rows)
        by_id = {row.memory_id: row for row in rows}
        unknown = sum(by_id[memory_id].is_new for memory_id in buckets.ahead)
        if unknown > MERGE_LIMIT:
            raise Conflict(f"Too many changes ({unknown}). Max {MERGE_LIMIT}. Reduce branch scope.")
        wanted = set(buckets.ahead)
        dropped: set[str] = set()
        near: dict[str, str] = {}
        if STRATEGIES[strategy] == "replace":
            for unit in buckets.conflicts:
                _take(unit, by_id, wanted, dropped)
            near = _near(branch, wanted, by_id)
        kept = len(buckets.conflicts) if STRATEGIES[strategy] == "append" else 0
        if not wanted and not dropped:
            opened.abandon()
            return Merged(0, 0, kept, None)
        point = restore_point_create(operation="merge", now=now, behind=1)
        adopt(
            opened,
            source=branch,
            branch_id=branch.branch_id,
            memory_ids=wanted - near.keys(),
            dropped_ids=dropped - wanted,
        )
        _overwrite(opened, branch, near)
        new = sum(by_id[memory_id].is_new for memory_id in wanted - near.keys())
        merged = Merged(new, len(wanted) - new, kept, point)
        payload = {"source_branch": name, "strategy": STRATEGIES[strategy], "new": merged.new}
        payload |= {"replaced": merged.replaced, "skipped": merged.skipped}
        payload |= {"changed": len(wanted | dropped)}
        audit(
            [Entry("branch_merge", payload=payload)],
            actor_id=actor_id,
            now=now,
            seq=opened.seq,
            snapshot_before=point,
        )
    return merged


def _branch(name: str) -> View:
    view = branch_view(name=name)
    if view.is_main:
        raise NotFound(f"Memory not found: Branch '{name}'")
    return view


def _take(unit: Unit, rows: dict[str, Touched], wanted: set[str], dropped: set[str]) -> None:
    """Take the branch's side of a conflict: its row and successors come, main's successors go."""
    wanted.update(memory_id for memory_id in (unit.memory_id, *unit.mine) if memory_id in rows)
    dropped.update(unit.theirs)


def _near(branch: View, wanted: set[str], rows: dict[str, Touched]) -> dict[str, str]:
    """New active rows and the main memory each shall overwrite: the nearest wins, then the smaller branch id."""
    new = [memory_id for memory_id in wanted if rows[memory_id].is_new and _is_active(rows[memory_id])]
    candidates = list(_overlay(branch, new))
    found = nearest_in_main(candidates, minimum=NEAR)
    untouched = {
        memory_id: hit
        for memory_id, hit in found.items()
        if hit[1] not in wanted and not _is_touched(rows, hit[1])
    }
    chosen: dict[str, str] = {}
    for memory_id, (_, target) in sorted(untouched.items(), key=lambda item: (-item[1][0], item[0])):
        if target not in chosen.values():
            chosen[memory_id] = target
    return chosen


def _is_active(row: Touched) -> bool:
    return row.mine is not None and row.mine.is_active


def _is_touched(rows: dict[str, Touched], memory_id: str) -> bool:
    """A memory that the branch edited has its own row to bring; it is not overwritten by another."""
    return memory_id in rows


def _overlay(branch: View, memory_ids: Iterable[str]) -> Iterable[Revision]:
    return Revision.objects.filter(branch_id=branch.branch_id, died=OPEN, memory_id__in=list(memory_ids))


# What a branch row brings when it takes a main memory's place; the id and the time it was made stay main's.
_BROUGHT = (
    "content",
    "content_hash",
    "search_text",
    "embedding_id",
    "author_id",
    "subject_id",
    "session_id",
    "extra_metadata",
    "trust_tier",
    "initial_confidence",
    "source_event_ids",
    "observed_at",
)


def _overwrite(opened: OpenCommit, branch: View, near: dict[str, str]) -> None:
    if not near:
        return
    brought = {row.memory_id: row for row in _overlay(branch, near)}
    mains = {row.memory_id: row for row in Memory.objects.filter(memory_id__in=list(near.values()))}
    opened.change(
        Change(
            mains[target],
            {name: getattr(brought[memory_id], name) for name in _BROUGHT} | {"updated_at": opened.now},
        )
        for memory_id, target in near.items()
    )
    settle(opened, branch_id=branch.branch_id, memory_ids=brought)
    link_by_rules({target: brought[memory_id].content for memory_id, target in near.items()}, now=opened.now)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which items of a diff to apply."""

    adds: Sequence[str] = ()
    removes: Sequence[str] = ()
    updates: Sequence[Update] = ()
    conflicts: Sequence[str] = ()


@dataclass(slots=True)
class Applied:
    """What was applied and what was refused, in the order given; updates as `old→new`."""

    applied_adds: list[str] = field(default_factory=list)
    skipped_adds: list[str] = field(default_factory=list)
    applied_updates: list[str] = field(default_factory=list)
    skipped_updates: list[str] = field(default_factory=list)
    applied_removes: list[str] = field(default_factory=list)
    skipped_removes: list[str] = field(default_factory=list)
    applied_conflicts: list[str] = field(default_factory=list)
    skipped_conflicts: list[str] = field(default_factory=list)
    restore_point: str | None = None
    """Rolling back to this undoes it; None where nothing was applied."""


def branch_apply(*, name: str, selection: Selection, actor_id: str, now: datetime) -> Applied:
    """Bring chosen items to main in one commit. Each is judged again now; what no longer fits is reported as skipped.

    Raises NotFound, and Malformed for main itself.
    """
    if name == MAIN.name:
        raise Malformed("Cannot apply from main")
    with commit(view=MAIN, operation="apply", actor_id=actor_id, now=now) as opened:
        try:
            branch = branch_view(name=name)
        except NotFound:
            raise NotFound(f"Branch not found: {name}") from None
        rows = {row.memory_id: row for row in touched_against_main(branch.branch_id)}
        buckets = difference(branch, MAIN, list(rows.values()))
        wanted: set[str] = set()
        dropped: set[str] = set()
        applied = _select(selection, rows, buckets, wanted, dropped)
        if not wanted and not dropped:
            opened.abandon()
            return applied
        point = restore_point_create(operation="apply", now=now, behind=1)
        adopt(
            opened,
            source=branch,
            branch_id=branch.branch_id,
            memory_ids=wanted,
            dropped_ids=dropped - wanted,
        )
        lists = {name: items for name, items in asdict(applied).items() if name != "restore_point"}
        payload = {"source_branch": branch.name, "actor_user_id": actor_id, "changed": len(wanted | dropped)}
        audit(
            [Entry("branch_apply", payload=payload | lists)],
            actor_id=actor_id,
            now=now,
            seq=opened.seq,
            snapshot_before=point,
        )
        applied.restore_point = point
    return applied


def _select(
    selection: Selection, rows: dict[str, Touched], buckets: Buckets, wanted: set[str], dropped: set[str]
) -> Applied:
    applied = Applied()
    units = {unit.memory_id: unit for unit in buckets.conflicts}

    def sort(item: str, fits: bool, ids: Iterable[str], yes: list[str], no: list[str]) -> None:
        (yes if fits else no).append(item)
        if fits:
            wanted.update(ids)

    for memory_id in selection.adds:
        row = rows.get(memory_id)
        fits = (
            row is not None and _is_active(row) and not _active(row.theirs) and memory_id not in buckets.aside
        )
        sort(memory_id, fits, [memory_id], applied.applied_adds, applied.skipped_adds)
    for update in selection.updates:
        fits = update in buckets.updated
        ids = chain(update, rows, buckets.ahead)
        sort(f"{update.old_id}→{update.new_id}", fits, ids, applied.applied_updates, applied.skipped_updates)
    for memory_id in selection.removes:
        row = rows.get(memory_id)
        fits = row is not None and not _active(row.mine) and _active(row.theirs)
        fits = fits and memory_id not in buckets.aside
        sort(memory_id, fits, [memory_id], applied.applied_removes, applied.skipped_removes)
    for memory_id in selection.conflicts:
        unit = units.get(memory_id)
        sort(memory_id, unit is not None, [], applied.applied_conflicts, applied.skipped_conflicts)
        if unit is not None:
            _take(unit, rows, wanted, dropped)
    return applied


def _active(side: Side | None) -> bool:
    return side is not None and side.is_active
