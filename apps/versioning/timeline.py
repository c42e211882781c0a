"""The history of one user as a graph: commits on their branches, forks, merges, snapshots, rollbacks."""

from dataclasses import dataclass
from datetime import datetime

from apps.memories.models import MAIN_BRANCH, Commit, EditLog
from apps.versioning.models import Branch, Snapshot, Status


@dataclass(frozen=True, slots=True)
class Mark:
    """A name at a commit: a snapshot or restore point, or where a branch forked off."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Step:
    """One commit. `changes` counts the memories it changed: a correction changes the old one and the new one.
    `source` is the branch whose rows it brought, for merges, applies and picks; `snapshot` is where a rollback went.
    """

    seq: int
    branch: str
    operation: str
    actor_id: str
    created_at: datetime
    changes: int
    source: str | None
    snapshot: str | None
    marks: tuple[Mark, ...]


def timeline(*, limit: int, before: int | None = None) -> list[Step]:
    """The newest commits, newest first; `before` continues a page. Marks at moments without a commit are left out."""
    commits = Commit.objects.order_by("-seq")
    if before is not None:
        commits = commits.filter(seq__lt=before)
    rows = list(commits[:limit])
    if not rows:
        return []
    names = dict(Branch.objects.values_list("id", "name")) | {MAIN_BRANCH: "main"}
    low, high = rows[-1].seq, rows[0].seq
    marks: dict[int, list[Mark]] = {}
    for seq, kind, name in Snapshot.objects.filter(
        status=Status.ACTIVE, seq__gte=low, seq__lte=high
    ).values_list("seq", "kind", "name"):
        marks.setdefault(seq, []).append(Mark("snapshot" if kind == "named" else "restore point", name))
    forks = Branch.objects.exclude(pk=MAIN_BRANCH).filter(fork_seq__gte=low, fork_seq__lte=high)
    for seq, name, status in forks.values_list("fork_seq", "name", "status"):
        marks.setdefault(seq, []).append(Mark("deleted fork" if status == Status.DELETED else "fork", name))
    changes: dict[int, int] = {}
    sources: dict[int, str] = {}
    snapshots: dict[int, str] = {}
    for seq, payload, memory_id in EditLog.objects.filter(seq__gte=low, seq__lte=high).values_list(
        "seq", "payload", "memory_id"
    ):
        if memory_id is not None:
            changes[seq] = changes.get(seq, 0) + 1
        elif payload:
            changes[seq] = changes.get(seq, 0) + payload.get("changed", 0)
            if source := payload.get("source_branch") or payload.get("source"):
                sources[seq] = source
            if snapshot := payload.get("snapshot"):
                snapshots[seq] = snapshot
    return [
        Step(
            seq=row.seq,
            branch=names.get(row.branch_id, f"#{row.branch_id}"),
            operation=row.operation,
            actor_id=row.actor_id,
            created_at=row.created_at,
            changes=changes.get(row.seq, 0),
            source=sources.get(row.seq),
            snapshot=snapshots.get(row.seq),
            marks=tuple(marks.get(row.seq, ())),
        )
        for row in rows
    ]
