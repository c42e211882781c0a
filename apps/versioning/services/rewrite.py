"""Giving a branch rows of another view, in one commit: what a pick brings, and what a going back restores."""

from collections.abc import Iterable, Mapping

from apps.memories.commits import SHARED, Change, OpenCommit
from apps.memories.models import Memory, MemoryColumns
from apps.memories.view import View
from apps.versioning.difference import chunks

_GIVEN = tuple(name for name in SHARED if name not in ("born", "digest", "memory_id"))


def branch_rows(view: View, memory_ids: Iterable[str]) -> dict[str, MemoryColumns]:
    """The given rows of a branch by id, the ones that it has removed included."""
    found: dict[str, MemoryColumns] = {}
    for ids in chunks(memory_ids):
        for source in (view.overlay(), *view.inherited()):
            for row in source.filter(memory_id__in=ids):
                found.setdefault(row.memory_id, row)
    return found


def is_absent(row: MemoryColumns | None) -> bool:
    """Whether there is no such row, or the branch has removed it."""
    return row is None or bool(getattr(row, "absent", 0))


def branch_rewrite(opened: OpenCommit, wanted: Mapping[str, MemoryColumns | None]) -> None:
    """Make the commit's branch have these rows; none, or an absent one, takes the branch's away."""
    present = branch_rows(opened.view, wanted)
    opened.remove([row for i, row in present.items() if is_absent(wanted[i]) and not is_absent(row)])
    values = {
        memory_id: {name: getattr(row, name) for name in _GIVEN}
        for memory_id, row in wanted.items()
        if row is not None and not is_absent(row)
    }
    opened.change(Change(present[i], values[i]) for i in values if i in present)
    opened.insert([Memory(memory_id=i, **values[i]) for i in values if i not in present])
