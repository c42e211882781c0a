"""What of the old rows belongs to the control plane: API keys, tool usage and cooldowns."""

from collections.abc import Callable, Iterable, Set
from datetime import datetime
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet

from apps.accounts.models import ApiKey, ToolUsage
from apps.governance.models import Cooldown
from apps.legacy import mapping
from apps.legacy.services.odd_rows import OddRows
from apps.legacy.source import Row, Source, parts, rows_of

T = TypeVar("T")


def control_rows_copy(
    *, source: Source, tables: dict[str, list[str]], user_ids: Iterable[str], since: datetime
) -> list[str]:
    """Bring the users' keys, tools and cooldowns to the control plane; a key that is revoked on either side stays so.
    Tools and cooldowns that neither the old database has nor anybody made here `since` then are removed.
    Returns warnings. Raises Invalid, and writes nothing, where rows cannot be carried.
    """
    users = frozenset(user_ids)
    odd = OddRows()

    def mapped(table: str, key: str, made: Callable[[Row], T]) -> list[T]:
        rows = (row for batch in rows_of(source, tables, table, users) for row in batch)
        return list(odd.mapped(table, f"user_id {key}", made, rows))

    keys = mapped("mem_api_keys", "key_id", _key)
    tools = mapped("mem_tool_usage", "tool_name", mapping.tool)
    runs = mapped("mem_governance_cooldown", "operation", mapping.cooldown)
    odd.check()
    warnings = _keys_copy(keys)
    _replace(ToolUsage, tools, "tool_name", ToolUsage.objects.filter(last_used_at__lt=since), users)
    _replace(Cooldown, runs, "operation", Cooldown.objects.filter(last_run_at__lt=since), users)
    return warnings


def _key(row: Row) -> tuple[str, ApiKey | None]:
    """How a key is called, and the key; None where it is a group's. Raises Odd."""
    shown = f"{mapping.text(row['key_prefix']) or ''}…"
    if mapping.text(row.get("group_id")):
        return shown, None
    made = mapping.key(row)
    mapping.fits(made)
    return shown, made


def _keys_copy(every: list[tuple[str, ApiKey | None]]) -> list[str]:
    """Put the keys; of two with one secret the active, then the older one. Returns warnings."""
    warnings = [f"key {shown} belongs to a group and was left out" for shown, key in every if key is None]
    own = [key for _, key in every if key is not None]
    own.sort(key=lambda key: (not key.is_active, key.created_at, key.key_id))
    taken: dict[str, str] = {}
    for batch in parts(own):
        hashes = [key.key_hash for key in batch]
        known = dict(ApiKey.objects.filter(key_hash__in=hashes).values_list("key_hash", "key_id")) | taken
        keys = []
        for key in batch:
            if known.get(key.key_hash, key.key_id) != key.key_id:
                warnings.append(f"key {key.key_prefix}… is there already under another id")
            else:
                taken[key.key_hash] = known[key.key_hash] = key.key_id
                keys.append(key)
        there = ApiKey.objects.filter(pk__in=[key.pk for key in keys], is_active=False)
        revoked = set(there.values_list("pk", flat=True))
        for key in keys:  # revoked on either side is revoked
            key.is_active = key.is_active and key.pk not in revoked
        _put(ApiKey, keys, ("key_id",))
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
