"""That the proof finds whatever may be wrong in any table that a migration fills."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models, transaction
from django.utils import timezone

from apps.accounts.models import ApiKey, ToolUsage
from apps.governance.models import Cooldown
from apps.graph.models import MemoryEntityLink
from apps.legacy.made import START, Writer
from apps.legacy.models import MigratedUser, Migration
from apps.legacy.services.control_rows import control_rows_copy
from apps.legacy.services.copying import Vectors, user_copy
from apps.legacy.services.ledger import Lease
from apps.legacy.services.verifying import Verified, user_verify
from apps.legacy.services.verifying_control import control_rows_verify
from apps.legacy.source import Source, open_source
from apps.memories.models import OPEN, Memory, Revision
from apps.tenancy import sql
from apps.tenancy.models import State, UserDatabase
from apps.tenancy.scope import user_atomic, user_database
from apps.tenancy.selectors import registration_find, registration_route
from apps.tenancy.user_plane import UserModel
from apps.versioning.models import Branch
from tests.apps.legacy.conftest import Templates
from tests.conftest import MakeUser

Column = Any  # fields of Django are generic to the type checker only
VECTORS = Vectors("made-up", 64)
# Where rows of one table come about in different ways, one of each is damaged.
KINDS: dict[type[models.Model], str] = {Revision: "absent", MemoryEntityLink: "source", Branch: "status"}
# What no row of the old database tells: derived from texts, and proven by a sample, or moments of the copy.
DERIVED_ONLY = {
    "mem_revisions search_text flipped",
    "mem_entities display_name flipped",
    "mem_entities entity_type flipped",
    "mem_entities created_at flipped",
    "mem_memory_entity_links created_at flipped",
    "mem_memory_entity_links dropped",
}


@dataclass
class Copied:
    source: Source
    tables: dict[str, list[str]]
    writer: Writer
    migration: Migration

    def copy(self) -> None:
        user_copy(
            source=self.source,
            tables=self.tables,
            lease=Lease(self.migration.pk, self.migration.lease_number),
            user_id="ada",
            vectors=VECTORS,
        )

    def verify(self, tick: Callable[[int], None] = lambda rows: None) -> Verified:
        return user_verify(source=self.source, tables=self.tables, user_id="ada", vectors=VECTORS, tick=tick)


@pytest.fixture
def copied(old_url: str, make_user: MakeUser, templates: Templates) -> Iterator[Copied]:
    """One user of an old database, copied by this process."""
    templates.copy_old(old_url)
    writer = Writer(old_url)
    first, second = (
        row[0] for row in writer.execute("SELECT memory_id FROM mem_memories WHERE user_id = 'ada' LIMIT 2")
    )
    writer.insert("mem_entity_links", [["l1", "ada", first, "Blue Mountain", "place", "manual", START]])
    writer.insert("mem_entities", [["e-llm", "ada", "grey owl", "Grey Owl", "animal", None, START]])
    writer.insert("mem_memory_entity_links", [[second, "e-llm", "ada", "llm", 0.9, START]])
    writer.commit()
    source = open_source(old_url)
    migration = Migration.objects.create(source=source.label, started_at=timezone.now())
    made = Copied(source, source.tables(), writer, migration)
    made.copy()
    yield made
    source.close()
    writer.close()


def flipped(field: Column, value: Any) -> Any:
    """A value that differs by little."""
    if isinstance(field, models.BooleanField):
        return not value
    if isinstance(field, models.JSONField):
        return {**value, "x": 1} if isinstance(value, dict) else [*(value or []), "x"]
    if isinstance(field, models.DateTimeField):
        return (value or timezone.now()) + timedelta(microseconds=1)
    if isinstance(field, models.FloatField):
        return value + 0.001
    if isinstance(field, models.IntegerField):
        past_all_keys = 1000 if (value or 0) < OPEN else -1
        return (value or 0) + past_all_keys
    if isinstance(field, models.BinaryField):
        return bytes([value[0] ^ 1]) + bytes(value[1:])
    return chr(ord(value[0]) ^ 1) + value[1:] if value else "x"


def column_value(field: Column, value: Any) -> Any:
    return field.get_db_prep_save(value, connection=sql.user_connection())


def damages() -> Iterator[tuple[str, str, str, list[Any]]]:
    """Table, what is done to it, statement and parameters; for every table that has rows."""
    for model in sorted(
        (m for m in apps.get_models() if issubclass(m, UserModel)), key=lambda m: m._meta.db_table
    ):
        table, key = model._meta.db_table, model._meta.pk
        assert key is not None
        where = f"WHERE {sql.quoted(key.attname)} = %s"
        fields = [field for field in model._meta.concrete_fields if isinstance(field, models.Field)]
        for row in examples(model):
            for field in fields:
                if field is not key or not isinstance(field, models.AutoField):
                    changed = column_value(field, flipped(field, getattr(row, field.attname)))
                    set_to = f"UPDATE {table} SET {sql.quoted(field.attname)} = %s {where}"
                    yield table, f"{field.attname} flipped", set_to, [changed, row.pk]
            yield table, "dropped", f"DELETE FROM {table} {where}", [row.pk]
            yield table, "doubled", *insertion(row, fields)
            if any(field.attname == "user_id" for field in fields):
                row.user_id = "somebody"
                yield table, "foreign", *insertion(row, fields)


def examples(model: type[models.Model]) -> list[Any]:
    rows = model._default_manager.order_by("pk")
    if model is Memory:
        return [rows.exclude(embedding_id=None)[0]]  # type: ignore[misc]
    if (kind := KINDS.get(model)) is None:
        return list(rows[:1])
    return list({getattr(row, kind): row for row in rows}.values())


def insertion(row: Any, fields: list[Column]) -> tuple[str, list[Any]]:
    """The row once more, with the least change that the table's constraints ask for."""
    unique = {name for c in row._meta.constraints for name in c.fields}
    unique |= {field.attname for field in fields if field.unique}
    values = []
    changed = False
    for field in fields:
        value = getattr(row, field.attname)
        if isinstance(field, models.AutoField):
            value = type(row)._default_manager.order_by("-pk")[0].pk + 1
        elif field.attname in unique and value is not None and (field.unique or not changed):
            value, changed = flipped(field, value), True
        values.append(column_value(field, value))
    columns = ", ".join(sql.quoted(field.attname) for field in fields)
    return f"INSERT INTO {row._meta.db_table} ({columns}) VALUES ({sql.marks(values)})", values


def test_one_wrong_byte_or_row_in_any_table_is_found(copied: Copied) -> None:
    # W-43
    assert copied.verify().mismatches == []
    found = registration_find(user_id="ada")
    assert found is not None
    missed, unproven, tables = [], set(), set()
    with user_database(registration_route(found)) as alias:
        for table, what, statement, parameters in list(damages()):
            with user_atomic():
                sql.execute(statement, parameters)
                mismatches = copied.verify().mismatches
                transaction.set_rollback(True, using=alias)
            tables.add(table)
            if not any(mismatch.startswith(f"{table}:") for mismatch in mismatches):
                missed.append(f"{table} {what}: {mismatches}")
            if all(mismatch.endswith("not what the copy left here") for mismatch in mismatches):
                unproven.add(f"{table} {what}")
    assert not missed, "\n".join(missed)
    filled = (
        "clock commits embeddings memories revisions memories_stats edit_log branches snapshots user_state"
    )
    filled += " entities memory_entity_links retrieval_feedback user_retrieval_params"
    assert tables == {f"mem_{name}" for name in filled.split()}
    assert copied.verify().mismatches == []


def test_what_was_read_is_told_meanwhile(copied: Copied) -> None:
    told: list[int] = []
    copied.copy()
    assert copied.verify(told.append).mismatches == []
    (count,) = copied.writer.execute("SELECT COUNT(*) FROM mem_memories WHERE user_id = 'ada'")[0]
    assert sum(told) > int(count)
    assert len(told) > 3  # table by table


def test_what_was_damaged_before_it_served_anybody_is_copied_again(copied: Copied) -> None:
    found = registration_find(user_id="ada")
    assert found is not None
    with user_database(registration_route(found)):
        sql.execute("UPDATE mem_memories SET content = 'damaged', search_text = ''")
        sql.execute("DELETE FROM mem_entities")
    assert copied.verify().mismatches != []
    copied.copy()
    assert copied.verify().mismatches == []


def control_damages() -> Iterator[tuple[str, str, str, list[Any]]]:
    for model in (ApiKey, ToolUsage, Cooldown):
        table = model._meta.db_table
        row = model._default_manager.filter(user_id="ada").order_by("pk")[0]
        where = f"WHERE {row._meta.pk.column} = %s"  # type: ignore[union-attr]
        fields = list(model._meta.concrete_fields)
        for field in fields:
            if not field.primary_key or not isinstance(field, models.AutoField):
                value = flipped(field, getattr(row, field.attname))
                statement = f"UPDATE {table} SET {field.column} = %s {where}"
                yield table, f"{field.attname} flipped", statement, [value, row.pk]
        yield table, "dropped", f"DELETE FROM {table} {where}", [row.pk]
        for what, user_id in (("doubled", "ada"), ("foreign", "Ada")):
            row.user_id = user_id
            names = ", ".join(field.column for field in fields)
            values = []
            for field in fields:
                value = getattr(row, field.attname)
                if isinstance(field, models.AutoField):
                    value = row.pk + 1000
                elif field.unique or field.attname in ("tool_name", "operation"):
                    value = flipped(field, value)
                values.append(value)
            marks = ", ".join(["%s"] * len(values))
            yield table, what, f"INSERT INTO {table} ({names}) VALUES ({marks})", values


def test_one_wrong_byte_or_row_in_the_control_plane_is_found(copied: Copied) -> None:
    # W-43
    users = frozenset(("ada", "Ada"))

    def verify(is_serving: bool) -> list[tuple[str, str]]:
        return control_rows_verify(
            source=copied.source,
            tables=copied.tables,
            user_ids=users,
            since=copied.migration.started_at,
            is_serving=is_serving,
        )

    control_rows_copy(
        source=copied.source, tables=copied.tables, user_ids=users, since=copied.migration.started_at
    )
    assert verify(False) == verify(True) == []
    missed = []
    for table, what, statement, parameters in list(control_damages()):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            before, after = verify(False), verify(True)
            transaction.set_rollback(True)
        for found, when in ((before, "at the cutover"), (after, "in service")):
            if not any(mismatch.startswith(f"{table}:") for _, mismatch in found):
                missed.append(f"{table} {what} {when}")
    assert set(missed) == {
        "mem_api_keys key_id flipped at the cutover",  # the same secret of the same user under another id
        "mem_api_keys key_id flipped in service",
        "mem_api_keys is_active flipped at the cutover",  # revoked here
        "mem_api_keys is_active flipped in service",
        "mem_api_keys last_used_at flipped in service",
        "mem_tool_usage last_used_at flipped in service",
        "mem_governance_cooldown last_run_at flipped in service",
    }


def test_a_user_in_service_is_compared_until_they_write(copied: Copied) -> None:
    found = registration_find(user_id="ada")
    assert found is not None
    assert copied.verify().mismatches == []
    MigratedUser.objects.update(content_digest=copied.verify().content_digest, sealed={})
    UserDatabase.objects.filter(pk="ada").update(status=State.ACTIVE)
    with user_database(registration_route(found)):
        sql.execute("UPDATE mem_memories_stats SET access_count = access_count + 1")  # by reading
        assert copied.verify().mismatches == []
        copied.writer.execute("UPDATE mem_retrieval_feedback SET context = 'late' WHERE user_id = 'ada'")
        copied.writer.commit()
        assert copied.verify().mismatches == ["mem_retrieval_feedback: the contents differ"]
        sql.execute("UPDATE mem_user_state SET active_branch = 'main'")
    result = copied.verify()
    assert result.mismatches == []
    assert [each.split(":")[0] for each in result.differs_by_use] == [
        "mem_retrieval_feedback",
        "mem_user_state",
    ]


def test_repeated_copies_leave_nothing_of_what_is_gone(copied: Copied) -> None:
    copied.verify()
    writer = copied.writer
    vector = json.dumps([0.5] * 64)
    writer.execute("DELETE FROM br_000000_work WHERE content = 'only on the branch'")
    writer.execute(
        "UPDATE mem_memories SET embedding = %s, content = 'quite another' WHERE user_id = 'ada'", [vector]
    )
    writer.execute("UPDATE mem_branches SET status = 'active' WHERE name = 'gone'")  # its table is not there
    writer.insert("mem_branches", [["b-older", "ada", "work", "br_000003_work", "active", START]])
    writer.commit()
    copied.copy()
    assert copied.verify().mismatches == []
