"""How a memory came to be: every version before and after it, with who changed it, when and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from apps.memories.models import EditLog
from apps.memories.view import View
from memoria.errors import NotFound


@dataclass(frozen=True, slots=True)
class Version:
    memory_id: str
    content: str
    is_active: bool
    superseded_by: str | None
    observed_at: datetime
    created_at: datetime
    memory_type: str
    changed_at: datetime | None
    changed_by: str | None
    operation: str | None
    reason: str


def memory_history(*, view: View, memory_id: str) -> list[Version]:
    """All versions connected with this one by corrections, oldest first; several may have led to one.

    Works for inactive ids. Raises NotFound. Each comes with the change that made it what it is in this view: after a
    merge or a rollback that is the merge or the rollback.
    """
    rows: dict[str, Any] = {}
    wanted = {memory_id}
    while wanted:
        found = _rows(view, memory_id__in=wanted) | _rows(view, superseded_by__in=wanted)
        fresh = {i: row for i, row in found.items() if i not in rows}
        rows |= fresh
        wanted = {row.superseded_by for row in fresh.values() if row.superseded_by} - rows.keys()
        wanted |= fresh.keys()
    if memory_id not in rows:
        raise NotFound("Memory not found")
    log = _log({row.memory_id: row.born for row in rows.values()})
    ordered = sorted(rows.values(), key=lambda row: (row.created_at, row.memory_id))
    return [_version(row, log.get((row.memory_id, row.born)) or log.get((None, row.born))) for row in ordered]


def _rows(view: View, **conditions: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for source in view.sources():
        for row in source.filter(**conditions):
            found.setdefault(row.memory_id, row)
    return found


def _log(born: dict[str, int]) -> dict[tuple[str | None, int | None], EditLog]:
    """What the audit trail says about the commits of these rows: about the row, or about the commit as a whole."""
    entries = EditLog.objects.filter(Q(memory_id__in=born.keys()) | Q(memory_id=None), seq__in=born.values())
    found: dict[tuple[str | None, int | None], EditLog] = {}
    for entry in entries.order_by("created_at"):
        found[entry.memory_id, entry.seq] = entry
    return found


def _version(row: Any, entry: EditLog | None) -> Version:
    return Version(
        memory_id=row.memory_id,
        content=row.content,
        is_active=row.is_active,
        superseded_by=row.superseded_by,
        observed_at=row.observed_at,
        created_at=row.created_at,
        memory_type=row.memory_type,
        changed_at=entry.created_at if entry else None,
        changed_by=entry.created_by if entry else None,
        operation=entry.operation if entry else None,
        reason=entry.reason if entry else "",
    )
