"""Going back: main gets the rows of an earlier moment, in one commit that can itself be undone."""

from dataclasses import dataclass
from datetime import datetime

from apps.memories.audit import Entry, audit
from apps.memories.commits import OpenCommit, commit
from apps.memories.models import MemoryColumns, Revision
from apps.memories.transfers import rewind
from apps.memories.view import MAIN
from apps.versioning.selectors import SnapshotRecord, branch_view, snapshot_get, view_at
from apps.versioning.services.rewrite import branch_rewrite, branch_rows, is_absent
from apps.versioning.services.snapshots import restore_point_create
from memoria.errors import Conflict


@dataclass(frozen=True, slots=True)
class RolledBack:
    """How many memories differed, and the restore point that undoes it."""

    changed: int
    restore_point: str


def rollback(*, snapshot: str, actor_id: str, now: datetime, branch: str = MAIN.name) -> RolledBack:
    """Make a line what it was at a snapshot or restore point: main, unless a branch is named. No other line notices.

    Raises NotFound, and Conflict for a branch that began, or was refreshed, after the snapshot. The audit trail is
    not rewound: it gets an entry.
    """
    view = branch_view(name=branch)
    with commit(view=view, operation="rollback", actor_id=actor_id, now=now) as opened:
        found = snapshot_get(name=snapshot)
        point = restore_point_create(operation="rollback", now=now, behind=1)
        changed = rewind(opened, found.seq) if view.is_main else _rewind_branch(opened, found)
        audit(
            [Entry("rollback", payload={"snapshot": found.name, "changed": changed})],
            actor_id=actor_id,
            now=now,
            seq=opened.seq,
            snapshot_before=point,
        )
    return RolledBack(changed, point)


def _rewind_branch(opened: OpenCommit, snapshot: SnapshotRecord) -> int:
    """Give the commit's branch the rows it had; what it and main have agreed on since stays so."""
    view = opened.view
    if snapshot.seq < view.fork_seq:
        raise Conflict(f"Branch '{view.name}' began or was refreshed after snapshot '{snapshot.name}'")
    since = Revision.objects.filter(branch_id=view.branch_id, born__gt=snapshot.seq)
    ids = set(since.values_list("memory_id", flat=True))
    then, now = branch_rows(view_at(view, snapshot.seq), ids), branch_rows(view, ids)
    wanted = {i: then.get(i) for i in ids if _state(then.get(i)) != _state(now.get(i))}
    branch_rewrite(opened, wanted)
    return len(wanted)


def _state(row: MemoryColumns | None) -> int | None:
    return None if row is None or is_absent(row) else row.digest
