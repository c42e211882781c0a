"""Proof that keys, tools and cooldowns arrived in the control plane, read by statements of its own on both sides."""

from collections.abc import Callable, Iterator, Set
from datetime import datetime
from functools import partial
from typing import Any

from django.db import connection

from apps.legacy.services.old_side import text, time, truth
from apps.legacy.source import Row, Source, as_shown, as_text

# Of the tables whose rows say no more than when something happened last.
_LAST = (
    ("mem_tool_usage", "tool_name", "last_used_at"),
    ("mem_governance_cooldown", "operation", "last_run_at"),
)
_READ: dict[str, Callable[..., Any]] = {
    "is_active": truth,
    "created_at": partial(time, required=True),
    "last_used_at": time,
    "expires_at": time,
    "last_run_at": time,
}
_UNKNOWN = time(None, required=True)
_KEY = "key_id user_id name key_hash key_prefix is_active created_at expires_at last_used_at".split()


def control_rows_verify(
    *, source: Source, tables: dict[str, list[str]], user_ids: Set[str], since: datetime, is_serving: bool
) -> list[tuple[str, str]]:
    """Differences as pairs of user and mismatch, the table named first.

    What was made here `since` the migration began is the users' own, and a key may have been revoked here. Of users
    in service times may have gone on.
    """
    old = _Old(source, tables, user_ids)
    found = [*_keys(old, user_ids, since.isoformat(), is_serving)]
    for table, name, at in _LAST:
        found += _moments(old, user_ids, since.isoformat(), is_serving, table, name, at)
    return found + old.unreadable


class _Old:
    """The users' own rows of the old tables, made comparable."""

    def __init__(self, source: Source, tables: dict[str, list[str]], users: Set[str]) -> None:
        self._source, self._tables, self._users = source, tables, users
        self.unreadable: list[tuple[str, str]] = []
        """User and column of values that say nothing. Where there are any, nothing here is called superfluous."""

    def rows(self, table: str, key: str, columns: list[str]) -> Iterator[Row]:
        if table not in self._tables:
            return
        name = self._source.name
        there = ", ".join(name(column) for column in columns if column in self._tables[table])
        for batch in self._source.rows(f"SELECT {there} FROM {name(table)}"):
            for row in batch:
                if as_text(row["user_id"]) in self._users and not as_text(row.get("group_id")):
                    yield from self._comparable(table, key, row, columns)

    def _comparable(self, table: str, key: str, row: Row, columns: list[str]) -> Iterator[Row]:
        """The row, unless a column says nothing."""
        found: Row = {}
        for column in columns:
            read: Callable[..., Any] = _READ.get(column, text)
            try:
                found[column] = read(row.get(column))
            except (ValueError, OverflowError):
                owner, shown = as_text(row["user_id"]) or "", as_shown(row[key])
                self.unreadable.append(
                    (owner, f"{table}: {column} of {shown} in the old database cannot be read: mend it there")
                )
                return
        yield found


def _keys(old: _Old, users: Set[str], since: str, is_serving: bool) -> Iterator[tuple[str, str]]:
    """The old server did not refuse a second key of one secret: the active, then the older one counts."""
    there: dict[str, Row] = {}
    every = list(old.rows("mem_api_keys", "key_id", [*_KEY, "group_id"]))
    every.sort(key=lambda row: (not row["is_active"], row["created_at"], row["key_id"] or ""))
    for row in every:
        there.setdefault(row["key_hash"] or "", row)
    here = {row["key_hash"]: row for row in _new("mem_api_keys", _KEY)}
    for hashed, row in there.items():
        user, prefix = row["user_id"], row["key_prefix"]
        new = here.get(hashed)
        if new is None:
            yield user, f"mem_api_keys: key {prefix}… is not here"
        elif new["user_id"] != user:
            yield user, f"mem_api_keys: key {prefix}… is another user's here"
        elif new["key_id"] == row["key_id"] and (differing := _differing(row, new, is_serving)):
            yield user, f"mem_api_keys: {', '.join(differing)} of key {prefix}… differs"
    for hashed, new in () if old.unreadable else here.items():
        is_older = (time(new["created_at"]) or "") < since
        if new["user_id"] in users and hashed not in there and new["is_active"] and is_older:
            yield (
                new["user_id"],
                f"mem_api_keys: key {new['key_prefix']}… was made here before the migration and is not in the old"
                " database: revoke it here if nobody knows it",
            )


def _differing(old: Row, new: Row, is_serving: bool) -> list[str]:
    found = [name for name in ("name", "key_prefix") if (old[name] or "") != new[name]]
    if new["is_active"] and not old["is_active"]:
        found.append("is_active")
    found += [name for name in ("created_at", "expires_at") if old[name] != time(new[name])]
    if _has_moved(old["last_used_at"], time(new["last_used_at"]), is_serving):
        found.append("last_used_at")
    return found


def _moments(
    old: _Old,
    users: Set[str],
    since: str,
    is_serving: bool,
    table: str,
    name: str,
    at: str,
) -> Iterator[tuple[str, str]]:
    there = {
        (row["user_id"], row[name]): row[at] or _UNKNOWN
        for row in old.rows(table, name, ["user_id", name, at])
    }
    here = {(row["user_id"], row[name]): time(row[at]) for row in _new(table, ["user_id", name, at])}
    for key, moment in there.items():
        if key not in here:
            yield key[0], f"{table}: {key[1]!r} is not here"
        elif _has_moved(moment, here[key], is_serving):
            yield key[0], f"{table}: {at} of {key[1]!r} differs"
    for (user, what), moment in () if old.unreadable else here.items():
        if user in users and (user, what) not in there and (moment or "") < since:
            yield user, f"{table}: {what!r} is not in the old database"


def _has_moved(old: str | None, new: str | None, is_serving: bool) -> bool:
    return (new or "") < (old or "") if is_serving else new != old


def _new(table: str, columns: list[str]) -> Iterator[dict[str, Any]]:
    listed = ", ".join(map(connection.ops.quote_name, columns))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {listed} FROM {table}")
        while page := cursor.fetchmany(2_000):
            for row in page:
                yield dict(zip(columns, row, strict=True))
