"""A branch's difference from main as clients read it: items by bucket, and a text report."""

from dataclasses import dataclass
from typing import Any

from apps.memories.view import MAIN
from apps.versioning.difference import behind_main, difference, texts
from apps.versioning.selectors import branch_view
from memoria.errors import NotFound

PREVIEW_BYTES = 80


@dataclass(frozen=True, slots=True)
class Item:
    memory_id: str
    content: str
    memory_type: str
    author_id: str | None


@dataclass(frozen=True, slots=True)
class Updated:
    memory_id: str
    content: str
    memory_type: str
    author_id: str | None
    old_memory_id: str
    old_content: str


@dataclass(frozen=True, slots=True)
class ConflictSide:
    """One side of a conflict; None values where that side has no such row any more."""

    content: str | None
    is_active: int
    superseded_by: str | None
    superseded_by_content: str | None
    author_id: str | None


@dataclass(frozen=True, slots=True)
class ConflictItem:
    memory_id: str
    branch: ConflictSide
    main: ConflictSide


@dataclass(frozen=True, slots=True)
class DiffItems:
    """At most `limit` items of each bucket, and how many there are of all but behind_main."""

    added: list[Item]
    updated: list[Updated]
    removed: list[Item]
    conflicts: list[ConflictItem]
    behind_main: list[Item]
    total: int

    @property
    def shown(self) -> int:
        return len(self.added) + len(self.updated) + len(self.removed) + len(self.conflicts)


def branch_diff(*, name: str, limit: int) -> DiffItems:
    """Compare a branch with main, each bucket cut to `limit`. Raises NotFound, for main too."""
    branch = branch_view(name=name)
    if branch.is_main:
        raise NotFound(f"Memory not found: Branch '{name}'")
    buckets = difference(branch, MAIN)
    behind = behind_main(branch, buckets, limit)
    added, updated, removed = buckets.added[:limit], buckets.updated[:limit], buckets.removed[:limit]
    conflicts = buckets.conflicts[:limit]
    mine = texts(branch, [*added, *(u.new_id for u in updated), *_parts(conflicts, "mine")])
    theirs = texts(MAIN, [*removed, *behind, *(u.old_id for u in updated), *_parts(conflicts, "theirs")])
    return DiffItems(
        added=[_item(mine[i]) for i in added],
        updated=[_updated(mine[u.new_id], theirs.get(u.old_id), u.old_id) for u in updated],
        removed=[_item(theirs[i]) for i in removed],
        conflicts=[
            ConflictItem(u.memory_id, _side(mine, u.memory_id), _side(theirs, u.memory_id)) for u in conflicts
        ],
        behind_main=[_item(theirs[i]) for i in behind],
        total=len(buckets.added) + len(buckets.updated) + len(buckets.removed) + len(buckets.conflicts),
    )


def diff_text(name: str, diff: DiffItems) -> str:
    """The report as one text, a line per change."""
    if not diff.total:
        return f"No changes in branch '{name}' vs main."
    cut = f" (showing {diff.shown}/{diff.total})" if diff.shown < diff.total else ""
    lines = [f"Diff '{name}' vs main{cut}:"]
    lines += [f"[new] {item.memory_id[:8]}: {_preview(item.content)}" for item in diff.added]
    lines += [
        f"[modified] {item.old_memory_id[:8]} → {item.memory_id[:8]}: {_preview(item.content)}"
        for item in diff.updated
    ]
    lines += [f"[removed] {item.memory_id[:8]}: {_preview(item.content)}" for item in diff.removed]
    lines += [
        f"[CONFLICT] {item.memory_id[:8]}: branch({_sided(item.branch)}), main({_sided(item.main)})"
        for item in diff.conflicts
    ]
    lines += [f"[behind] {item.memory_id[:8]}: {_preview(item.content)}" for item in diff.behind_main]
    return "\n".join(lines)


def _parts(units: Any, side: str) -> list[str]:
    return [memory_id for unit in units for memory_id in (unit.memory_id, *getattr(unit, side))]


def _item(row: Any) -> Item:
    return Item(row.memory_id, row.content, row.memory_type, row.author_id)


def _updated(new: Any, old: Any, old_id: str) -> Updated:
    before = old.content if old is not None else ""
    return Updated(new.memory_id, new.content, new.memory_type, new.author_id, old_id, before)


def _side(rows: dict[str, Any], memory_id: str) -> ConflictSide:
    row = rows.get(memory_id)
    if row is None:
        return ConflictSide(None, 0, None, None, None)
    successor = rows.get(row.superseded_by) if row.superseded_by else None
    after = successor.content if successor is not None else None
    return ConflictSide(row.content, int(row.is_active), row.superseded_by, after, row.author_id)


def _sided(side: ConflictSide) -> str:
    after = f" →new: {_preview(side.superseded_by_content)}" if side.superseded_by_content else ""
    return f"{_preview(side.content or '')}{after}"


def _preview(text: str) -> str:
    """At most PREVIEW_BYTES bytes, cut between characters."""
    data = text.encode()
    return text if len(data) <= PREVIEW_BYTES else data[:PREVIEW_BYTES].decode(errors="ignore") + "..."
