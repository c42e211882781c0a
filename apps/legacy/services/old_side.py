"""One user's part of the old database as the proof reads it: by statements of its own, values made comparable here.

Copying and this share no more than the open connection, so that a mistake in either shows as a difference.
"""

import hashlib
import json
import math
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np

from apps.legacy.scratch import Scratch
from apps.legacy.source import Row, Source, as_shown
from memoria.digest import content_hash
from memoria.errors import Invalid

TEXTS = (
    "memory_id user_id author_id subject_id session_id memory_type content trust_tier superseded_by".split()
)
# What is kept under a name of its own where it is no word of ours, and what stands in its place.
_WORDS = (
    ("memory_type", "semantic working episodic profile tool_result procedural".split(), "semantic"),
    ("trust_tier", "T1 T2 T3 T4".split(), "T3"),
)
_MEMORY = (
    *TEXTS,
    *"initial_confidence is_active source_event_ids extra_metadata".split(),
    *"observed_at created_at updated_at embedding".split(),
)
COUNTS = "access_count feedback_useful feedback_irrelevant feedback_outdated feedback_wrong".split()
_AT_ONCE = 1_000
_BRANCH_TABLE = re.compile(r"\Abr_[A-Za-z0-9_]{1,61}\Z")


class Line(NamedTuple):
    """A branch of the old database."""

    name: str
    created_at: str
    table: str


class OldSide:
    """Each method gives the values of one table, row by row. What was read is remembered for checks that follow."""

    def __init__(
        self,
        source: Source,
        tables: dict[str, list[str]],
        user_id: str,
        vector_dim: int | None,
        tick: Callable[[int], None],
    ) -> None:
        self.source, self.tables, self.user_id, self.vector_dim = source, tables, user_id, vector_dim
        self._tick = tick
        self.scratch = Scratch()
        self.ids = self.scratch.shelf()
        """Memories of main and of all branches."""
        self.without_vector = self.scratch.shelf()
        self.read: Counter[str] = Counter()
        self.live, self.gone = self._lines()

    def close(self) -> None:
        self.scratch.close()

    def _rows(self, table: str, *columns: str, order: str = "") -> Iterator[Row]:
        for batch in self._batches(table, *columns, order=order):
            yield from batch

    def _batches(self, table: str, *columns: str, order: str = "") -> Iterator[list[Row]]:
        """The owner is compared here, not by the server, whose collations take other names for the same."""
        if table not in self.tables:
            return
        self.read[table] = 0
        there = [name for name in ("user_id", *columns) if name in self.tables[table]]
        listed = ", ".join(map(self.source.name, dict.fromkeys(there)))
        statement = f"SELECT {listed} FROM {self.source.name(table)} WHERE {self.source.name('user_id')} = %s"
        if order:
            statement += f" ORDER BY {self.source.bytewise(order)}"
        for batch in self.source.rows(statement, [self.user_id]):
            own = [row for row in batch if text(row["user_id"]) == self.user_id]
            self.read[table] += len(own)
            self._tick(len(own))
            yield [_readable(table, columns[0], row) for row in own]

    def counted_otherwise(self) -> list[str]:
        """Tables of which the old database counts other numbers of rows than were read: it has changed meanwhile, or
        rows were lost on the way.
        """
        if not self.read:
            return []
        owner = self.source.name("user_id")
        own = f"{owner} = %s AND {self.source.bytewise('user_id')} = %s"
        tables = sorted(self.read)
        counts = " UNION ALL ".join(
            f"SELECT {number} AS t, COUNT(*) AS n FROM {self.source.name(table)} WHERE {own}"
            for number, table in enumerate(tables)
        )
        both = [self.user_id, self.user_id.encode() if self.source.is_mysql else self.user_id]
        found = {
            tables[int(row["t"])]: int(row["n"])
            for batch in self.source.rows(counts, both * len(tables))
            for row in batch
        }
        return [
            f"{table}: {found[table]} rows counted in the old database, {self.read[table]} read"
            for table in tables
            if found[table] != self.read[table]
        ]

    # --- memories ---

    def memories(self, table: str) -> Iterator[list[Any]]:
        for batch in self._batches(table, *_MEMORY):
            self.ids.add(text(row["memory_id"]) or "" for row in batch)
            for row in batch:
                yield self._memory(row)

    def _memory(self, row: Row) -> list[Any]:
        created = time(row["created_at"], required=True)
        metadata = decoded(row.get("extra_metadata"))
        if metadata is not None and not isinstance(metadata, dict):
            metadata = {"legacy_text": metadata}
        values: dict[str, Any] = {name: text(row.get(name)) for name in TEXTS}
        values["content"] = values["content"] or ""
        values["memory_type"] = values["memory_type"] or "semantic"
        values["trust_tier"] = values["trust_tier"] or "T1"
        kept = {}
        for name, known, instead in _WORDS:
            if values[name] not in known:
                kept[f"legacy_{name}"] = values[name]
                values[name] = instead
        confidence = _decimal(row.get("initial_confidence"), 0.95)
        if confidence is None:
            kept["legacy_initial_confidence"], confidence = text(row["initial_confidence"]), 0.95
        events = decoded(row.get("source_event_ids"))
        if events and not isinstance(events, list):
            kept["legacy_source_event_ids"], events = events, []
        if kept:
            metadata = (metadata or {}) | kept
        vector = self._vector(row.get("embedding"))
        if vector is None:
            self.without_vector.add([values["memory_id"] or ""])
        return [
            *values.values(),
            round(confidence, 6),
            truth(row.get("is_active")),
            events or [],
            metadata or None,
            time(row.get("observed_at")) or created,
            created,
            time(row.get("updated_at")),
            content_hash(values["content"]),
            vector,
        ]

    def _vector(self, raw: Any) -> str | None:
        """The vector as it must be stored: normalised, then rounded to two bytes a number."""
        if self.vector_dim is None or raw in (None, "", b""):
            return None
        try:
            numbers: Any = msgspec.json.decode(raw, type=list[float])
        except (ValueError, msgspec.MsgspecError):  # bytes may begin like a text
            if not isinstance(raw, bytes) or len(raw) != 4 * self.vector_dim:
                return None
            numbers = struct.unpack(f"<{self.vector_dim}f", raw)
        if len(numbers) != self.vector_dim:
            return None
        single = np.asarray(numbers, dtype=np.float32)
        norm = float(np.linalg.norm(single))
        return (single / norm).astype("<f2").tobytes().hex() if norm and math.isfinite(norm) else None

    def _lines(self) -> tuple[list[Line], list[Line]]:
        """Branches in use, the oldest first, and the others. Of namesakes the newest is in use.

        Those of one age, as all are where nothing tells it, keep the order of their rows.
        """
        in_use: dict[str, tuple[Any, Line]] = {}
        gone = []
        for row in self._rows("mem_branches", "id", "name", "table_name", "status", "created_at"):
            name = text(row.get("name")) or ""
            if name == "main":
                continue
            line = Line(
                name, time(row.get("created_at"), required=True) or "", text(row.get("table_name")) or ""
            )
            age = (line.created_at, str(text(row.get("id")) or ""))
            if not name or text(row.get("status", "active")) != "active" or not self._is_readable(line.table):
                gone.append(line)
            elif name not in in_use or age >= in_use[name][0]:
                gone += [in_use.pop(name)[1]] if name in in_use else []
                in_use[name] = (age, line)
            else:
                gone.append(line)
        return [line for _, line in sorted(in_use.values(), key=itemgetter(0))], gone

    def _is_readable(self, table: str) -> bool:
        return table in self.tables and _BRANCH_TABLE.match(table) is not None

    # --- what surrounds memories ---

    def edits(self) -> Iterator[list[Any]]:
        """The table has no key: of entries that were written twice the earliest counts."""
        columns = "edit_id memory_id operation payload reason snapshot_before created_at created_by".split()
        rows = self._rows("mem_edit_log", *columns, order="edit_id")
        for edit_id, row in self._entries(rows):
            yield [
                edit_id,
                self.user_id,
                text(row.get("memory_id")),
                text(row["operation"]),
                decoded(row.get("payload")),
                text(row.get("reason")) or "",
                text(row.get("snapshot_before")),
                None,
                time(row.get("created_at"), required=True),
                text(row.get("created_by")) or self.user_id,
            ]

    def _entries(self, rows: Iterator[Row]) -> Iterator[tuple[str, Row]]:
        """Entries with their ids. What a second one of the same id says otherwise is an entry of its own."""
        says = ("memory_id", "operation", "payload", "reason", "snapshot_before", "created_by")

        def mark(row: Row, columns: Iterable[str]) -> str:
            words = "\n".join(str(text(row.get(name)) or "") for name in columns)
            return "~" + hashlib.sha256(words.encode()).hexdigest()[:32]

        for edit_id, same in groupby(rows, key=lambda row: text(row["edit_id"])):
            if edit_id is None:  # may be all of them, none of which is held
                seen = self.scratch.shelf()
                while part := {mark(row, (*says, "created_at")): row for row in islice(same, _AT_ONCE)}:
                    fresh = list(seen.lacking(part))
                    yield from ((marked, part[marked]) for marked in fresh)
                    seen.add(fresh)
                continue
            first: dict[str, Row] = {}
            for row in sorted(same, key=lambda each: str(each.get("created_at"))):
                first.setdefault(mark(row, says), row)
            for number, (marked, row) in enumerate(first.items()):
                yield (edit_id[:31] + marked if number else edit_id), row

    def feedback(self) -> Iterator[list[Any]]:
        for row in self._rows("mem_retrieval_feedback", "id", "memory_id", "signal", "context", "created_at"):
            told = [
                text(row["id"]),
                text(row["memory_id"]),
                text(row["signal"]) or "",
                text(row.get("context")),
            ]
            yield [*told, time(row.get("created_at"), required=True)]

    def params(self) -> Iterator[list[Any]]:
        weights = {"feedback_weight": 0.1, "temporal_decay_hours": 168.0, "confidence_weight": 0.1}
        for row in self._rows("mem_user_retrieval_params", *weights):
            yield [1, *(_decimal(row[name], usual) for name, usual in weights.items()), None]

    def state(self) -> Iterator[list[Any]]:
        for row in self._rows("mem_user_state", "active_branch", "updated_at"):
            yield [
                self.user_id,
                text(row["active_branch"]) or "main",
                time(row.get("updated_at"), required=True),
            ]

    def snapshots(self) -> Iterator[list[Any]]:
        for row in self._rows("mem_snapshots", "name", "snapshot_name", "extra", "created_at"):
            names = [text(row["name"]) or "", text(row["snapshot_name"]) or "", None]
            extra = decoded(row.get("extra")) or {}
            made = time(row.get("created_at"), required=True)
            yield [self.user_id, *names, 0, "named", extra, "deleted", made]

    def branches(self) -> Iterator[list[Any]]:
        for number, line in enumerate(self.live, start=1):
            yield [self.user_id, line.name, line.name, number, None, "active", self.user_id, line.created_at]
        for line in self.gone:
            yield [self.user_id, line.name, None, 0, None, "deleted", self.user_id, line.created_at]

    def stats(self) -> Iterator[list[Any]]:
        """Of the memories that were read before; the table has no user."""
        if "mem_memories_stats" not in self.tables:
            return
        columns = ["memory_id", *COUNTS, "last_accessed_at", "last_feedback_at"]
        there = [name for name in columns if name in self.tables["mem_memories_stats"]]
        listed, ids = ", ".join(map(self.source.name, there)), iter(self.ids)
        while part := list(islice(ids, _AT_ONCE)):
            marks = ", ".join(["%s"] * len(part))
            statement = f"SELECT {listed} FROM mem_memories_stats WHERE memory_id IN ({marks})"
            asked = frozenset(part)
            for batch in self.source.rows(statement, part):
                for row in batch:
                    if (memory_id := text(row["memory_id"])) in asked:
                        _readable("mem_memories_stats", "memory_id", row)
                        counts = [int(_decimal(row.get(name), 0) or 0) for name in COUNTS]
                        times = [time(row.get("last_accessed_at")), time(row.get("last_feedback_at"))]
                        yield [memory_id, *counts, *times, 0, None]

    def links(self) -> "Links":
        """What people or a model linked memories to."""
        told, entities = Links(self.scratch), self.scratch.shelf()
        for batch in self._batches("mem_entities", "entity_id", "name", "display_name", "entity_type"):
            entities.put(
                (text(row["entity_id"]), [text(row.get(c)) for c in ("name", "display_name", "entity_type")])
                for row in batch
            )
        for batch in self._batches("mem_memory_entity_links", "memory_id", "entity_id", "source"):
            rows = [row for row in batch if text(row["source"]) in ("manual", "llm")]
            things = entities.found({text(row["entity_id"]) for row in rows})
            told.add(
                (row, *things[entity_id]) for row in rows if (entity_id := text(row["entity_id"])) in things
            )
        for batch in self._batches("mem_entity_links", "memory_id", "entity_name", "entity_type"):
            told.add(
                (row | {"source": "manual"}, row["entity_name"], None, row.get("entity_type"))
                for row in batch
                if row["entity_name"]
            )
        return told


class Links:
    def __init__(self, scratch: Scratch) -> None:
        self.sources = scratch.shelf()
        """By memory and the entity's name, in lower case: a person's word is stronger than a model's."""
        self.shown = scratch.shelf()
        """Name, spelling and type of each, as the old database has them."""

    def add(self, links: Iterable[tuple[Row, Any, Any, Any]]) -> None:
        """Links, each with name, spelling and type of its entity."""
        sources: dict[tuple[str, str], str] = {}
        shown = set()
        for link, name, display, kind in links:
            spelt = text(name) or text(display) or ""
            key = (text(link["memory_id"]) or "", spelt.lower())
            if sources.get(key) != "manual":
                sources[key] = text(link["source"]) or ""
            shown.add((spelt.lower(), (text(display) or spelt)[:200], (text(kind) or "concept")[:20]))
        sources |= {key: source for key, source in self.sources.found(sources).items() if source == "manual"}
        self.sources.put(sources.items())
        self.shown.add(shown)


def _readable(table: str, key: str, row: Row) -> Row:
    """The row. Raises Invalid where a column that holds text holds something else."""
    for column, value in row.items():
        if isinstance(value, bytes) and column != "embedding" and not _is_utf8(value):
            where = f"table {table}, {key} {as_shown(row.get(key))}, column {column}"
            raise Invalid(
                f"the old database holds text that is not UTF-8 ({where}): mend it there, then repeat"
            )
    return row


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def text(value: Any) -> str | None:
    """The old server wrote the empty text for NULL and the other way round."""
    if value is None or value in ("", b""):
        return None
    return value.decode() if isinstance(value, bytes) else str(value)


def time(value: Any, required: bool = False) -> str | None:
    """The zero date is none; a number counts seconds, milliseconds or microseconds, whichever is a time near ours."""
    said = "" if isinstance(value, datetime) else (text(value) or "").strip()
    if isinstance(value, datetime):
        found = value
    elif not said or said[:10] == "0000-00-00":
        return "2000-01-01T00:00:00+00:00" if required else None
    elif (len(said) != 8 and re.fullmatch(r"[+-]?[0-9]+([.][0-9]+)?", said)) or isinstance(
        value, int | float
    ):
        seconds = Fraction(said)
        while seconds > 10**10:
            seconds /= 1000
        found = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=round(seconds * 1_000_000))
    else:
        found = datetime.fromisoformat(said)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def _decimal(value: Any, usual: float) -> float | None:
    """A finite number; the usual one for nothing, and None for what is none."""
    said = text(value)
    try:
        found = usual if said is None else float(said)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def truth(value: Any) -> int:
    """Nothing is true, and so is every number but zero."""
    if value in (b"\x00", b"\x01"):
        return ord(value)
    said = (text(value) or "1").strip().lower()
    if said[0] in "tyfn" or said in ("on", "off"):
        return int(said[0] in "ty" or said == "on")
    return int(float(said) != 0)


def decoded(value: Any) -> Any:
    if not isinstance(value, str | bytes):
        return value
    raw = value.decode() if isinstance(value, bytes) else value
    if not raw.strip():
        return None
    try:
        found = json.loads(raw, parse_constant=_not_json)
        msgspec.json.encode(found)
    except (ValueError, RecursionError):
        return {"legacy_text": raw}
    return {"legacy_text": raw} if _has_infinity(found) else found


def _not_json(word: str) -> None:
    raise ValueError(word)


def _has_infinity(value: Any) -> bool:
    """1e999 is read as infinity."""
    if isinstance(value, float):
        return not math.isfinite(value)
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(_has_infinity, inside))
