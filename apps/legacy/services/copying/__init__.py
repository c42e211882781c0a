"""Making one user's database equal to what the old one holds; repeated, only what differs is written.

Nobody is served from the target meanwhile, so rows are put right in place, in transactions of one batch. What a
killed run has written is found equal by the next. A module for each kind of rows; here is their order.
"""

import time
from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.db.models import F
from django.utils import timezone

from apps.legacy.models import MigratedUser, Phase
from apps.legacy.services.copying.branches import branches_copy, live_branches
from apps.legacy.services.copying.history import history_write
from apps.legacy.services.copying.links import links_copy
from apps.legacy.services.copying.memories import memories_copy
from apps.legacy.services.copying.run import Copied, Run, Vectors
from apps.legacy.services.copying.surroundings import surroundings_copy
from apps.legacy.services.copying.tidying import leftovers_drop
from apps.legacy.services.digests import target_digest
from apps.legacy.source import Source
from apps.memories.models import MAIN_BRANCH, Clock
from apps.tenancy import schema
from apps.tenancy.models import State, UserDatabase
from apps.tenancy.scope import user_atomic, user_database
from apps.tenancy.selectors import registration_find, registration_route
from apps.tenancy.services.provision import user_provision
from apps.tenancy.user_plane import UserModel
from apps.versioning.models import Branch
from memoria.errors import Conflict

__all__ = ["Copied", "Vectors", "target_create", "user_copy"]

_WRITTEN = (
    "user {!r} was written to here after the last copy; another copy would undo that:"
    " --overwrite gives up what was written here"
)


def target_create(*, migration_id: int, user_id: str) -> None:
    """Make the user's empty database, out of service. Raises Conflict where they have one that is not ours."""
    ours = MigratedUser.objects.filter(pk=user_id, migration_id=migration_id).first()
    found = registration_find(user_id=user_id)
    if ours is None and found is not None:
        raise Conflict(f"user {user_id!r} has a database already ({found.db_name}); nothing was changed")
    now = timezone.now()
    if ours is None:
        MigratedUser.objects.create(
            user_id=user_id, migration_id=migration_id, phase=Phase.COPYING, updated_at=now
        )
    elif ours.phase == Phase.ACTIVE:
        raise Conflict(f"user {user_id!r} is in service here already; nothing was changed")
    if found is None or found.status != State.IMPORTING:
        found = user_provision(user_id=user_id, ready=State.IMPORTING)
    if found.status != State.IMPORTING:
        raise Conflict(
            f"user {user_id!r} came into service here before they were copied; nothing was changed"
        )


def user_copy(
    *,
    source: Source,
    tables: dict[str, list[str]],
    migration_id: int,
    user_id: str,
    vectors: Vectors | None,
    digest: str = "",
    overwrite: bool = False,
    tick: Callable[[int], None] = lambda rows: None,
) -> Copied:
    """Bring one user's database in line with the source. Safe to repeat.

    `digest` is that of the old rows, made before this; "" where it is not known. `overwrite`: what was written to the
    target since it was verified is given up.

    Raises Conflict where the target is in service, not ours, or, unless `overwrite`, was written to since.
    """
    started = time.monotonic()
    target_create(migration_id=migration_id, user_id=user_id)
    row = MigratedUser.objects.filter(pk=user_id)
    result = Copied(user_id)
    if digest and row.filter(phase__in=(Phase.COPIED, Phase.VERIFIED), source_digest=digest).exists():
        result.is_unchanged = True
        return result
    found = registration_find(user_id=user_id)
    assert found is not None
    before, known, sealed = row.values_list("seq", "content_digest", "sealed")[0]
    with user_database(registration_route(found)) as alias:
        if (known or sealed) and found.schema_version == schema.schema_version():
            here = target_digest()
            is_written = known and here.content != known
            if is_written and not overwrite:
                raise Conflict(_WRITTEN.format(user_id))
            if is_written or (sealed and here.tables != sealed):  # what is damaged is made anew
                _emptied()
                before = 0
    row.update(
        phase=Phase.COPYING,
        attempts=F("attempts") + 1,
        seq=before,
        source_digest="",
        target_digest="",
        content_digest="",
        sealed={},
        last_error="",
        updated_at=timezone.now(),
    )
    with user_database(registration_route(found)) as alias:
        if found.schema_version != schema.schema_version():
            schema.apply_migrations(alias)
        seq = _copy(Run(source, tables, user_id, vectors, result, tick), before)
        sealed = target_digest().tables
    UserDatabase.objects.filter(pk=user_id).update(
        schema_version=schema.schema_version(),
        embedding_model="",
        embedding_dim=vectors.dim if vectors else 0,
    )
    row.update(
        phase=Phase.COPIED,
        rows=result.read,
        seq=seq,
        source_digest=digest,
        sealed=sealed,
        updated_at=timezone.now(),
    )
    result.seconds = time.monotonic() - started
    return result


def _emptied() -> None:
    """Remove everything from the open database, whoever wrote it."""
    with user_atomic():
        for model in (m for m in apps.get_models() if issubclass(m, UserModel) and m is not Clock):
            rows: Any = model._default_manager.all()
            (rows.exclude(pk=MAIN_BRANCH) if model is Branch else rows).delete()


def _copy(run: Run, seq_before: int) -> int:
    """Bring the open database in line. Returns the clock it ends with."""
    clock = Clock.objects.get(pk=1)
    if seq_before and clock.seq > seq_before:
        raise Conflict(_WRITTEN.format(run.user_id))
    branches = live_branches(run)
    memories_copy(run, branches)
    branches_copy(run, branches)
    links_copy(run)
    surroundings_copy(run)
    leftovers_drop()
    return history_write(run, branches)
