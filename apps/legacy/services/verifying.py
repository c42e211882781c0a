"""Proof that a user's database holds what the old one does: counts and checksums that do not depend on order.

Reads both sides with plain SQL and normalises values by itself; nothing of the copying is used, so that a mistake
there shows here.
"""

import hashlib
import json
import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from apps.legacy.models import MigratedUser, Phase
from apps.legacy.services.copying import Vectors
from apps.legacy.services.digests import target_digest
from apps.legacy.source import Row, Source, log_rows, stats_rows, user_rows
from apps.memories.models import OPEN
from apps.tenancy import sql
from apps.tenancy.scope import user_database
from apps.tenancy.selectors import registration_find, registration_route
from memoria.digest import content_hash

_TEXTS = (
    "memory_id user_id author_id subject_id session_id memory_type content trust_tier superseded_by".split()
)
# What is kept under a name of its own where it is no word of ours, and what stands in its place.
_WORDS = (
    ("memory_type", "semantic working episodic profile tool_result procedural", "semantic"),
    ("trust_tier", "T1 T2 T3 T4", "T3"),
)
_TIMES = ("observed_at", "created_at", "updated_at")
_COLUMNS = ", ".join(
    f"m.{name}"
    for name in (
        *_TEXTS,
        "initial_confidence",
        "is_active",
        "source_event_ids",
        "extra_metadata",
        *_TIMES,
        "content_hash",
    )
)
_VECTORS = "LEFT JOIN mem_embeddings e ON e.id = m.embedding_id"


@dataclass
class Sum:
    """Count and checksum of a set of rows."""

    rows: int = 0
    total: int = 0

    def add(self, values: Any) -> None:
        encoded = json.dumps(values, sort_keys=True, ensure_ascii=False, default=str).encode(
            "utf-8", "surrogatepass"
        )
        self.total += int.from_bytes(hashlib.sha256(encoded).digest()[:16], "big")
        self.rows += 1

    def __str__(self) -> str:
        return f"{self.rows}:{self.total % 2**128:032x}"


@dataclass
class Verified:
    user_id: str
    tables: dict[str, tuple[str, str]] = field(default_factory=dict)
    """`rows:checksum` of source and target."""
    mismatches: list[str] = field(default_factory=list)
    target_digest: str = ""
    content_digest: str = ""
    is_unchanged: bool = False
    """Nothing was compared: neither side has changed since the last comparison."""


def user_verify(
    *, source: Source, tables: dict[str, list[str]], user_id: str, vectors: Vectors | None
) -> Verified:
    """Compare everything of one user. Mismatches name the table."""
    result = Verified(user_id)
    found = registration_find(user_id=user_id)
    if found is None:
        result.mismatches.append("the user has no database here")
        return result
    with user_database(registration_route(found)):
        check = _Check(source, tables, user_id, vectors, result)
        check.memories()
        check.branches()
        check.around()
        check.names()
        check.references()
        found_here = target_digest()
        result.target_digest, result.content_digest = found_here.everything, found_here.content
    return result


def user_is_unchanged(*, user_id: str, source_digest: str) -> bool:
    """Whether both sides are still what they were when they were found equal."""
    row = MigratedUser.objects.filter(pk=user_id, phase=Phase.VERIFIED, source_digest=source_digest).first()
    found = registration_find(user_id=user_id)
    if row is None or found is None or not (source_digest and row.target_digest):
        return False
    with user_database(registration_route(found)):
        return target_digest().everything == row.target_digest


class _Check:
    def __init__(
        self,
        source: Source,
        tables: dict[str, list[str]],
        user_id: str,
        vectors: Vectors | None,
        result: Verified,
    ) -> None:
        self.source, self.tables, self.user_id = source, tables, user_id
        self.vectors, self.result = vectors, result
        self.ids: set[str] = set()

    def memories(self) -> None:
        joined = f"SELECT m.id, {_COLUMNS}, e.vector FROM mem_memories m {_VECTORS} WHERE 1 = 1"
        self._compare(
            "mem_memories", self._old("mem_memories"), map(self._new_memory, _pages(joined, "m.id"))
        )

    def branches(self) -> None:
        """Each branch as its reader sees it: its own rows, and main's of its fork that it has not touched."""
        live: dict[str, str] = {}
        made: dict[str, tuple[Any, str]] = {}
        for batch in user_rows(self.source, self.tables, "mem_branches", self.user_id):
            for row in batch:
                name = row["name"]
                order = (_time(row.get("created_at")), str(row["id"]))
                if (
                    row.get("status") == "active"
                    and name != "main"
                    and (name not in made or order > made[name])
                ):
                    live[name], made[name] = row["table_name"], order
        here = dict(
            sql.query("SELECT live_name, id FROM mem_branches WHERE live_name IS NOT NULL AND id <> 1")
        )
        if set(here) != set(live):
            self.result.mismatches.append(f"mem_branches: {sorted(live)} there, {sorted(here)} here")
        for name in sorted(set(here) & set(live)):
            own = _pages(
                f"SELECT m.id, {_COLUMNS}, e.vector FROM mem_revisions m {_VECTORS}"
                " WHERE m.branch_id = %s AND m.died = %s AND m.absent = 0",
                "m.id",
                [here[name], OPEN],
            )
            inherited = _pages(
                f"SELECT m.id, {_COLUMNS}, e.vector FROM mem_memories m {_VECTORS}"
                " JOIN mem_branches b ON b.id = %s WHERE m.born <= b.fork_seq AND NOT EXISTS (SELECT 1"
                " FROM mem_revisions o WHERE o.branch_id = b.id AND o.memory_id = m.memory_id AND o.died = %s)",
                "m.id",
                [here[name], OPEN],
            )
            seen = (self._new_memory(row) for rows in (own, inherited) for row in rows)
            self._compare(f"branch {name}", self._old(live[name]), seen)

    def around(self) -> None:
        user = self.user_id
        self._compare(
            "mem_edit_log",
            (
                [
                    r["edit_id"],
                    r.get("memory_id") or None,
                    r["operation"],
                    _json(r.get("payload")),
                    r.get("reason") or "",
                    r.get("snapshot_before") or None,
                    _time(r.get("created_at"), True),
                    r.get("created_by") or user,
                ]
                for batch in log_rows(self.source, self.tables, user)
                for r in batch
            ),
            (
                [r[0], r[1], r[2], _json(r[3]), r[4], r[5], _time(r[6], True), r[7]]
                for r in _pages(
                    "SELECT edit_id, edit_id, memory_id, operation, payload, reason, snapshot_before, created_at,"
                    " created_by FROM mem_edit_log WHERE 1 = 1",
                    "edit_id",
                )
            ),
        )
        self._compare(
            "mem_retrieval_feedback",
            (
                [r["id"], r["memory_id"], r["signal"], r.get("context"), _time(r["created_at"], True)]
                for r in self._rows("mem_retrieval_feedback")
            ),
            (
                [*r[:4], _time(r[4], True)]
                for r in _pages(
                    "SELECT feedback_id, feedback_id, memory_id, `signal`, context, created_at"
                    " FROM mem_retrieval_feedback WHERE 1 = 1",
                    "feedback_id",
                )
            ),
        )
        self._compare(
            "mem_user_retrieval_params",
            (
                [float(r[c]) for c in ("feedback_weight", "temporal_decay_hours", "confidence_weight")]
                for r in self._rows("mem_user_retrieval_params")
            ),
            (
                list(map(float, r))
                for r in sql.query(
                    "SELECT feedback_weight, temporal_decay_hours, confidence_weight FROM mem_user_retrieval_params"
                )
            ),
        )
        self._compare(
            "mem_user_state",
            ([r["user_id"], r["active_branch"] or "main"] for r in self._rows("mem_user_state")),
            (list(r) for r in sql.query("SELECT user_id, active_branch FROM mem_user_state")),
        )
        counts = "access_count feedback_useful feedback_irrelevant feedback_outdated feedback_wrong".split()
        stats = stats_rows(self.source, self.tables, self.ids)
        times = ("last_accessed_at", "last_feedback_at")
        self._compare(
            "mem_memories_stats",
            (
                [r["memory_id"], *(int(r.get(c) or 0) for c in counts), *(_time(r.get(c)) for c in times)]
                for batch in stats
                for r in batch
            ),
            (
                [r[0], *map(int, r[1:6]), *map(_time, r[6:])]
                for r in _pages(
                    f"SELECT memory_id, memory_id, {', '.join(counts)}, {', '.join(times)}"
                    " FROM mem_memories_stats WHERE 1 = 1",
                    "memory_id",
                )
            ),
        )

    def names(self) -> None:
        """Snapshots and branches by name, and the links that somebody made."""
        self._compare(
            "mem_snapshots",
            ([r["name"], r.get("snapshot_name")] for r in self._rows("mem_snapshots")),
            (list(r) for r in sql.query("SELECT name, snapshot_name FROM mem_snapshots")),
        )
        self._compare(
            "mem_branches",
            (
                [r["name"], _time(r.get("created_at"), True)]
                for r in self._rows("mem_branches")
                if r["name"] and r["name"] != "main"
            ),
            (
                [name, _time(at, True)]
                for name, at in sql.query("SELECT name, created_at FROM mem_branches WHERE id <> 1")
            ),
        )
        named = {r["entity_id"]: str(r["name"]).lower() for r in self._rows("mem_entities")}
        told = {
            (r["memory_id"], named[r["entity_id"]])
            for r in self._rows("mem_memory_entity_links")
            if r["source"] in ("manual", "llm") and r["entity_id"] in named
        }
        told |= {
            (r["memory_id"], r["entity_name"].lower())
            for r in self._rows("mem_entity_links")
            if r["entity_name"]
        }
        here = sql.query(
            "SELECT l.memory_id, e.name FROM mem_memory_entity_links l JOIN mem_entities e ON e.id = l.entity_id"
            " WHERE l.source IN ('manual', 'llm')"
        )
        self._compare("mem_memory_entity_links", map(list, sorted(told)), map(list, here))

    def references(self) -> None:
        entries = sql.query("SELECT COUNT(*) FROM mem_edit_log WHERE user_id <> %s", [self.user_id])[0][0]
        if entries:
            self.result.mismatches.append(f"mem_edit_log: {entries} rows of another user")
        for table in ("mem_memories", "mem_revisions"):
            foreign = sql.query(f"SELECT COUNT(*) FROM {table} WHERE user_id <> %s", [self.user_id])[0][0]
            dangling = sql.query(
                f"SELECT COUNT(*) FROM {table} m LEFT JOIN mem_embeddings e ON e.id = m.embedding_id"
                " WHERE m.embedding_id IS NOT NULL AND e.id IS NULL"
            )[0][0]
            if foreign:
                self.result.mismatches.append(f"{table}: {foreign} rows of another user")
            if dangling:
                self.result.mismatches.append(f"{table}: {dangling} rows name a vector that is not there")
        loose = sql.query(
            "SELECT COUNT(*) FROM mem_memory_entity_links l LEFT JOIN mem_entities e ON e.id = l.entity_id"
            " WHERE e.id IS NULL"
        )[0][0]
        if loose:
            self.result.mismatches.append(f"mem_memory_entity_links: {loose} links lead nowhere")
        active = sql.query("SELECT COUNT(*) FROM mem_memories WHERE is_active = 1")[0][0]
        if sql.query("SELECT active_count FROM mem_clock")[0][0] != active:
            self.result.mismatches.append("mem_clock: the count of active memories is wrong")

    def _rows(self, table: str) -> Iterator[Row]:
        for batch in user_rows(self.source, self.tables, table, self.user_id):
            yield from batch

    def _old(self, table: str) -> Iterator[list[Any]]:
        for row in self._rows(table):
            self.ids.add(row["memory_id"])
            created = _time(row["created_at"], True)
            metadata = _json(row.get("extra_metadata"))
            if metadata is not None and not isinstance(metadata, dict):
                metadata = {"legacy_text": metadata}
            events = _json(row.get("source_event_ids"))
            confidence, active = row.get("initial_confidence"), row.get("is_active")
            values: dict[str, Any] = {name: row.get(name) or None for name in _TEXTS}
            values["content"] = row["content"] or ""
            values["memory_type"] = values["memory_type"] or "semantic"
            values["trust_tier"] = values["trust_tier"] or "T1"
            for name, known, instead in _WORDS:
                if values[name] not in known.split():
                    metadata = {**(metadata or {}), f"legacy_{name}": values[name]}
                    values[name] = instead
            yield [
                *(values[name] for name in _TEXTS),
                round(0.95 if confidence is None else float(confidence), 6),
                1 if active is None else int(active),
                events if isinstance(events, list) else [],
                metadata or None,
                _time(row.get("observed_at")) or created,
                created,
                _time(row.get("updated_at")),
                content_hash(values["content"]),
                self._old_vector(row.get("embedding")),
            ]

    def _new_memory(self, row: tuple[Any, ...]) -> list[Any]:
        texts, (confidence, active, events, metadata, *times, text_hash, vector) = row[:9], row[9:]
        return [
            *texts,
            round(float(confidence), 6),
            int(active),
            _json(events) or [],
            _json(metadata) or None,
            *map(_time, times),
            text_hash,
            bytes(vector).hex() if vector is not None and self.vectors is not None else None,
        ]

    def _old_vector(self, raw: Any) -> str | None:
        """The vector as it must be stored: normalised, then rounded to two bytes a number."""
        if self.vectors is None or raw in (None, "", b""):
            return None
        if isinstance(raw, bytes) and raw[:1] != b"[":
            if len(raw) != 4 * self.vectors.dim:
                return None
            numbers: Any = struct.unpack(f"<{len(raw) // 4}f", raw)
        else:
            try:
                numbers = msgspec.json.decode(raw, type=list[float])
            except msgspec.MsgspecError:
                return None
        if len(numbers) != self.vectors.dim:
            return None
        single = np.asarray(numbers, dtype=np.float32)
        norm = float(np.linalg.norm(single))
        return (single / norm).astype("<f2").tobytes().hex() if norm and math.isfinite(norm) else None

    def _compare(self, table: str, old: Iterable[list[Any]], new: Iterable[list[Any]]) -> None:
        there, here = Sum(), Sum()
        for values in old:
            there.add(values)
        for values in new:
            here.add(values)
        self.result.tables[table] = (str(there), str(here))
        if there.rows != here.rows:
            self.result.mismatches.append(f"{table}: {there.rows} rows in the old database, {here.rows} here")
        elif there.total != here.total:
            self.result.mismatches.append(f"{table}: the contents differ")


def _pages(
    statement: str, key: str, parameters: Iterable[Any] = (), size: int = 2_000
) -> Iterator[tuple[Any, ...]]:
    """The rows of a statement without its first column, `key`, by which it is read a page at a time: a user may have
    more rows than memory."""
    last: list[Any] = []
    while True:
        beyond = f" AND {key} > %s" if last else ""
        page = sql.query(f"{statement}{beyond} ORDER BY {key} LIMIT {size}", [*parameters, *last])
        yield from (row[1:] for row in page)
        if len(page) < size:
            return
        last = [page[-1][0]]


def _time(value: Any, required: bool = False) -> str | None:
    if value in (None, ""):
        return "2000-01-01T00:00:00+00:00" if required else None
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def _json(value: Any) -> Any:
    if not isinstance(value, str | bytes):
        return value
    raw = value.decode() if isinstance(value, bytes) else value
    if not raw.strip():
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return {"legacy_text": raw}
