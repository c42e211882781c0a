"""Making one user's database equal to what the old one holds; repeated, only what differs is written.

Nobody is served from the target meanwhile, so rows are put right in place, in transactions of one batch. What a
killed run has written is found equal by the next. A module for each kind of rows; here is their order.
"""

import time
from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.legacy.models import MigratedUser, Phase
from apps.legacy.services.copying.branches import branches_copy, branches_read
from apps.legacy.services.copying.history import history_write
from apps.legacy.services.copying.links import links_copy
from apps.legacy.services.copying.memories import memories_copy
from apps.legacy.services.copying.run import Copied, Run, Vectors, is_empty
from apps.legacy.services.copying.surroundings import surroundings_copy
from apps.legacy.services.copying.tidying import leftovers_drop
from apps.legacy.services.digests import target_digest
from apps.legacy.services.ledger import Lease, LeaseLost, fence_raise
from apps.legacy.source import Source
from apps.memories.models import MAIN_BRANCH, Clock
from apps.tenancy import schema
from apps.tenancy.models import State, UserDatabase
from apps.tenancy.scope import user_database
from apps.tenancy.selectors import Registration, registration_find, registration_route
from apps.tenancy.services.provision import user_provision
from apps.tenancy.user_plane import UserModel
from apps.versioning.models import Branch
from memoria.errors import Conflict

__all__ = ["Copied", "Vectors", "target_create", "user_copy"]

_WRITTEN = (
    "user {!r} was written to here after the last copy; another copy would undo that:"
    " --overwrite gives up what was written here"
)


def target_create(*, lease: Lease, user_id: str) -> tuple[MigratedUser, Registration]:
    """Make the user's empty database, out of service, unless this migration has made it. Returns both records.

    Raises Conflict where they have one that is not ours, or is in service, and LeaseLost.
    """
    if not lease.is_held():
        raise LeaseLost
    ours = MigratedUser.objects.filter(pk=user_id, migration_id=lease.migration_id).first()
    found = registration_find(user_id=user_id)
    if ours is None and found is not None:
        raise Conflict(f"user {user_id!r} has a database already ({found.db_name}); nothing was changed")
    if ours is None:
        ours = MigratedUser.objects.create(
            user_id=user_id,
            migration_id=lease.migration_id,
            phase=Phase.COPYING,
            copier=lease.fence,
            updated_at=timezone.now(),
        )
    elif ours.phase == Phase.ACTIVE:
        raise Conflict(f"user {user_id!r} is in service here already; nothing was changed")
    if found is None or found.status != State.IMPORTING:
        found = user_provision(user_id=user_id, ready=State.IMPORTING)
    if found.status != State.IMPORTING:
        raise Conflict(
            f"user {user_id!r} came into service here before they were copied; nothing was changed"
        )
    return ours, found


def user_copy(
    *,
    source: Source,
    tables: dict[str, list[str]],
    lease: Lease,
    user_id: str,
    vectors: Vectors | None,
    digest: str = "",
    overwrite: bool = False,
    tick: Callable[[int], None] = lambda rows: None,
) -> Copied:
    """Bring one user's database in line with the source. Safe to repeat.

    `digest` is that of the old rows, made before this; "" where it is not known. `overwrite`: what was written to the
    target since it was verified is given up.

    Raises Conflict where the target is in service, not ours, or, unless `overwrite`, was written to since, and
    LeaseLost where another process has taken over.
    """
    started = time.monotonic()
    result = Copied(user_id)
    known, found = target_create(lease=lease, user_id=user_id)
    if digest and known.phase in (Phase.COPIED, Phase.VERIFIED) and known.source_digest == digest:
        result.is_unchanged = True
        if known.last_error:
            _note(lease, user_id, last_error="")
        return result
    is_current = found.schema_version == schema.schema_version()
    run = Run(source, tables, lease, vectors, result, tick)
    with user_database(registration_route(found)) as alias:
        is_written = is_damaged = False
        if is_current and (known.content_digest or known.sealed):
            here = target_digest()
            is_written = bool(known.content_digest) and here.content != known.content_digest
            is_damaged = bool(known.sealed) and here.tables != known.sealed
        if is_written and not overwrite:
            raise Conflict(_WRITTEN.format(user_id))
        _note(
            lease,
            user_id,
            phase=Phase.COPYING,
            copier=lease.fence,
            attempts=F("attempts") + 1,
            source_digest="",
            target_digest="",
            last_error="",
        )
        if not is_current:
            schema.apply_migrations(alias)
            UserDatabase.objects.filter(pk=user_id).update(schema_version=schema.schema_version())
        fence_raise(lease.fence)
        before = known.seq
        if is_written or is_damaged:  # what is damaged is made anew
            run.write(_emptied)
            before = 0
        if known.content_digest or known.sealed:  # once it is empty: a run that is killed must find out again
            _note(lease, user_id, content_digest="", sealed={}, seq=before)
        try:
            seq = _copy(run, before)
        finally:
            run.scratch.close()
        sealed = target_digest().tables
    with transaction.atomic():
        _note(
            lease,
            user_id,
            phase=Phase.COPIED,
            rows=result.read,
            seq=seq,
            source_digest=digest,
            sealed=sealed,
        )
        UserDatabase.objects.filter(pk=user_id).update(
            embedding_model="", embedding_dim=vectors.dim if vectors else 0
        )
    result.seconds = time.monotonic() - started
    return result


def _note(lease: Lease, user_id: str, **values: Any) -> None:
    """Write down in the ledger how far the user is. Raises LeaseLost, and writes nothing, where that is another's."""
    own = lease.users().filter(pk=user_id, copier__lte=lease.fence)
    if not own.update(updated_at=timezone.now(), **values):
        raise LeaseLost


def _emptied() -> None:
    """Remove everything from the open database, whoever wrote it."""
    for model in (m for m in apps.get_models() if issubclass(m, UserModel) and m is not Clock):
        rows: Any = model._default_manager.all()
        (rows.exclude(pk=MAIN_BRANCH) if model is Branch else rows).delete()


def _copy(run: Run, seq_before: int) -> int:
    """Bring the open database in line. Returns the clock it ends with."""
    clock = Clock.objects.get(pk=1)
    if seq_before and clock.seq > seq_before:
        raise Conflict(_WRITTEN.format(run.user_id))
    run.is_first = is_empty()
    branches, gone = branches_read(run)
    memories_copy(run, branches)
    branches_copy(run, branches, gone)
    links_copy(run)
    surroundings_copy(run)
    run.odd.check()
    if run.unfit_vectors:
        run.result.warnings.append(
            f"{run.unfit_vectors} vectors of another width, or of no numbers, are left out and made anew in the"
            " background"
        )
    if not run.is_first:
        leftovers_drop(run)
    return history_write(run, branches)
