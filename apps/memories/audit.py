"""The audit trail: one row per change of a memory, in the transaction of the change."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.memories.models import EditLog
from apps.tenancy import sql
from apps.tenancy.scope import current_route


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened to a memory, or to all of them (`memory_id` None)."""

    operation: str
    memory_id: str | None = None
    payload: dict[str, Any] | None = None
    reason: str = ""


def audit(
    entries: Iterable[Entry],
    *,
    actor_id: str,
    now: datetime,
    seq: int | None,
    snapshot_before: str | None = None,
) -> None:
    """Write entries inside the transaction of what they describe. `seq` is the commit, if there is one."""
    user_id = current_route().user_id
    rows = [
        EditLog(
            edit_id=uuid.uuid4().hex,
            user_id=user_id,
            memory_id=entry.memory_id,
            operation=entry.operation,
            payload=entry.payload,
            reason=entry.reason,
            snapshot_before=snapshot_before,
            seq=seq,
            created_at=now,
            created_by=actor_id,
        )
        for entry in entries
    ]
    sql.insert(rows)
