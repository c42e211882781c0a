"""Reads of API keys; what leaves here is a dataclass, never a row."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from apps.accounts.models import ApiKey
from apps.tenancy.selectors import REGISTRATION_COLUMNS, Registration
from memoria.errors import NotFound


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key without its secret."""

    key_id: str
    user_id: str
    name: str
    key_prefix: str
    is_active: bool
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """Who a valid key acts as, with the registry row that routes them (None before their first use)."""

    key_id: str
    user_id: str
    registration: Registration | None


_FIELDS = tuple(KeyRecord.__dataclass_fields__)
_REGISTRY = ", ".join(f"r.{column}" for column in REGISTRATION_COLUMNS)
# One query per request decides on the key and the route, so that revocation, expiry, suspension and moves act
# at once in every process. Hand-written: the ORM would need a foreign key between the apps.
_OWNER_QUERY = f"""
SELECT k.key_id, k.user_id, k.expires_at, {_REGISTRY}
FROM mem_api_keys k LEFT JOIN mem_user_registry r ON r.user_id = k.user_id
WHERE k.key_hash = %s AND k.is_active = 1
"""


def key_owner_find(*, key_hash: str, now: datetime) -> KeyOwner | None:
    """The owner of an active, unexpired key."""
    connection = connections[DEFAULT_DB_ALIAS]
    with connection.cursor() as cursor:
        cursor.execute(_OWNER_QUERY, [key_hash])
        row = cursor.fetchone()
    if row is None:
        return None
    key_id, user_id, expires_at, *registration = row
    if expires_at is not None and _utc(expires_at) <= now:
        return None
    registration[-1] = _utc(registration[-1])
    return KeyOwner(key_id, user_id, Registration.from_columns(registration))


def _utc(value: Any) -> Any:
    """Raw cursors give naive UTC times: as datetime on MySQL, as text on SQLite."""
    if value is None:
        return None
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC)


def key_get(*, key_id: str) -> KeyRecord:
    """A key in any state. Raises NotFound."""
    values = ApiKey.objects.filter(pk=key_id).values_list(*_FIELDS).first()
    if values is None:
        raise NotFound("Key not found")
    return KeyRecord(*values)


def key_list(*, user_id: str) -> list[KeyRecord]:
    """The user's active keys, newest first."""
    rows = ApiKey.objects.filter(user_id=user_id, is_active=True).order_by("-created_at", "-key_id")
    return [KeyRecord(*values) for values in rows.values_list(*_FIELDS)]
