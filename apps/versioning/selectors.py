"""Names to moments: which view a caller means, and lists of branches and snapshots."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.memories.models import MAIN_BRANCH, Clock, Commit
from apps.memories.view import MAIN, View
from apps.tenancy import sql
from apps.versioning.models import Branch, Kind, Snapshot, Status, UserState
from memoria.errors import Invalid, NotFound
from memoria.times import from_rfc3339


@dataclass(frozen=True, slots=True)
class BranchRecord:
    name: str
    is_checked_out: bool
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class SnapshotRecord:
    name: str
    snapshot_name: str
    seq: int
    is_named: bool
    memory_count: int
    created_at: datetime


def view_resolve(*, actor_id: str, branch: str | None = None, at: str | None = None) -> View:
    """The view a request means: an explicit branch, else the one the actor has checked out, now or at a moment.

    `at` is a snapshot's name or an RFC 3339 time. Raises NotFound for unknown names, Invalid for a moment that is no
    longer kept.
    """
    name = (branch or "").strip()
    view = branch_view(name=name) if name else checked_out_view(actor_id=actor_id)
    if not (at or "").strip():
        return view
    return view_at(view, moment(at or ""))


def branch_view(*, name: str) -> View:
    """Raises NotFound for a name that no active branch has."""
    if name == MAIN.name:
        return MAIN
    found = Branch.objects.filter(live_name=name).values_list("id", "fork_seq").first()
    if found is None:
        raise NotFound(f"Memory not found: Branch '{name}'")
    return View(branch_id=found[0], fork_seq=found[1], name=name)


def view_at(view: View, seq: int) -> View:
    """A branch as it was at a commit. Before a refresh its name meant another line."""
    branch_id, fork_seq = view.branch_id, view.fork_seq
    while seq < fork_seq:
        previous = Branch.objects.filter(pk=branch_id).values_list("previous_id", flat=True).first()
        line = Branch.objects.filter(pk=previous).values_list("id", "fork_seq").first()
        if line is None:
            break
        branch_id, fork_seq = line
    return View(branch_id, fork_seq, seq, view.name)


def checked_out_view(*, actor_id: str) -> View:
    """The actor's branch; main where they have none or theirs is gone."""
    found = sql.select(UserState, ("active_branch",), "user_id = %s", [actor_id])
    if not found or found[0][0] == MAIN.name:
        return MAIN
    try:
        return branch_view(name=found[0][0])
    except NotFound:
        return MAIN


def moment(at: str) -> int:
    """The commit that a snapshot's name or a time stands for."""
    snapshot = snapshot_find(name=at)
    if snapshot is not None:
        return snapshot.seq
    try:
        when = from_rfc3339(at, "at")
    except Invalid:
        raise NotFound(f"Memory not found: Snapshot '{at}'") from None
    return commit_at(when)


def commit_at(when: datetime) -> int:
    """The last commit at or before a time, 0 before the first. Raises Invalid where history has been collected."""
    seq = (
        Commit.objects.filter(created_at__lte=when)
        .order_by("-created_at", "-seq")
        .values_list("seq", flat=True)
        .first()
    )
    horizon = Clock.objects.values_list("horizon", flat=True).get(pk=1)
    if (seq or 0) < horizon:
        oldest = Commit.objects.order_by("seq").values_list("created_at", flat=True).first()
        since = f"; the oldest moment is {oldest.isoformat()}" if oldest is not None else ""
        raise Invalid(f"Validation error: history that old is kept only in snapshots{since}")
    return seq or 0


def branch_list(*, actor_id: str) -> list[BranchRecord]:
    """Main first, then by age and name; exactly one is checked out."""
    active = checked_out_view(actor_id=actor_id)
    rows = Branch.objects.filter(status=Status.ACTIVE).exclude(pk=MAIN_BRANCH).order_by("created_at", "name")
    main = BranchRecord(MAIN.name, active.is_main, None)
    return [main, *(BranchRecord(row.name, row.id == active.branch_id, row.created_at) for row in rows)]


def snapshot_find(*, name: str) -> SnapshotRecord | None:
    """By display or internal name, `auto:…` and the internal names of restore points included."""
    names = [name, f"mem_milestone_{name.removeprefix('auto:')}"] if name.startswith("auto:") else [name]
    rows = Snapshot.objects.filter(status=Status.ACTIVE)
    row = rows.filter(live_name__in=names).first() or rows.filter(snapshot_name__in=names).first()
    return _snapshot(row) if row is not None else None


def snapshot_get(*, name: str) -> SnapshotRecord:
    if (found := snapshot_find(name=name)) is None:
        raise NotFound(f"Memory not found: Snapshot '{name}'")
    return found


def snapshot_list(*, include_automatic: bool) -> list[SnapshotRecord]:
    """Newest first. Restore points only on request: one comes with every purge and merge."""
    rows = Snapshot.objects.filter(status=Status.ACTIVE)
    if not include_automatic:
        rows = rows.exclude(kind=Kind.AUTOMATIC)
    return [_snapshot(row) for row in rows.order_by("-created_at", "-id")]


def _snapshot(row: Any) -> SnapshotRecord:
    return SnapshotRecord(
        name=row.name,
        snapshot_name=row.snapshot_name,
        seq=row.seq,
        is_named=row.kind == Kind.NAMED,
        memory_count=row.extra.get("memory_count", 0),
        created_at=row.created_at,
    )
