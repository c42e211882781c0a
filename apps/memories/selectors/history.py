"""How a memory came to be: every version before and after it, with who changed it, when and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

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

    Works for inactive ids. Raises NotFound. The last change of each version comes from the audit trail.
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
    log: dict[str | None, EditLog] = {}
    for entry in EditLog.objects.filter(memory_id__in=list(rows)).order_by("created_at", "seq"):
        log[entry.memory_id] = entry
    ordered = sorted(rows.values(), key=lambda row: (row.created_at, row.memory_id))
    return [_version(row, log.get(row.memory_id)) for row in ordered]


def _rows(view: View, **conditions: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for source in view.sources():
        for row in source.filter(**conditions):
            found.setdefault(row.memory_id, row)
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
