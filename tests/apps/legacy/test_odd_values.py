"""Values that the old server never wrote, but that old databases hold: carried by a rule, or named."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone

from apps.feedback.models import Feedback, RetrievalParams
from apps.graph.models import Entity
from apps.legacy.made import START, TABLES, Writer
from apps.legacy.models import Migration
from apps.legacy.services.copying import Copied, Vectors, user_copy
from apps.legacy.services.ledger import Lease
from apps.legacy.services.verifying import Verified, user_verify
from apps.legacy.source import open_source
from apps.memories.models import EditLog, Memory, MemoryStats
from apps.tenancy.scope import user_database
from apps.tenancy.selectors import registration_find, registration_route
from apps.versioning.models import Branch
from memoria.errors import Invalid
from tests.conftest import MakeUser

EIGHT, UNKNOWN = "2024-01-01 08:00:00+00:00", "2000-01-01 00:00:00+00:00"
# Column of a memory, what the old one holds, and what is here instead, by column.
CARRIED: list[tuple[str, Any, dict[str, Any]]] = [
    ("initial_confidence", "", {"initial_confidence": 0.95}),
    ("initial_confidence", None, {"initial_confidence": 0.95}),
    ("initial_confidence", "0.25", {"initial_confidence": 0.25}),
    ("initial_confidence", 7, {"initial_confidence": 7.0}),
    ("initial_confidence", 0, {"initial_confidence": 0.0}),
    (
        "initial_confidence",
        "NaN",
        {"initial_confidence": 0.95, "extra_metadata": {"legacy_initial_confidence": "NaN"}},
    ),
    ("initial_confidence", "-inf", {"extra_metadata": {"legacy_initial_confidence": "-inf"}}),
    ("initial_confidence", "high", {"extra_metadata": {"legacy_initial_confidence": "high"}}),
    ("is_active", "", {"is_active": True}),
    ("is_active", None, {"is_active": True}),
    ("is_active", "true", {"is_active": True}),
    ("is_active", "FALSE", {"is_active": False}),
    ("is_active", 2, {"is_active": True}),
    ("is_active", 0, {"is_active": False}),
    ("is_active", "0", {"is_active": False}),
    ("created_at", 1704096000, {"created_at": EIGHT, "observed_at": EIGHT}),
    ("created_at", "1704096000", {"created_at": EIGHT}),
    ("created_at", 1704096000123, {"created_at": "2024-01-01 08:00:00.123000+00:00"}),
    ("created_at", "1704096000123456", {"created_at": "2024-01-01 08:00:00.123456+00:00"}),
    ("created_at", "1712123000000", {"created_at": "2024-04-03 05:43:20+00:00"}),
    ("created_at", "2024-01-01T08:00:00Z", {"created_at": EIGHT}),
    ("created_at", "2024-01-01 13:30:00+05:30", {"created_at": EIGHT}),
    ("created_at", "20240101", {"created_at": "2024-01-01 00:00:00+00:00"}),
    ("created_at", "0000-00-00 00:00:00", {"created_at": UNKNOWN}),
    ("created_at", None, {"created_at": UNKNOWN}),
    ("updated_at", "0000-00-00", {"updated_at": None}),
    ("extra_metadata", '{"a": NaN}', {"extra_metadata": {"legacy_text": '{"a": NaN}'}}),
    ("extra_metadata", '{"a": 1e999}', {"extra_metadata": {"legacy_text": '{"a": 1e999}'}}),
    ("extra_metadata", '{"a": "\\ud800"}', {"extra_metadata": {"legacy_text": '{"a": "\\ud800"}'}}),
    ("extra_metadata", "[1]", {"extra_metadata": {"legacy_text": [1]}}),
    ("extra_metadata", "no json", {"extra_metadata": {"legacy_text": "no json"}}),
    (
        "source_event_ids",
        '{"a": 1}',
        {"source_event_ids": [], "extra_metadata": {"legacy_source_event_ids": {"a": 1}}},
    ),
    ("source_event_ids", "e1", {"extra_metadata": {"legacy_source_event_ids": {"legacy_text": "e1"}}}),
    ("source_event_ids", None, {"source_event_ids": [], "extra_metadata": None}),
    ("content", None, {"content": ""}),
    ("memory_type", "x" * 40, {"extra_metadata": {"legacy_memory_type": "x" * 40}}),
]
# What cannot be carried: column of a memory, value, and what is said of it.
NAMED = [
    ("created_at", "2024-13-45", "is no time"),
    ("updated_at", 12, "is no time"),
    ("observed_at", "0001-01-01T00:00:00+05:00", "is no time"),
    ("is_active", "maybe", "says neither yes nor no"),
    ("author_id", "a" * 65, "is longer than 64 characters"),
    ("session_id", "s" * 65, "is longer than 64 characters"),
]


@dataclass
class Old:
    """An old database of one user, Ada, whose columns take anything."""

    url: str
    migration: Migration

    def __post_init__(self) -> None:
        self.writer = Writer(self.url)
        kind = "" if self.writer.is_sqlite else " TEXT"  # without a type it keeps what it is given
        for table, shape in TABLES.items():
            columns = ", ".join(f"`{name}`{kind}" for name in shape.names)
            self.writer.execute(f"CREATE TABLE {table} ({columns})")

    def insert(self, table: str, **values: Any) -> None:
        names = ", ".join(f"`{name}`" for name in ("user_id", *values))
        marks = ", ".join(["%s"] * (len(values) + 1))
        self.writer.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", ["ada", *values.values()])

    def memory(self, memory_id: str, **values: Any) -> None:
        usual = {"memory_type": "semantic", "content": f"text of {memory_id}", "created_at": str(START)}
        self.insert("mem_memories", memory_id=memory_id, **{"source_event_ids": "[]", **usual, **values})

    def copy(self) -> Copied:
        self.writer.commit()
        source = open_source(self.url)
        try:
            tables, lease = source.tables(), Lease(self.migration.pk, self.migration.lease_number)
            return user_copy(
                source=source, tables=tables, lease=lease, user_id="ada", vectors=Vectors("m", 64)
            )
        finally:
            source.close()

    def verify(self) -> Verified:
        source = open_source(self.url)
        try:
            return user_verify(source=source, tables=source.tables(), user_id="ada", vectors=Vectors("m", 64))
        finally:
            source.close()


@pytest.fixture
def old(old_url: str, make_user: MakeUser) -> Iterator[Old]:
    made = Old(old_url, Migration.objects.create(source="old", started_at=timezone.now()))
    yield made
    made.writer.close()


def test_odd_values_are_carried_by_rules_or_named(old: Old) -> None:
    for number, (column, value, _) in enumerate(CARRIED):
        old.memory(f"m{number:03}", **{column: value})
    old.memory("narrow", embedding="[1, 2]")
    old.memory("wrong", embedding="no numbers")
    entry = {"operation": "inject", "created_by": "ada", "created_at": str(START), "memory_id": "m001"}
    for edit_id, reason in ((None, "one"), (None, "two"), ("e1", "one"), ("e1", "one"), ("e1", "two")):
        old.insert("mem_edit_log", edit_id=edit_id, reason=reason, **entry)
    old.insert("mem_retrieval_feedback", id="f1", memory_id="m001", signal=None, created_at=1704096000)
    old.insert("mem_user_retrieval_params", feedback_weight=None, temporal_decay_hours="12.5")
    old.insert("mem_entities", entity_id="e1", name=None, display_name="Blue Mountain", entity_type="p" * 30)
    old.insert("mem_memory_entity_links", memory_id="m001", entity_id="e1", source="manual", weight="-7")
    old.insert("mem_memory_entity_links", memory_id="m001", entity_id="nowhere", source="llm")
    old.insert("mem_memory_entity_links", memory_id="m001", entity_id="e1", source="crystal ball")
    old.insert("mem_entity_links", id="l1", memory_id="m001", entity_name=None)
    old.insert("mem_branches", id="b1", name=None, status="deleted", created_at="0000-00-00")
    old.writer.execute("INSERT INTO mem_memories_stats (memory_id, access_count) VALUES ('m001', '')")

    copied = old.copy()

    assert "1 log entries were written twice; the earlier ones were taken" in copied.warnings
    assert "2 links to things that are not there, or have no name, are left out" in copied.warnings
    assert any(warning.startswith("2 vectors of another width") for warning in copied.warnings)
    assert "1 links to things by nobody knows whom are left out" in copied.warnings
    assert f"types of things are cut to 20 letters: {'p' * 30!r}" in copied.warnings
    assert old.verify().mismatches == []
    found = registration_find(user_id="ada")
    assert found is not None
    with user_database(registration_route(found)):
        for number, (column, value, wanted) in enumerate(CARRIED):
            row = Memory.objects.get(memory_id=f"m{number:03}")
            for name, expected in wanted.items():
                here = getattr(row, name)
                shown = str(here) if name.endswith("_at") and here is not None else here
                assert shown == expected, (column, value, name)
        assert sorted(EditLog.objects.values_list("reason", flat=True)) == ["one", "one", "two", "two"]
        assert EditLog.objects.get(edit_id="e1").reason == "one"
        assert Feedback.objects.get().signal == ""
        weights = RetrievalParams.objects.get()
        assert (weights.feedback_weight, weights.temporal_decay_hours) == (0.1, 12.5)
        assert Entity.objects.filter(name="blue mountain", entity_type="p" * 20).exists()
        assert Branch.objects.get(status="deleted").name == ""
        assert MemoryStats.objects.get().access_count == 0

    for number, (column, value, _) in enumerate(NAMED):
        old.memory(f"odd{number}", **{column: value})
    old.memory(None)  # type: ignore[arg-type]
    old.insert("mem_edit_log", **{**entry, "edit_id": "e2", "operation": None})
    old.insert("mem_retrieval_feedback", id=None, memory_id="m001", signal="useful")
    old.insert("mem_entity_links", id="l2", memory_id="m001", entity_name="n" * 201)
    old.insert("mem_branches", id="b2", name="x" * 101, status="deleted")
    old.writer.execute("INSERT INTO mem_memories_stats (memory_id, access_count) VALUES ('m002', 3000000000)")
    with pytest.raises(Invalid) as refused:
        old.copy()
    said = str(refused.value)
    assert said.startswith("12 rows of the old database cannot be carried")
    for number, (column, _, why) in enumerate(NAMED):
        assert re.search(f"table mem_memories, memory_id 'odd{number}', column {column}: [^;]* {why}", said)
    for each in (
        "table mem_memories, memory_id None, column memory_id: None is lacking",
        "table mem_edit_log, edit_id 'e2', column operation: None is lacking",
        "table mem_retrieval_feedback, id None, column id: None is lacking",
        "table mem_entity_links, id 'l2', column name of the entity: 'nnn",
        "table mem_branches, id 'b2', column name: 'xxx",
        "table mem_memories_stats, memory_id 'm002', column access_count: 3000000000 is too large",
    ):
        assert each in said
    old.writer.execute("UPDATE mem_memories SET created_at = 'soon'")
    with pytest.raises(Invalid, match=r"^4\d rows of .*; …$") as refused:
        old.copy()
    assert str(refused.value).count("table ") == 20
