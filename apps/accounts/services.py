"""Creating, rotating and revoking API keys, and noting when they were last used."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Value, When

from apps.accounts.models import ApiKey, ToolUsage
from apps.accounts.selectors import KeyRecord, key_get
from apps.jobs.coalesce import Coalescer
from apps.tenancy.admission import admit
from apps.tenancy.services.provision import user_provision
from memoria import naming
from memoria.errors import Invalid, NotFound
from memoria.redaction import refuse_secrets, scrub

TOOL_NAME_LENGTH = 128


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key; the only time its secret leaves the server."""

    record: KeyRecord
    raw_key: str


def key_create(*, user_id: str, name: str, expires_at: datetime | None, now: datetime) -> CreatedKey:
    """Make a key for a user, whose database is built now if it does not exist.

    Raises Invalid for an unacceptable id or name, Blocked for a secret in the name, Forbidden or Gone for a
    suspended or deleted user.
    """
    naming.checked_user_id(user_id)
    if not name.strip():
        raise Invalid("name must not be empty")
    if len(name) > 100:
        raise Invalid("name exceeds maximum length of 100 characters")
    if not naming.is_encodable(name):
        raise Invalid("name must be valid text")
    refuse_secrets(name, settings.MEMORIA_REDACTION)
    admit(user_provision(user_id=user_id))
    return _insert(user_id=user_id, name=name, expires_at=expires_at, now=now)


def _insert(*, user_id: str, name: str, expires_at: datetime | None, now: datetime) -> CreatedKey:
    raw_key = f"sk-{uuid.uuid4().hex}"
    row = ApiKey.objects.create(
        key_id=str(uuid.uuid4()),
        user_id=user_id,
        name=name,
        key_hash=naming.key_hash(raw_key),
        key_prefix=raw_key[: naming.KEY_PREFIX_LENGTH],
        created_at=now,
        expires_at=expires_at,
    )
    return CreatedKey(key_get(key_id=row.key_id), raw_key)


def key_rotate(*, key_id: str, now: datetime) -> CreatedKey:
    """Replace an active key by a new one of the same user, name and expiry. Raises NotFound."""
    with transaction.atomic():
        old = key_get(key_id=key_id)
        if not ApiKey.objects.filter(pk=key_id, is_active=True).update(is_active=False):
            raise NotFound("Key not found")
        return _insert(user_id=old.user_id, name=old.name, expires_at=old.expires_at, now=now)


def key_revoke(*, key_id: str) -> None:
    """Make a key useless at once, in every process; repeating it changes nothing. Raises NotFound."""
    if not ApiKey.objects.filter(pk=key_id).update(is_active=False):
        raise NotFound("Key not found")


def _write_last_used(used: dict[str, datetime]) -> None:
    for ids in _chunks(
        sorted(used), 200
    ):  # sorted: two processes update in the same order and cannot deadlock
        cases = [When(pk=key_id, then=Value(used[key_id])) for key_id in ids]
        ApiKey.objects.filter(pk__in=ids).update(last_used_at=Case(*cases))


def _chunks(items: list[str], size: int) -> list[list[str]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


_last_used: Coalescer[str, datetime] = Coalescer(name="key-last-used", write=_write_last_used)


def key_touch(*, key_id: str, now: datetime) -> None:
    """Note the use of a key; written within seconds, together with others."""
    _last_used.put(key_id, now)


def _write_tools(used: dict[tuple[str, str], datetime]) -> None:
    for (user_id, tool_name), moment in sorted(used.items()):
        if scrub(tool_name, settings.MEMORIA_REDACTION) != tool_name:
            continue  # whoever sent a key in this header did not mean it to be listed
        ToolUsage.objects.update_or_create(
            user_id=user_id, tool_name=tool_name, defaults={"last_used_at": moment}
        )


_tools: Coalescer[tuple[str, str], datetime] = Coalescer(name="tool-usage", write=_write_tools)


def tool_touch(*, user_id: str, tool_name: str, now: datetime) -> None:
    """Note that a tool was used; written within seconds. Names too long to be one are passed over."""
    if 0 < len(tool_name) <= TOOL_NAME_LENGTH:
        _tools.put((user_id, tool_name), now)


def tools_used(*, user_id: str) -> list[tuple[str, datetime]]:
    """(name, last use) of the user's tools by name, with what this process has not written yet."""
    _tools.flush()
    rows = ToolUsage.objects.filter(user_id=user_id).order_by("tool_name")
    return list(rows.values_list("tool_name", "last_used_at"))
