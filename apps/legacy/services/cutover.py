"""Putting migrated users into service, and out of it again. One small transaction; servers notice at once."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.accounts.models import ApiKey, ToolUsage
from apps.governance.models import Cooldown
from apps.legacy import mapping
from apps.legacy.models import MigratedUser, Migration, Phase
from apps.legacy.source import Source, user_rows
from apps.tenancy.models import State, UserDatabase


def control_rows_copy(*, source: Source, tables: dict[str, list[str]], user_id: str) -> list[str]:
    """Bring a user's keys, tools and cooldowns to the control plane. Rows that are there stay. Returns warnings."""
    warnings = []
    for batch in user_rows(source, tables, "mem_api_keys", user_id):
        for row in batch:
            if mapping.text(row.get("group_id")):
                warnings.append(f"key {row['key_prefix']}… belongs to a group and was left out")
                continue
            known = ApiKey.objects.filter(key_hash=row["key_hash"]).exclude(pk=row["key_id"])
            if known.exists():
                warnings.append(f"key {row['key_prefix']}… is there already under another id")
                continue
            active = row.get("is_active")
            ApiKey.objects.update_or_create(
                pk=row["key_id"],
                defaults={
                    "user_id": user_id,
                    "name": row["name"],
                    "key_hash": row["key_hash"],
                    "key_prefix": row["key_prefix"],
                    "is_active": active is None or bool(int(active)),
                    "created_at": mapping.moment(row["created_at"]) or mapping.EPOCH,
                    "expires_at": mapping.moment(row.get("expires_at")),
                    "last_used_at": mapping.moment(row.get("last_used_at")),
                },
            )
    for batch in user_rows(source, tables, "mem_tool_usage", user_id):
        for row in batch:
            at = mapping.moment(row["last_used_at"]) or mapping.EPOCH
            ToolUsage.objects.update_or_create(
                user_id=user_id, tool_name=row["tool_name"], defaults={"last_used_at": at}
            )
    for batch in user_rows(source, tables, "mem_governance_cooldown", user_id):
        for row in batch:
            at = mapping.moment(row["last_run_at"]) or mapping.EPOCH
            Cooldown.objects.update_or_create(
                user_id=user_id, operation=row["operation"], defaults={"last_run_at": at}
            )
    return warnings


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
        for user_id in user_ids:
            rows = MigratedUser.objects.filter(pk=user_id, migration=migration, phase=phases[0])
            if rows.update(phase=phases[1], source_digest="", target_digest="", updated_at=now):
                moved += UserDatabase.objects.filter(pk=user_id, status=states[0]).update(
                    status=states[1], epoch=F("epoch") + 1, updated_at=now
                )
        remaining = MigratedUser.objects.filter(migration=migration, phase=Phase.ACTIVE).exists()
        Migration.objects.filter(pk=migration.pk).update(activated_at=now if done or remaining else None)
    return moved
