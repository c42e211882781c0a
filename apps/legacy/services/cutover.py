"""Putting migrated users into service, and out of it again. One small transaction; servers notice at once."""

from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Model
from django.utils import timezone

from apps.accounts.models import ApiKey, ToolUsage
from apps.governance.models import Cooldown
from apps.legacy import mapping
from apps.legacy.models import MigratedUser, Migration, Phase
from apps.legacy.source import Row, Source, parts, rows_of
from apps.tenancy.models import State, UserDatabase
from memoria.errors import Conflict


def control_rows_copy(*, source: Source, tables: dict[str, list[str]], user_ids: Iterable[str]) -> list[str]:
    """Bring the users' keys, tools and cooldowns to the control plane; a key that is revoked on either side stays so.
    Returns warnings.
    """
    users = frozenset(user_ids)
    warnings: list[str] = []
    every = [row for batch in rows_of(source, tables, "mem_api_keys", users) for row in batch]
    every.sort(key=lambda row: (not _is_active(row), str(row["created_at"]), row["key_id"]))
    taken: dict[str, str] = {}
    for batch in parts(every):
        keys = []
        hashes = [row["key_hash"] for row in batch]
        known = dict(ApiKey.objects.filter(key_hash__in=hashes).values_list("key_hash", "key_id")) | taken
        for row in batch:
            if mapping.text(row.get("group_id")):
                warnings.append(f"key {row['key_prefix']}… belongs to a group and was left out")
            elif known.get(row["key_hash"], row["key_id"]) != row["key_id"]:
                warnings.append(f"key {row['key_prefix']}… is there already under another id")
            else:
                taken[row["key_hash"]] = known[row["key_hash"]] = row["key_id"]
                keys.append(_key(row))
        revoked = set(
            ApiKey.objects.filter(pk__in=[key.pk for key in keys], is_active=False).values_list(
                "pk", flat=True
            )
        )
        for key in keys:  # revoked on either side is revoked
            key.is_active = key.is_active and key.pk not in revoked
        _put(ApiKey, keys, ("key_id",))
    for batch in rows_of(source, tables, "mem_tool_usage", users):
        _put(ToolUsage, [_tool(row) for row in batch], ("user_id", "tool_name"))
    for batch in rows_of(source, tables, "mem_governance_cooldown", users):
        _put(Cooldown, [_cooldown(row) for row in batch], ("user_id", "operation"))
    return warnings


def _is_active(row: Row) -> bool:
    active = row.get("is_active")
    return active is None or bool(int(active))


def _key(row: Row) -> ApiKey:
    return ApiKey(
        key_id=row["key_id"],
        user_id=row["user_id"],
        name=row["name"],
        key_hash=row["key_hash"],
        key_prefix=row["key_prefix"],
        is_active=_is_active(row),
        created_at=mapping.moment(row["created_at"]) or mapping.EPOCH,
        expires_at=mapping.moment(row.get("expires_at")),
        last_used_at=mapping.moment(row.get("last_used_at")),
    )


def _tool(row: Row) -> ToolUsage:
    at = mapping.moment(row["last_used_at"]) or mapping.EPOCH
    return ToolUsage(user_id=row["user_id"], tool_name=row["tool_name"], last_used_at=at)


def _cooldown(row: Row) -> Cooldown:
    at = mapping.moment(row["last_run_at"]) or mapping.EPOCH
    return Cooldown(user_id=row["user_id"], operation=row["operation"], last_run_at=at)


def _put(model: type[Model], rows: list[Any], key: tuple[str, ...]) -> None:
    """Insert rows, or bring those with the same key up to date."""
    names = [field.name for field in model._meta.concrete_fields if field.name not in (*key, "id")]
    model._default_manager.bulk_create(
        rows,
        batch_size=500,
        update_conflicts=True,
        update_fields=names,
        unique_fields=None if connection.vendor == "mysql" else key,
    )


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
        mine = Migration.objects.filter(pk=migration.pk, lease_holder=migration.lease_holder)
        if not mine.select_for_update().exists():
            raise Conflict("another process has taken this migration over; nothing was changed")
        for part in parts(user_ids):
            rows = MigratedUser.objects.filter(pk__in=part, migration=migration, phase=phases[0])
            ready = list(rows.select_for_update().values_list("pk", flat=True))
            rows.filter(pk__in=ready).update(
                phase=phases[1], source_digest="", target_digest="", updated_at=now
            )
            moved += UserDatabase.objects.filter(pk__in=ready, status=states[0]).update(
                status=states[1], epoch=F("epoch") + 1, updated_at=now
            )
        remaining = MigratedUser.objects.filter(migration=migration, phase=Phase.ACTIVE).exists()
        Migration.objects.filter(pk=migration.pk).update(activated_at=now if done or remaining else None)
    return moved
