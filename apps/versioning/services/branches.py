"""Branches: a name for a number on the clock; what a branch changes lies over main's rows of that moment."""

from datetime import datetime, timedelta

from django.conf import settings

from apps.memories.audit import Entry, audit
from apps.memories.commits import clock_locked, commit
from apps.memories.models import MAIN_BRANCH
from apps.memories.selectors import memory_count
from apps.memories.transfers import copy_overlay
from apps.memories.view import MAIN
from apps.tenancy import sql
from apps.tenancy.scope import current_route, user_atomic
from apps.versioning.difference import difference
from apps.versioning.models import Branch, Status, UserState
from apps.versioning.selectors import branch_view, commit_at, snapshot_get
from memoria import snapshots as rules
from memoria.errors import Conflict, Invalid
from memoria.redaction import refuse_secrets

# How far back a time may lie from which a branch is made; snapshots reach further.
FROM_TIME = timedelta(minutes=30)


def branch_create(
    *,
    name: str,
    actor_id: str,
    now: datetime,
    from_snapshot: str | None = None,
    from_time: datetime | None = None,
) -> None:
    """Fork main: as it is, as of a snapshot, or as of a time. Never checks the branch out.

    Raises Conflict with the text clients know when full or taken, Invalid and NotFound for what cannot be forked.
    """
    if from_snapshot is not None and from_time is not None:
        raise Conflict("Specify from_snapshot or from_timestamp, not both.")
    if from_time is not None and from_time > now:
        raise Conflict("from_timestamp cannot be in the future")
    if from_time is not None and from_time < now - FROM_TIME:
        raise Conflict("from_timestamp must be within the last 30 minutes")
    refuse_secrets(rules.checked_branch_name(name), settings.MEMORIA_REDACTION)
    with user_atomic():
        fork_seq, _ = clock_locked()  # one creator at a time, or the limit would leak
        taken = _live_names()
        if len(taken) >= rules.BRANCH_LIMIT:
            raise Conflict(f"Branch limit reached ({rules.BRANCH_LIMIT}). Delete old branches first.")
        if name in taken:
            raise Conflict(f"Branch '{name}' already exists.")
        if from_snapshot is not None:
            fork_seq = snapshot_get(name=from_snapshot).seq
        elif from_time is not None:
            fork_seq = commit_at(from_time)
        row = Branch(
            user_id=current_route().user_id,
            name=name,
            live_name=name,
            fork_seq=fork_seq,
            created_by=actor_id,
            created_at=now,
        )
        sql.insert([row])


def _live_names() -> set[str]:
    live = "SELECT live_name FROM mem_branches WHERE live_name IS NOT NULL AND id <> %s"
    return {name for (name,) in sql.query(live, [MAIN_BRANCH])}


def branch_checkout(*, name: str, actor_id: str, now: datetime) -> int | None:
    """Let the actor's requests without a branch go to this one. Returns its memory count, None for main.

    Raises NotFound.
    """
    view = branch_view(name=name)
    with user_atomic():
        UserState.objects.update_or_create(pk=actor_id, defaults={"active_branch": name, "updated_at": now})
    return None if view == MAIN else memory_count(view=view)


def branch_delete(*, name: str, now: datetime) -> bool:
    """Forget a branch; whoever has it checked out is back on main. False where there is no such branch.

    Raises Invalid for main. Its rows go with the next collection.
    """
    if name == MAIN.name:
        raise Invalid("Cannot delete main")
    with user_atomic():
        UserState.objects.filter(active_branch=name).update(active_branch=MAIN.name, updated_at=now)
        line = Branch.objects.filter(live_name=name).values_list("id", "previous_id").first()
        gone = line is not None
        while line is not None:
            Branch.objects.filter(pk=line[0]).update(status=Status.DELETED, live_name=None)
            line = Branch.objects.filter(pk=line[1]).values_list("id", "previous_id").first()
    return gone


def branch_refresh(*, name: str, actor_id: str, now: datetime) -> int:
    """Give a branch main's present state with the branch's own changes on top. Returns how many changes it keeps.

    A new line takes the name, forked at the head, with copies of the rows that are still the branch's own; the old
    line stays what the branch was at earlier moments. Makes reads of a stale branch fast again. Raises NotFound, and
    Conflict while anything conflicts: merge or apply those first.
    """
    if name == MAIN.name:
        raise Invalid("Validation error: main needs no refresh")
    with commit(view=MAIN, operation="refresh", actor_id=actor_id, now=now) as opened:
        old = branch_view(name=name)
        buckets = difference(old, MAIN)
        if buckets.conflicts:
            raise Conflict(
                f"Branch '{name}' has {len(buckets.conflicts)} conflict(s) with main; merge or apply them first."
            )
        row = Branch.objects.get(live_name=name)
        Branch.objects.filter(pk=row.pk).update(status=Status.REPLACED, live_name=None)
        fresh = Branch.objects.create(
            user_id=row.user_id,
            name=name,
            live_name=name,
            fork_seq=opened.seq,
            previous_id=row.pk,
            created_by=row.created_by,
            created_at=row.created_at,
        )
        copy_overlay(source=old, target_branch=fresh.pk, memory_ids=buckets.ahead)
        audit([Entry("branch_refresh", payload={"branch": name})], actor_id=actor_id, now=now, seq=opened.seq)
    return len(buckets.ahead)
