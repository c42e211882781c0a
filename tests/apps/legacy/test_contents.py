"""What arrives is what was there: every column of every copied table, compared here by plain SQL on both sides."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from django.db import connection

from apps.legacy.services.control_rows import control_rows_copy
from apps.legacy.services.digests import source_digests
from apps.legacy.source import COLUMNS
from apps.tenancy import sql
from apps.tenancy.scope import user_database
from apps.tenancy.selectors import registration_find, registration_route
from tests.apps.legacy.test_verifying import Copied, copied

__all__ = ["copied"]  # the fixture

Value = Callable[[Any], Any]
OWN = f"HEX(user_id) = '{b'ada'.hex()}'"
"""Of ada, and not of Ada or ``ada ``, who are the same to most collations."""


def plain(value: Any) -> Any:
    """A text, or None for nothing and for the empty text."""
    return (value.decode() if isinstance(value, bytes) else value) or None


def texts(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(map(plain, row))


def moment(value: Any) -> Any:
    if not value:
        return None
    found = value if isinstance(value, datetime) else datetime.fromisoformat(plain(value))
    return found.replace(tzinfo=found.tzinfo or UTC).timestamp()


def data(value: Any) -> Any:
    """JSON in one spelling; nothing, {} and [] are the same."""
    found = json.loads(value) if isinstance(value, str | bytes) and value else value
    return json.dumps(found, sort_keys=True) if found else None


def number(value: Any) -> Any:
    return round(float(value), 6)


def stored_vector(value: Any) -> Any:
    return None if value is None else np.frombuffer(value, "<f2").tobytes()


def old_vector(value: Any) -> Any:
    """Numbers as text or as bytes, which are none that a text could have."""
    if not value or value in ("[]", b"[]"):
        return None
    try:
        numbers = np.array(json.loads(value), dtype=np.float32)
    except ValueError:
        numbers = np.frombuffer(value, "<f4")
    return (numbers / np.linalg.norm(numbers)).astype("<f2").tobytes()


SAME: dict[str, dict[str, Value]] = {
    "mem_memories": {
        **dict.fromkeys(
            "memory_id user_id author_id subject_id memory_type content session_id".split(), plain
        ),
        **dict.fromkeys(("source_event_ids", "extra_metadata"), data),
        **dict.fromkeys(("superseded_by", "trust_tier"), plain),
        **dict.fromkeys(("is_active", "initial_confidence"), number),
        **dict.fromkeys(("observed_at", "created_at", "updated_at"), moment),
    },
    "mem_memories_stats": {
        "memory_id": plain,
        **dict.fromkeys("access_count feedback_useful feedback_irrelevant".split(), number),
        **dict.fromkeys("feedback_outdated feedback_wrong".split(), number),
        **dict.fromkeys(("last_accessed_at", "last_feedback_at"), moment),
    },
    "mem_branches": {"user_id": plain, "name": plain, "status": plain, "created_at": moment},
    "mem_snapshots": {
        **dict.fromkeys(("user_id", "name", "snapshot_name"), plain),
        "extra": data,
        "created_at": moment,
    },
    "mem_user_state": {"user_id": plain, "active_branch": plain, "updated_at": moment},
    "mem_edit_log": {
        **dict.fromkeys(
            "edit_id user_id memory_id operation reason snapshot_before created_by".split(), plain
        ),
        "payload": data,
        "created_at": moment,
    },
    "mem_retrieval_feedback": {
        **dict.fromkeys(("memory_id", "signal", "context"), plain),
        "created_at": moment,
    },
    "mem_user_retrieval_params": dict.fromkeys(
        ("feedback_weight", "temporal_decay_hours", "confidence_weight"), number
    ),
    "mem_api_keys": {
        **dict.fromkeys(("key_id", "user_id", "name", "key_hash", "key_prefix"), plain),
        "is_active": number,
        **dict.fromkeys(("created_at", "expires_at", "last_used_at"), moment),
    },
    "mem_tool_usage": {"user_id": plain, "tool_name": plain, "last_used_at": moment},
    "mem_governance_cooldown": {"user_id": plain, "operation": plain, "last_run_at": moment},
}
# Columns of which the values are compared below, or that the new tables have otherwise.
OTHERWISE = {
    "mem_memories": {"embedding"},
    "mem_branches": {"id", "table_name"},  # compared as what the branch holds
    "mem_snapshots": {"id", "status"},  # none of them can be gone back to
    "mem_retrieval_feedback": {"id", "user_id"},  # feedback_id here, in a database of the user's own
    "mem_user_retrieval_params": {"user_id", "updated_at"},  # the same, and no time
    "mem_api_keys": {"group_id"},  # group keys are not moved
    "mem_entities": set(COLUMNS["mem_entities"].split()),
    "mem_memory_entity_links": set(COLUMNS["mem_memory_entity_links"].split()),
    "mem_entity_links": set(COLUMNS["mem_entity_links"].split()),
}
CONTROL = ("mem_api_keys", "mem_tool_usage", "mem_governance_cooldown")


def test_every_column_is_compared() -> None:
    for table, columns in COLUMNS.items():
        assert set(columns.split()) == SAME.get(table, {}).keys() | OTHERWISE.get(table, set()), table


@pytest.fixture
def here(copied: Copied) -> Callable[[str], list[tuple[Any, ...]]]:
    """Rows of ada's database, or of the control plane where that has the table."""
    found = registration_find(user_id="ada")
    assert found is not None

    def rows(statement: str) -> list[tuple[Any, ...]]:
        if any(table in statement for table in CONTROL):
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall())
        with user_database(registration_route(found)):
            return sql.query(statement)

    return rows


def test_what_arrives_is_what_was_there(copied: Copied, here: Callable[[str], list[tuple[Any, ...]]]) -> None:
    # W-07, W-43
    there = copied.writer.execute
    control_rows_copy(
        source=copied.source, tables=copied.tables, user_ids=["ada"], since=copied.migration.started_at
    )
    for table, columns in SAME.items():
        names = ", ".join(f"`{name}`" for name in columns)
        ids = f"SELECT memory_id FROM mem_memories WHERE {OWN} UNION SELECT memory_id FROM br_000000_work WHERE {OWN}"
        where = f"memory_id IN ({ids})" if table == "mem_memories_stats" else OWN
        if table == "mem_api_keys":
            where += " AND group_id IS NULL"  # those of groups are not moved
        old = there(f"SELECT {names} FROM {table} WHERE {where}")
        new = here(f"SELECT {names} FROM {table} {'WHERE id <> 1' if table == 'mem_branches' else ''}")
        compared = [
            Counter(tuple(f(v) for f, v in zip(columns.values(), row, strict=True)) for row in rows)
            for rows in (old, new)
        ]
        assert compared[0], table
        assert compared[0] == compared[1], table
    assert {plain(row[0]) for row in there(f"SELECT id FROM mem_retrieval_feedback WHERE {OWN}")} == {
        row[0] for row in here("SELECT feedback_id FROM mem_retrieval_feedback")
    }


def test_vectors_branches_and_links_arrive(
    copied: Copied, here: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    # W-40, W-41
    there = copied.writer.execute
    old = {
        plain(key): old_vector(raw)
        for key, raw in there(f"SELECT memory_id, embedding FROM mem_memories WHERE {OWN}")
    }
    joined = (
        "SELECT m.memory_id, e.vector FROM mem_memories m LEFT JOIN mem_embeddings e ON e.id = m.embedding_id"
    )
    assert {key: stored_vector(raw) for key, raw in here(joined)} == old

    branches = there(f"SELECT name, table_name FROM mem_branches WHERE {OWN} AND status = 'active'")
    assert len(branches) == 2
    for name, table in map(texts, branches):
        wanted = there(f"SELECT memory_id, content FROM {table} WHERE {OWN}")
        (branch,) = here(f"SELECT id, fork_seq FROM mem_branches WHERE live_name = '{name}'")
        seen = here(
            f"SELECT memory_id, content FROM mem_revisions WHERE branch_id = {branch[0]} AND absent = 0 UNION ALL"
            f" SELECT memory_id, content FROM mem_memories WHERE born <= {branch[1]} AND memory_id NOT IN"
            f" (SELECT memory_id FROM mem_revisions WHERE branch_id = {branch[0]})"
        )
        assert Counter(seen) == Counter(map(texts, wanted)), name

    told = {
        (plain(key), plain(name).lower(), plain(shown), plain(kind), plain(source))
        for key, name, shown, kind, source in there(
            "SELECT l.memory_id, e.name, e.display_name, e.entity_type, l.source FROM mem_memory_entity_links l"
            f" JOIN mem_entities e ON e.entity_id = l.entity_id WHERE {OWN.replace('user_id', 'l.user_id')}"
            " AND l.source <> 'regex'"
        )
    }
    told |= {
        (plain(key), plain(name).lower(), plain(name), plain(kind), "manual")
        for key, name, kind in there(
            f"SELECT memory_id, entity_name, entity_type FROM mem_entity_links WHERE {OWN}"
        )
    }
    found = here(
        "SELECT l.memory_id, e.name, e.display_name, e.entity_type, l.source FROM mem_memory_entity_links l"
        " JOIN mem_entities e ON e.id = l.entity_id WHERE l.source <> 'rules'"
    )
    assert set(found) == told


def test_every_copied_column_counts_for_its_owner(copied: Copied) -> None:
    """Who is unchanged is neither copied nor verified again."""
    writer, source = copied.writer, copied.source
    missed = []
    for table, columns in COLUMNS.items():
        tables = {name: copied.tables[name] for name in (table, "mem_memories")}
        before = source_digests(source=source, tables=tables)
        key = {"mem_memory_entity_links": "entity_id", "mem_tool_usage": "tool_name"}.get(
            table, COLUMNS[table].split()[0]
        )
        own = (
            OWN
            if table != "mem_memories_stats"
            else f"memory_id IN (SELECT memory_id FROM mem_memories WHERE {OWN})"
        )
        for column in (name for name in columns.split() if name != "user_id"):
            row = writer.execute(f"SELECT {key} FROM {table} WHERE {own} ORDER BY 1 LIMIT 1")[0][0]
            value = "2031-02-03 04:05:06.000007" if column.endswith("_at") else "7"
            writer.execute(f"UPDATE {table} SET `{column}` = %s WHERE {key} = %s AND {own}", [value, row])
            writer.commit()
            after = source_digests(source=source, tables=tables)
            if {user for user in before if before[user] != after[user]} != {"ada"}:
                missed.append(f"{table}.{column}")
            before = after
    assert missed == []
