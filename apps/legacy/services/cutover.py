"""Putting migrated users into service, and out of it again. One small transaction; servers notice at once."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.legacy.models import MigratedUser, Migration, Phase
from apps.legacy.services.ledger import LeaseLost
from apps.legacy.source import parts
from apps.tenancy.models import State, UserDatabase


def activate(*, migration: Migration, user_ids: Iterable[str]) -> int:
    """Put verified users into service, all or none. Returns how many."""
    return _move(
        migration, user_ids, (Phase.VERIFIED, Phase.ACTIVE), (State.IMPORTING, State.ACTIVE), done=True
    )


def deactivate(*, migration: Migration, user_ids: Iterable[str]) -> int:
    """Take users out of service again; their data here is kept. Returns how many."""
    return _move(
        migration, user_ids, (Phase.ACTIVE, Phase.COPIED), (State.ACTIVE, State.IMPORTING), done=False
    )


def _move(
    migration: Migration,
    user_ids: Iterable[str],
    phases: tuple[Phase, Phase],
    states: tuple[State, State],
    *,
    done: bool,
) -> int:
    now = timezone.now()
    moved = 0
    with transaction.atomic():
        mine = Migration.objects.filter(pk=migration.pk, lease_number=migration.lease_number)
        if not mine.select_for_update().exists():
            raise LeaseLost
        for part in parts(user_ids):
            rows = MigratedUser.objects.filter(pk__in=part, migration=migration, phase=phases[0])
            ready = list(rows.select_for_update().values_list("pk", flat=True))
            rows.filter(pk__in=ready).update(
                phase=phases[1], source_digest="", target_digest="", sealed={}, updated_at=now
            )
            moved += UserDatabase.objects.filter(pk__in=ready, status=states[0]).update(
                status=states[1], epoch=F("epoch") + 1, updated_at=now
            )
        remaining = MigratedUser.objects.filter(migration=migration, phase=Phase.ACTIVE).exists()
        Migration.objects.filter(pk=migration.pk).update(activated_at=now if done or remaining else None)
    return moved
