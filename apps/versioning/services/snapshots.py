"""Snapshots: a name for a number on the clock, so that making one costs one row whatever the memories weigh."""

import os
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError

from apps.memories.commits import clock_locked
from apps.tenancy import sql
from apps.tenancy.scope import current_route, user_atomic
from apps.versioning.models import Kind, Snapshot, Status
from apps.versioning.selectors import SnapshotRecord
from memoria import snapshots as rules
from memoria.errors import Conflict, Invalid
from memoria.redaction import refuse_secrets


def snapshot_create(*, name: str, now: datetime) -> SnapshotRecord:
    """Name the present state of all branches. Raises Blocked, and Conflict with the text clients know."""
    refuse_secrets(name, settings.MEMORIA_REDACTION)
    display = rules.display_name(name)
    if len(display) > rules.NAME_LENGTH:
        raise Invalid(f"Validation error: snapshot name exceeds {rules.NAME_LENGTH} characters")
    route = current_route()
    internal = rules.internal_name(route.alias, display)
    try:
        with user_atomic():
            seq, memory_count = clock_locked()  # one creator at a time, or the limit would leak
            if _named_count() >= rules.NAMED_LIMIT:
                raise Conflict(
                    f"Snapshot limit reached ({rules.NAMED_LIMIT}) for user {route.user_id}."
                    " Delete old snapshots first."
                )
            _insert(seq, memory_count, display, internal, Kind.NAMED, now)
    except IntegrityError:
        raise Conflict(f"Snapshot '{display}' already exists.") from None
    return SnapshotRecord(display, internal, seq, True, memory_count, now)


def restore_point_create(*, operation: str, now: datetime, behind: int = 0) -> str:
    """Keep the state before a destructive operation. Call it inside the operation's transaction.

    `behind` is how many ticks of the clock the operation has made already. Returns the internal name, which rollback
    accepts. Beyond the number kept the oldest restore points go.
    """
    seq, memory_count = clock_locked()
    display, internal = rules.automatic_names(current_route().alias, operation, os.urandom(4).hex())
    _insert(seq - behind, memory_count, display, internal, Kind.AUTOMATIC, now)
    kept = Snapshot.objects.filter(status=Status.ACTIVE, kind=Kind.AUTOMATIC)
    if kept.count() > rules.AUTOMATIC_KEPT:
        oldest = kept.order_by("created_at", "id").values_list("id", flat=True)[: rules.AUTOMATIC_DROPPED]
        _delete(list(oldest))
    return internal


def snapshots_delete(
    *, names: list[str] | None = None, prefix: str | None = None, older_than: datetime | None = None
) -> list[str]:
    """Delete by the first selector given: names (either form), prefix of the display name, or age. Age is for named
    ones only: how long restore points are kept is a rule of its own.

    Unknown names are passed over. Returns the display names of what went.
    """
    live = Snapshot.objects.filter(status=Status.ACTIVE).order_by("created_at", "id")
    rows = list(live.values_list("id", "name", "snapshot_name", "created_at", "kind"))
    if names is not None:
        rows = [row for row in rows if row[1] in names or row[2] in names]
    elif prefix is not None:
        rows = [row for row in rows if row[1].startswith(prefix)]
    elif older_than is not None:
        rows = [row for row in rows if row[3] < older_than and row[4] == Kind.NAMED]
    else:
        rows = []
    _delete([row[0] for row in rows])
    return [row[1] for row in rows]


def _named_count() -> int:
    live = "SELECT COUNT(*) FROM mem_snapshots WHERE status = %s AND kind = %s"
    return int(sql.query(live, [Status.ACTIVE.value, Kind.NAMED.value])[0][0])


def _insert(seq: int, memory_count: int, display: str, internal: str, kind: Kind, now: datetime) -> None:
    row = Snapshot(
        user_id=current_route().user_id,
        name=display,
        live_name=display,
        snapshot_name=internal,
        seq=seq,
        kind=kind,
        extra={"memory_count": memory_count},
        created_at=now,
    )
    sql.insert([row])


def _delete(ids: list[int]) -> None:
    Snapshot.objects.filter(pk__in=ids).update(status=Status.DELETED, live_name=None)
