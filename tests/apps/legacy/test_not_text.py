"""Bytes that are no text, in every column of every copied table: a message says where, or a rule carries the row."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from apps.legacy.made import START, Writer
from apps.legacy.mapping import EPOCH
from apps.legacy.models import Migration
from apps.legacy.old_schema import MEMORIES, TABLES
from apps.legacy.services.control_rows import control_rows_copy
from apps.legacy.services.copying import Vectors, user_copy
from apps.legacy.services.digests import source_digests
from apps.legacy.services.ledger import Lease
from apps.legacy.services.planning import plan_make
from apps.legacy.services.verifying import user_verify
from apps.legacy.services.verifying_control import control_rows_verify
from apps.legacy.source import COLUMNS, open_source
from memoria.errors import Invalid
from tests.conftest import MakeUser

NO_TEXT = b"caf\xe9"
BRANCH = "br_ada"
SHARED = ("mem_api_keys", "mem_tool_usage", "mem_governance_cooldown")
# What names a row in a message.
KEYS = {
    "mem_branches": "id",
    "mem_snapshots": "name",
    "mem_edit_log": "edit_id",
    "mem_retrieval_feedback": "id",
    "mem_entities": "entity_id",
    "mem_entity_links": "id",
    "mem_api_keys": "key_id",
    "mem_tool_usage": "tool_name",
    "mem_governance_cooldown": "operation",
    "mem_user_state": "user_id",
    "mem_user_retrieval_params": "user_id",
}
# Columns that are not moved, ids by which statistics are found, and vectors, which are made anew.
CARRIED = {
    *("mem_memories.embedding", f"{BRANCH}.embedding", "mem_memories_stats.memory_id", "mem_entity_links.id"),
    *("mem_snapshots.id", "mem_user_retrieval_params.updated_at", "mem_entities.embedding"),
    *("mem_entities.created_at", "mem_memory_entity_links.weight", "mem_memory_entity_links.created_at"),
    *("mem_entity_links.source", "mem_entity_links.created_at"),
}
OURS = f"key_hash of ada {'0' * 40}"
ROWS: dict[str, dict[str, Any]] = {
    "mem_memories": {
        "memory_id": "m1",
        "memory_type": "semantic",
        "content": "tea",
        "source_event_ids": "[]",
    },
    BRANCH: {"memory_id": "m1", "memory_type": "semantic", "content": "coffee", "source_event_ids": "[]"},
    "mem_memories_stats": {"memory_id": "m1", "access_count": "2"},
    "mem_branches": {"id": "b1", "name": "work", "table_name": BRANCH, "status": "active"},
    "mem_snapshots": {"id": "s1", "name": "before", "snapshot_name": "snap", "status": "deleted"},
    "mem_user_state": {"active_branch": "work"},
    "mem_edit_log": {"edit_id": "e1", "memory_id": "m1", "operation": "inject", "created_by": "ada"},
    "mem_retrieval_feedback": {"id": "f1", "memory_id": "m1", "signal": "useful"},
    "mem_user_retrieval_params": {"feedback_weight": "0.5"},
    "mem_entities": {"entity_id": "n1", "name": "tea"},
    "mem_memory_entity_links": {"memory_id": "m1", "entity_id": "n1", "source": "manual"},
    "mem_entity_links": {"id": "l1", "memory_id": "m1", "entity_name": "cup"},
    "mem_api_keys": {
        "key_id": "k1",
        "name": "key",
        "key_hash": OURS,
        "key_prefix": "sk-secret",
        "is_active": "1",
    },
    "mem_tool_usage": {"tool_name": "cli", "last_used_at": str(START)},
    "mem_governance_cooldown": {"operation": "consolidate", "last_run_at": str(START)},
}


def columns(table: str) -> list[str]:
    return (MEMORIES if table == BRANCH else TABLES[table]).names


def usual(table: str, column: str) -> Any:
    return {"user_id": "ada", "created_at": str(START), **ROWS[table]}.get(column)


class Old:
    """An old database of one user, Ada, with a row in each table. Its columns take any bytes; but for the owner's on
    MySQL-protocol servers, where no column of text does."""

    def __init__(self, url: str) -> None:
        self.url, self.writer = url, Writer(url)
        self.fixed = () if self.writer.is_sqlite else ("user_id",)
        for table in ROWS:
            kinds = (f"`{name}`{self._kind(name)}" for name in columns(table))
            self.writer.execute(f"CREATE TABLE {table} ({', '.join(kinds)})")
            values = {name: usual(table, name) for name in columns(table)}
            names = ", ".join(f"`{name}`" for name in values)
            marks = ", ".join(["%s"] * len(values))
            self.writer.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(values.values()))
        self.writer.commit()
        source = open_source(url)
        migration = Migration.objects.create(source=source.label, started_at=timezone.now())
        self.lease = Lease(migration.pk, migration.lease_number)
        source.close()

    def _kind(self, column: str) -> str:
        if self.writer.is_sqlite:
            return ""  # without a type it keeps what it is given
        return " VARCHAR(64)" if column in self.fixed else " LONGBLOB"

    def put(self, table: str, column: str, value: Any) -> None:
        mark = "CAST(%s AS TEXT)" if self.writer.is_sqlite and isinstance(value, bytes) else "%s"
        self.writer.execute(f"UPDATE {table} SET `{column}` = {mark}", [value])
        self.writer.commit()

    def moved(self) -> list[str]:
        """Everything that a cutover does for Ada. Returns the plan's warnings. Raises Invalid."""
        source = open_source(self.url)
        try:
            plan = plan_make(source=source)
            source_digests(source=source, tables=plan.tables)
            if "ada" in plan.users and not plan.gaps:
                vectors, users = Vectors("m", 4), frozenset(["ada"])
                user_copy(source=source, tables=plan.tables, lease=self.lease, user_id="ada", vectors=vectors)
                verified = user_verify(source=source, tables=plan.tables, user_id="ada", vectors=vectors)
                assert verified.mismatches == []
                control_rows_copy(source=source, tables=plan.tables, user_ids=users, since=EPOCH)
                found = control_rows_verify(
                    source=source, tables=plan.tables, user_ids=users, since=EPOCH, is_serving=False
                )
                assert found == []
            return plan.gaps + plan.warnings
        finally:
            source.close()


@pytest.fixture
def old(old_url: str, make_user: MakeUser) -> Iterator[Old]:
    made = Old(old_url)
    yield made
    made.writer.close()


def test_every_copied_column_is_looked_at() -> None:
    assert {table for table in ROWS if table != BRANCH} == COLUMNS.keys()


@pytest.mark.parametrize("table", ROWS)
def test_bytes_that_are_no_text_are_named_or_carried(old: Old, table: str) -> None:
    old.moved()
    for column in set(columns(table)) - set(old.fixed):
        old.put(table, column, NO_TEXT)
        place = f"{table}.{column}"
        try:
            said = "; ".join(old.moved())
        except Invalid as error:
            said = str(error)
            key = KEYS.get(table, "memory_id")
            assert re.match("1 rows of the old database cannot be carried, mend them there: table ", said), (
                place
            )
            assert re.search(rf"table {table}, .*{key} '.*', column {column}: .* is ", said), (place, said)
            assert table not in SHARED or "user_id 'ada'" in said
            assert OURS not in said
            assert "sk-secret" not in said
        else:
            is_known = column == "user_id" and ("is left out" in said or table == BRANCH)
            is_known = is_known or (place == "mem_branches.table_name" and "impossible table" in said)
            assert is_known or place in CARRIED, (place, said)
        old.put(table, column, usual(table, column))
    old.moved()
