"""Proof that keys, tools and cooldowns arrived in the control plane, read by statements of its own on both sides."""

from collections.abc import Iterator, Set
from datetime import datetime
from typing import Any

from django.db import connection

from apps.legacy.services.old_side import text, time
from apps.legacy.source import Row, Source

# Of the tables whose rows say no more than when something happened last.
_LAST = (
    ("mem_tool_usage", "tool_name", "last_used_at"),
    ("mem_governance_cooldown", "operation", "last_run_at"),
)
_KEY = "key_id user_id name key_hash key_prefix is_active created_at expires_at last_used_at".split()


def control_rows_verify(
    *, source: Source, tables: dict[str, list[str]], user_ids: Set[str], since: datetime, is_serving: bool
) -> list[tuple[str, str]]:
    """Differences as pairs of user and mismatch, the table named first.

    What was made here `since` the migration began is the users' own, and a key may have been revoked here. Of users
    in service times may have gone on.
    """
    found = [*_keys(source, tables, user_ids, since.isoformat(), is_serving)]
    for table, name, at in _LAST:
        found += _moments(source, tables, user_ids, since.isoformat(), is_serving, table, name, at)
    return found


def _keys(
    source: Source, tables: dict[str, list[str]], users: Set[str], since: str, is_serving: bool
) -> Iterator[tuple[str, str]]:
    """The old server did not refuse a second key of one secret: the active, then the older one counts."""
    there: dict[str, Row] = {}
    every = list(_old(source, tables, "mem_api_keys", [*_KEY, "group_id"], users))
    every.sort(key=lambda row: (not _is_active(row), str(row["created_at"]), str(row["key_id"])))
    for row in every:
        if not text(row.get("group_id")):
            there.setdefault(text(row["key_hash"]) or "", row)
    here = {row["key_hash"]: row for row in _new("mem_api_keys", _KEY)}
    for hashed, old in there.items():
        user, prefix = text(old["user_id"]) or "", text(old["key_prefix"])
        new = here.get(hashed)
        if new is None:
            yield user, f"mem_api_keys: key {prefix}… is not here"
        elif new["user_id"] != user:
            yield user, f"mem_api_keys: key {prefix}… is another user's here"
        elif new["key_id"] == text(old["key_id"]) and (differing := _differing(old, new, is_serving)):
            yield user, f"mem_api_keys: {', '.join(differing)} of key {prefix}… differs"
    for hashed, new in here.items():
        is_older = (time(new["created_at"]) or "") < since
        if new["user_id"] in users and hashed not in there and new["is_active"] and is_older:
            yield (
                new["user_id"],
                f"mem_api_keys: key {new['key_prefix']}… was made here before the migration and is not in the old"
                " database: revoke it here if nobody knows it",
            )


def _differing(old: Row, new: Row, is_serving: bool) -> list[str]:
    names = ["name", "key_prefix"]
    found = [name for name in names if (text(old[name]) or "") != new[name]]
    if new["is_active"] and not _is_active(old):
        found.append("is_active")
    for name in ("created_at", "expires_at"):
        if time(old.get(name), required=name == "created_at") != time(new[name]):
            found.append(name)
    if _has_moved(time(old.get("last_used_at")), time(new["last_used_at"]), is_serving):
        found.append("last_used_at")
    return found


def _moments(
    source: Source,
    tables: dict[str, list[str]],
    users: Set[str],
    since: str,
    is_serving: bool,
    table: str,
    name: str,
    at: str,
) -> Iterator[tuple[str, str]]:
    there = {
        (text(row["user_id"]), text(row[name])): time(row[at], required=True)
        for row in _old(source, tables, table, ["user_id", name, at], users)
    }
    here = {(row["user_id"], row[name]): time(row[at]) for row in _new(table, ["user_id", name, at])}
    for key, moment in there.items():
        if key not in here:
            yield key[0] or "", f"{table}: {key[1]!r} is not here"
        elif _has_moved(moment, here[key], is_serving):
            yield key[0] or "", f"{table}: {at} of {key[1]!r} differs"
    for (user, what), moment in here.items():
        if user in users and (user, what) not in there and (moment or "") < since:
            yield user, f"{table}: {what!r} is not in the old database"


def _has_moved(old: str | None, new: str | None, is_serving: bool) -> bool:
    return (new or "") < (old or "") if is_serving else new != old


def _is_active(row: Row) -> bool:
    active = row.get("is_active")
    return active is None or bool(int(active))


def _old(
    source: Source, tables: dict[str, list[str]], table: str, columns: list[str], users: Set[str]
) -> Iterator[Row]:
    if table not in tables:
        return
    there = ", ".join(source.name(name) for name in columns if name in tables[table])
    for batch in source.rows(f"SELECT {there} FROM {source.name(table)}"):
        for row in batch:
            if text(row["user_id"]) in users:
                yield row


def _new(table: str, columns: list[str]) -> Iterator[dict[str, Any]]:
    listed = ", ".join(map(connection.ops.quote_name, columns))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {listed} FROM {table}")
        while page := cursor.fetchmany(2_000):
            for row in page:
                yield dict(zip(columns, row, strict=True))
