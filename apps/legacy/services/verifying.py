"""Proof that a user's database holds what the old one does: counts and checksums that do not depend on order.

Both sides are read with plain SQL, and nothing of the copying is used (see old_side and new_side). What is derived
from texts is proven in three ways: what is cheap is derived again for every row; search texts and the links that
rules find, which cost more than all the rest, for a sample; and every column of every table must be what the copy
left there.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from time import monotonic
from typing import Any

from apps.legacy.models import MigratedUser, Phase
from apps.legacy.services.copying import Vectors
from apps.legacy.services.digests import target_digest
from apps.legacy.services.new_side import (
    LONG_PAGE,
    MEMORIES,
    WIDTH,
    NewMemory,
    is_same,
    memory_columns,
    new_memory,
    paged,
    plain,
)
from apps.legacy.services.old_side import COUNTS, TEXTS, Line, Links, OldSide, time
from apps.legacy.source import Source
from apps.memories.models import OPEN
from apps.tenancy import schema, sql
from apps.tenancy.models import State
from apps.tenancy.scope import user_database
from apps.tenancy.selectors import registration_find, registration_route
from memoria.digest import state_digest
from memoria.entities import LINK_WEIGHTS, LinkSource, entities
from memoria.search_text import search_text

MAIN = 1
# One in so many memories, and at most so many of a user, have everything derived again.
SAMPLED_ONE_IN, SAMPLED_AT_MOST = 16, 256
CHECKED_AT_ONCE = 500


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
    sealed: dict[str, str] = field(default_factory=dict)
    """Count and sums of each table here."""
    is_unchanged: bool = False
    """Nothing was compared: neither side has changed since the last comparison."""
    differs_by_use: list[str] = field(default_factory=list)
    """The user is in service and has written here since: where that shows."""
    seconds: float = 0.0


def user_verify(
    *,
    source: Source,
    tables: dict[str, list[str]],
    user_id: str,
    vectors: Vectors | None,
    tick: Callable[[int], None] = lambda rows: None,
) -> Verified:
    """Compare everything of one user. Mismatches name the table. `tick` is told the old rows that were read.

    Of a user in service, what grows while reading (counters, vectors that were lacking) is left out, and where they
    have written here since, the differences are no mismatches.
    """
    started = monotonic()
    result = Verified(user_id)
    found = registration_find(user_id=user_id)
    if found is None:
        result.mismatches.append("mem_user_registry: the user has no database here")
        return result
    if found.schema_version != schema.schema_version():
        result.mismatches.append("mem_user_registry: the database is that of another version: copy again")
        return result
    row = MigratedUser.objects.filter(pk=user_id).first()
    is_serving = found.status == State.ACTIVE
    with user_database(registration_route(found)):
        here = target_digest()
        is_used = is_serving and row is not None and here.content != row.content_digest
        with closing(OldSide(source, tables, user_id, vectors.dim if vectors else None, tick)) as old:
            check = _Check(old, vectors, result, is_serving=is_serving, is_used=is_used)
            check.contents()
            if not is_used:
                check.derived()
                check.seal(row.sealed if row is not None and not is_serving else {}, here.tables)
        if is_used:
            result.differs_by_use, result.mismatches = result.mismatches, []
        result.target_digest, result.content_digest = here.everything, here.content
        result.sealed = here.tables
    result.seconds = monotonic() - started
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
        self, old: OldSide, vectors: Vectors | None, result: Verified, *, is_serving: bool, is_used: bool
    ) -> None:
        self.old, self.vectors, self.result = old, vectors, result
        self.is_serving, self.is_used = is_serving, is_used
        self._told = Links(old.scratch)
        self._wrong: Counter[tuple[str, str]] = Counter()
        self._sampled: dict[str, set[str]] = {}
        """What rules find in the texts of the memories that were chosen."""
        self._counts: list[tuple[str, str, str, tuple[Any, ...]]] = []

    def contents(self) -> None:
        """What the old database holds, table by table."""
        old = self.old
        self._compare("mem_memories", old.memories("mem_memories"), self._main())
        self._branches()
        for table, there, columns, key in (
            ("mem_edit_log", old.edits(), _EDITS, "edit_id"),
            (
                "mem_retrieval_feedback",
                old.feedback(),
                "feedback_id memory_id signal context created_at",
                "feedback_id",
            ),
            ("mem_user_retrieval_params", old.params(), _PARAMS, "id"),
            ("mem_user_state", old.state(), "user_id active_branch updated_at", "user_id"),
            ("mem_snapshots", old.snapshots(), _SNAPSHOTS, "id"),
        ):
            self._compare(table, there, plain(table, columns, key))
        if not self.is_serving:  # they count while somebody is served
            columns = f"memory_id {' '.join(COUNTS)} last_accessed_at last_feedback_at repeat_count last_repeated_at"
            self._compare(
                "mem_memories_stats", old.stats(), plain("mem_memories_stats", columns, "memory_id")
            )
        self._told = old.links()
        told = "WHERE l.source IN ('manual', 'llm')"
        self._compare(
            "mem_memory_entity_links",
            ([*key, source] for key, source in self._told.sources.items()),
            (
                list(row)
                for row in paged(
                    "SELECT l.id, l.memory_id, e.name, l.source FROM mem_memory_entity_links l"
                    f" JOIN mem_entities e ON e.id = l.entity_id {told}",
                    "l.id",
                )
            ),
        )
        self.result.mismatches += old.counted_otherwise()

    def _branches(self) -> None:
        """Each branch as its reader sees it: its own rows, and main's of its fork that it has not touched."""
        rows = plain(
            "mem_branches",
            "user_id name live_name fork_seq previous_id status created_by created_at",
            "id",
            where=f"id <> {MAIN}",
        )
        self._compare("mem_branches", self.old.branches(), rows)
        here = self._live_here
        for line in self.old.live:
            if line.name not in here:
                continue
            own = paged(
                f"{MEMORIES.format(memory_columns('m', 'e'), 'mem_revisions')}"
                " WHERE m.branch_id = %s AND m.died = %s AND m.absent = 0",
                "m.id",
                [here[line.name], OPEN],
                LONG_PAGE,
            )
            inherited = paged(
                f"{MEMORIES.format(memory_columns('m', 'e'), 'mem_memories')}"
                " JOIN mem_branches b ON b.id = %s WHERE m.born <= b.fork_seq AND NOT EXISTS (SELECT 1"
                " FROM mem_revisions o WHERE o.branch_id = b.id AND o.memory_id = m.memory_id AND o.died = %s)",
                "m.id",
                [here[line.name], OPEN],
                LONG_PAGE,
            )
            seen = (self._values(new_memory(row)) for rows in (own, inherited) for row in rows)
            self._compare(f"branch {line.name}", self.old.memories(line.table), seen)

    def _main(self) -> Iterator[list[Any]]:
        """Main's rows here; what is derived of them is looked at on the way."""
        main = f"{MEMORIES.format(memory_columns('m', 'e'), 'mem_memories')} WHERE 1 = 1"
        for raw in paged(main, "m.id", first=LONG_PAGE):
            row = new_memory(raw)
            if not self.is_used:
                self._row("mem_memories", row, absent=False)
                born = 1 + sum((time(row.created_at) or "") > line.created_at for line in self.old.live)
                self._expect("mem_memories", "born", row.born == born)
            yield self._values(row)

    @cached_property
    def _live_here(self) -> dict[str, int]:
        """Branches in use and their numbers."""
        return dict(
            sql.query(f"SELECT live_name, id FROM mem_branches WHERE live_name IS NOT NULL AND id <> {MAIN}")  # type: ignore[arg-type]
        )

    def _values(self, row: NewMemory) -> list[Any]:
        """The columns that the old database has too."""
        vector = bytes(row.vector).hex() if row.vector is not None and self.vectors is not None else None
        if self.is_serving and row.memory_id in self.old.without_vector:
            vector = None  # made here since
        return [
            *row[: len(TEXTS)],
            round(float(row.initial_confidence), 6),
            int(row.is_active),
            row.source_event_ids or [],
            row.extra_metadata or None,
            time(row.observed_at),
            time(row.created_at),
            time(row.updated_at),
            row.content_hash,
            vector,
        ]

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

    # --- what follows from the contents ---

    def derived(self) -> None:
        """What the old database does not have, or not so."""
        self._revisions()
        self._links()
        self._history()
        if not self.is_serving:
            self._clock()
            self._vectors_in_use()
        for table in ("mem_merge_bases", "mem_memory_relations"):
            self._count(table, f"SELECT COUNT(*) FROM {table}", "rows that no migration makes")
        for table in ("mem_memories", "mem_revisions", "mem_edit_log", "mem_user_state", "mem_snapshots"):
            foreign = f"SELECT COUNT(*) FROM {table} WHERE user_id <> %s"
            self._count(table, foreign, "rows of another user", self.old.user_id)
        self._counted()
        for (table, what), count in self._wrong.items():
            self.result.mismatches.append(f"{table}: {what} is wrong in {count} rows")

    def _expect(self, table: str, what: str, is_right: bool) -> None:
        if not is_right:
            self._wrong[table, what] += 1

    def _count(self, table: str, statement: str, what: str, *parameters: Any) -> None:
        """Note what must not be there; `_counted` asks for all of it at once."""
        self._counts.append((table, statement, what, parameters))

    def _counted(self) -> None:
        statements = (f"SELECT {n} AS t, ({asked[1]}) AS n" for n, asked in enumerate(self._counts))
        parameters = [value for *_, values in self._counts for value in values]
        for number, count in sql.query(" UNION ALL ".join(statements), parameters):
            if count:
                table, _, what, _ = self._counts[number]
                self.result.mismatches.append(f"{table}: {count} {what}")

    def _row(self, table: str, row: NewMemory, *, absent: bool) -> None:
        self._expect(table, "digest", row.digest == (None if absent else state_digest(row)))
        if row.embedding_id is not None:
            self._expect(table, "embedding_id", row.vector is not None)
            known = (row.content_hash, len(row.vector or b""))
            self._expect(
                "mem_embeddings", "text or width", known == (row.vector_hash, 2 * (row.vector_dim or 0))
            )
            if self.vectors is not None and not self.is_serving:
                model = (row.vector_model, row.vector_dim) == (self.vectors.model, self.vectors.dim)
                self._expect("mem_embeddings", "model", model)
        if not absent and self._is_sampled(row.memory_id):
            self._expect(table, "search_text", row.search_text == search_text(row.content))
            names = {thing.name for thing in entities(row.content)}
            self._sampled.setdefault(row.memory_id, set()).update(names)

    def _is_sampled(self, memory_id: str) -> bool:
        if memory_id in self._sampled or not self._sampled:
            return True
        chosen = hashlib.sha256(memory_id.encode()).digest()[0] % SAMPLED_ONE_IN == 0
        return chosen and len(self._sampled) < SAMPLED_AT_MOST

    def _revisions(self) -> None:
        """What branches have otherwise than main and nothing else, with the state that both sides began with."""
        here = self._live_here
        numbers = {
            here[line.name]: (n, line) for n, line in enumerate(self.old.live, start=1) if line.name in here
        }
        mains = len(self.old.live) + 1
        statement = (
            f"SELECT r.id, r.branch_id, r.died, r.base, r.absent,"
            f" {memory_columns('r', 'e')}, {memory_columns('m', 'f')}"
            " FROM mem_revisions r LEFT JOIN mem_embeddings e ON e.id = r.embedding_id"
            " LEFT JOIN mem_memories m ON m.memory_id = r.memory_id"
            " LEFT JOIN mem_embeddings f ON f.id = m.embedding_id WHERE 1 = 1"
        )
        for branch_id, died, base, absent, *columns in paged(statement, "r.id", first=LONG_PAGE):
            row, main = new_memory(columns[:WIDTH]), new_memory(columns[WIDTH:])
            self._row("mem_revisions", row, absent=bool(absent))
            if branch_id not in numbers or died != OPEN:
                self._expect("mem_revisions", "branch or end", False)
                continue
            number, line = numbers[branch_id]
            self._expect("mem_revisions", "born", row.born == mains + number)
            is_inherited = main.memory_id is not None and main.born <= number
            if absent:
                self._expect("mem_revisions", "absence", absent == 1 and is_inherited and is_same(row, main))
                self._expect("mem_revisions", "base", base == main.digest)
            else:
                self._expect("mem_revisions", "need", not (is_inherited and is_same(row, main)))
                self._expect("mem_revisions", "base", base == _base(row, main, line))

    def _links(self) -> None:
        here: dict[str, set[str]] = {memory_id: set() for memory_id in self._sampled}
        statement = (
            "SELECT l.id, l.memory_id, l.source, l.weight, e.name FROM mem_memory_entity_links l"
            " LEFT JOIN mem_entities e ON e.id = l.entity_id WHERE 1 = 1"
        )
        pages = paged(statement, "l.id")
        while page := list(islice(pages, CHECKED_AT_ONCE)):
            known = self.old.ids.found({memory_id for memory_id, *_ in page})
            told = self._told.sources.found({(memory_id, name or "") for memory_id, *_, name in page})
            for memory_id, source, weight, name in page:
                self._expect("mem_memory_entity_links", "entity", name is not None)
                self._expect("mem_memory_entity_links", "source", source in list(LinkSource))
                self._expect("mem_memory_entity_links", "weight", weight == LINK_WEIGHTS.get(source))
                is_known = memory_id in known or (memory_id, name) in told
                self._expect("mem_memory_entity_links", "memory", is_known)
                if memory_id in here:
                    here[memory_id].add(name or "")
        for memory_id, name in self._told.sources:
            if memory_id in self._sampled:
                self._sampled[memory_id].add(name)
        for memory_id, names in self._sampled.items():
            self._expect("mem_memory_entity_links", "what rules find", here[memory_id] == names)
        self._entities()

    def _entities(self) -> None:
        """Each is spelt and typed as one of those says that linked something to it."""
        statement = (
            "SELECT e.id, e.id, e.name, e.display_name, e.entity_type,"
            " EXISTS (SELECT 1 FROM mem_memory_entity_links l WHERE l.entity_id = e.id),"
            " EXISTS (SELECT 1 FROM mem_memory_entity_links l WHERE l.entity_id = e.id AND l.source = 'rules')"
            " FROM mem_entities e WHERE 1 = 1"
        )
        pages = paged(statement, "e.id")
        while page := list(islice(pages, CHECKED_AT_ONCE)):
            told = self._told.shown.found({(name, display, kind) for _, name, display, kind, *_ in page})
            for pk, name, display, kind, is_linked, is_by_rules in page:
                self._expect("mem_entities", "use", bool(is_linked))
                if is_linked and not is_by_rules and (name, display, kind) not in told:
                    self._expect("mem_entities", "spelling or type", _is_found(pk, name, (display, kind)))

    def _history(self) -> None:
        """Main's commits, one for each fork and one for the rest, then one for the rows of each branch."""
        here, lines = self._live_here, self.old.live
        on = [MAIN] * (len(lines) + 1) + [here.get(line.name, 0) for line in lines]
        there = [[n, branch, "migrate", "migration"] for n, branch in enumerate(on, start=1)]
        self._compare("mem_commits", there, plain("mem_commits", "seq branch_id operation actor_id", "seq"))
        forks = [time(at) for (at,) in sql.query("SELECT created_at FROM mem_commits ORDER BY seq")]
        if forks[: len(lines)] != [line.created_at for line in lines]:
            self.result.mismatches.append("mem_commits: the times of the forks differ")
        self._count(
            "mem_branches",
            f"SELECT 1 - COUNT(*) FROM mem_branches WHERE id = {MAIN} AND name = 'main' AND live_name = 'main'"
            " AND fork_seq = 0 AND status = 'active' AND user_id = '' AND created_by = '' AND previous_id IS NULL",
            "row of main is wrong",
        )

    def _clock(self) -> None:
        seq = 2 * len(self.old.live) + 1
        active = sql.query("SELECT COUNT(*) FROM mem_memories WHERE is_active = 1")[0][0]
        clocks = sql.query("SELECT id, seq, active_count, horizon, ticked_at FROM mem_clock")
        if [row[:4] for row in clocks] != [(1, seq, active, seq)]:
            self.result.mismatches.append("mem_clock: its numbers are not those of the copy")
        last = sql.query("SELECT DISTINCT created_at FROM mem_commits WHERE seq > %s", [len(self.old.live)])
        if len(clocks) != 1 or [time(at) for (at,) in last] != [time(clocks[0][4])]:
            self.result.mismatches.append("mem_clock: its time is not that of the last commits")

    def seal(self, left: dict[str, str], here: dict[str, str]) -> None:
        """Whether every column of every table is what the copy left."""
        for table, sums in here.items():
            is_named = any(mismatch.startswith(f"{table}:") for mismatch in self.result.mismatches)
            if left and left.get(table) != sums and not is_named:
                self.result.mismatches.append(f"{table}: not what the copy left here")

    def _vectors_in_use(self) -> None:
        self._count(
            "mem_embeddings",
            "SELECT COUNT(*) FROM mem_embeddings e"
            " WHERE NOT EXISTS (SELECT 1 FROM mem_memories m WHERE m.embedding_id = e.id)"
            " AND NOT EXISTS (SELECT 1 FROM mem_revisions r WHERE r.embedding_id = e.id)",
            "vectors that no memory has",
        )


_EDITS = "edit_id user_id memory_id operation payload reason snapshot_before seq created_at created_by"
_PARAMS = "id feedback_weight temporal_decay_hours confidence_weight tuned_at"
_SNAPSHOTS = "user_id name snapshot_name live_name seq kind extra status created_at"


def _base(row: NewMemory, main: NewMemory, line: Line) -> int | None:
    """The state that a branch's row and main's have in common: that of the side which has not changed since."""
    if main.memory_id is None:
        return None
    main_changed = (time(main.updated_at) or "") > line.created_at
    branch_changed = (time(row.updated_at) or "") > line.created_at
    return row.digest if main_changed and not branch_changed else main.digest


def _is_found(entity_id: int, name: str, shown: tuple[str, str]) -> bool:
    """Whether the rules spell and type a thing so in the texts of a memory that is linked to it."""
    texts = " UNION ALL ".join(
        f"SELECT t.content FROM {table} t WHERE t.memory_id = %s"
        for table in ("mem_memories", "mem_revisions")
    )
    linked = "SELECT id, memory_id FROM mem_memory_entity_links WHERE entity_id = %s"
    return any(
        (thing.display[:200], thing.kind) == shown
        for (memory_id,) in paged(linked, "id", [entity_id])
        for (content,) in sql.query(texts, [memory_id, memory_id])
        for thing in entities(content)
        if thing.name == name
    )
