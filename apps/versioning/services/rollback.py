"""Going back: main gets the rows of an earlier moment, in one commit that can itself be undone."""

from dataclasses import dataclass
from datetime import datetime

from apps.memories.audit import Entry, audit
from apps.memories.commits import commit
from apps.memories.transfers import rewind
from apps.memories.view import MAIN
from apps.versioning.selectors import snapshot_get
from apps.versioning.services.snapshots import restore_point_create


@dataclass(frozen=True, slots=True)
class RolledBack:
    """How many memories differed, and the restore point that undoes it."""

    changed: int
    restore_point: str


def rollback(*, snapshot: str, actor_id: str, now: datetime) -> RolledBack:
    """Make main what it was at a snapshot or restore point, whatever is checked out. Branches do not notice.

    Raises NotFound. The audit trail is not rewound: it gets an entry.
    """
    with commit(view=MAIN, operation="rollback", actor_id=actor_id, now=now) as opened:
        found = snapshot_get(name=snapshot)
        point = restore_point_create(operation="rollback", now=now, behind=1)
        changed = rewind(opened, found.seq)
        audit(
            [Entry("rollback", payload={"snapshot": found.name, "changed": changed})],
            actor_id=actor_id,
            now=now,
            seq=opened.seq,
            snapshot_before=point,
        )
    return RolledBack(changed, point)
