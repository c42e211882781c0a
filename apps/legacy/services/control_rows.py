"""What of the old rows belongs to the control plane: API keys, tool usage and cooldowns."""

from collections.abc import Iterable, Set
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Model, QuerySet

from apps.accounts.models import ApiKey, ToolUsage
from apps.governance.models import Cooldown
from apps.legacy import mapping
from apps.legacy.source import Source, parts, rows_of


def control_rows_copy(
    *, source: Source, tables: dict[str, list[str]], user_ids: Iterable[str], since: datetime
) -> list[str]:
    """Bring the users' keys, tools and cooldowns to the control plane; a key that is revoked on either side stays so.
    Tools and cooldowns that neither the old database has nor anybody made here `since` then are removed.
    Returns warnings.
    """
    users = frozenset(user_ids)
    warnings: list[str] = []
    every = [row for batch in rows_of(source, tables, "mem_api_keys", users) for row in batch]
    every.sort(key=lambda row: (not mapping.is_active(row), str(row["created_at"]), row["key_id"]))
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
                keys.append(mapping.key(row))
        revoked = set(
            ApiKey.objects.filter(pk__in=[key.pk for key in keys], is_active=False).values_list(
                "pk", flat=True
            )
        )
        for key in keys:  # revoked on either side is revoked
            key.is_active = key.is_active and key.pk not in revoked
        _put(ApiKey, keys, ("key_id",))
    tools = [mapping.tool(row) for b in rows_of(source, tables, "mem_tool_usage", users) for row in b]
    _replace(ToolUsage, tools, "tool_name", ToolUsage.objects.filter(last_used_at__lt=since), users)
    runs = [
        mapping.cooldown(row) for b in rows_of(source, tables, "mem_governance_cooldown", users) for row in b
    ]
    _replace(Cooldown, runs, "operation", Cooldown.objects.filter(last_run_at__lt=since), users)
    return warnings


def _replace(model: type[Model], rows: list[Any], name: str, older: QuerySet[Any], users: Set[str]) -> None:
    """Put the rows; of the older ones here those that are not among them go."""
    wanted = {(row.user_id, getattr(row, name)) for row in rows}
    here = older.values_list("pk", "user_id", name)
    gone = [pk for pk, user, what in here if user in users and (user, what) not in wanted]
    for part in parts(gone):
        model._default_manager.filter(pk__in=part).delete()
    _put(model, rows, ("user_id", name))


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
