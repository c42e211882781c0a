"""Making one user's database equal to what the old one holds; repeated, only what differs is written.

Nobody is served from the target meanwhile, so rows are put right in place, in transactions of one batch. What a
killed run has written is found equal by the next.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from django.apps import apps
from django.db import OperationalError
from django.db.models import F, Model, QuerySet
from django.utils import timezone

from apps.feedback.models import Feedback, RetrievalParams
from apps.graph.models import Entity, MemoryEntityLink
from apps.graph.services import memories_link
from apps.legacy import mapping
from apps.legacy.models import MigratedUser, Phase
from apps.legacy.services.digests import target_digest
from apps.legacy.source import Row, Source, log_count, log_rows, parts, stats_rows, user_rows
from apps.memories.commits import SHARED
from apps.memories.models import (
    MAIN_BRANCH,
    OPEN,
    Clock,
    Commit,
    EditLog,
    Embedding,
    Memory,
    MemoryColumns,
    MemoryStats,
    Revision,
)
from apps.tenancy import schema, sql
from apps.tenancy.models import State, UserDatabase
from apps.tenancy.scope import user_atomic, user_database
from apps.tenancy.selectors import registration_find, registration_route
from apps.tenancy.services.provision import user_provision
from apps.tenancy.user_plane import UserModel
from apps.versioning.models import Branch, Kind, Snapshot, Status, UserState
from memoria.entities import Found, LinkSource, entities
from memoria.errors import Conflict
from memoria.search_text import search_text

ATTEMPTS = 4
ACTOR = "migration"
# What makes two memories the same row; digests stand for all text.
_COMPARED = ("digest", "born", "embedding_id", "observed_at", "created_at", "updated_at")
_COMPARED_ON_BRANCHES = (*_COMPARED, "base", "absent")


_WRITTEN = (
    "user {!r} was written to here after the last copy; another copy would undo that:"
    " --overwrite gives up what was written here"
)


@dataclass
class Copied:
    """What copying one user did."""

    user_id: str
    read: int = 0
    written: int = 0
    is_unchanged: bool = False
    """Nothing was read: the old rows are those of the last copy."""
    removed: int = 0
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Vectors:
    """Which vectors are taken over: those of this width, as those of this model. None: none."""

    model: str
    dim: int


def target_create(*, migration_id: int, user_id: str) -> None:
    """Make the user's empty database, out of service. Raises Conflict where they have one that is not ours."""
    ours = MigratedUser.objects.filter(pk=user_id, migration_id=migration_id).first()
    found = registration_find(user_id=user_id)
    if ours is None and found is not None:
        raise Conflict(f"user {user_id!r} has a database already ({found.db_name}); nothing was changed")
    now = timezone.now()
    if ours is None:
        MigratedUser.objects.create(
            user_id=user_id, migration_id=migration_id, phase=Phase.COPYING, updated_at=now
        )
    elif ours.phase == Phase.ACTIVE:
        raise Conflict(f"user {user_id!r} is in service here already; nothing was changed")
    if found is None or found.status != State.IMPORTING:
        found = user_provision(user_id=user_id, ready=State.IMPORTING)
    if found.status != State.IMPORTING:
        raise Conflict(
            f"user {user_id!r} came into service here before they were copied; nothing was changed"
        )


def user_copy(
    *,
    source: Source,
    tables: dict[str, list[str]],
    migration_id: int,
    user_id: str,
    vectors: Vectors | None,
    digest: str = "",
    overwrite: bool = False,
    tick: Callable[[int], None] = lambda rows: None,
) -> Copied:
    """Bring one user's database in line with the source. Safe to repeat.

    `digest` is that of the old rows, made before this; "" where it is not known. `overwrite`: what was written to the
    target since it was verified is given up.

    Raises Conflict where the target is in service, not ours, or, unless `overwrite`, was written to since.
    """
    started = time.monotonic()
    target_create(migration_id=migration_id, user_id=user_id)
    row = MigratedUser.objects.filter(pk=user_id)
    result = Copied(user_id)
    if digest and row.filter(phase__in=(Phase.COPIED, Phase.VERIFIED), source_digest=digest).exists():
        result.is_unchanged = True
        return result
    found = registration_find(user_id=user_id)
    assert found is not None
    before, known = row.values_list("seq", "content_digest")[0]
    with user_database(registration_route(found)) as alias:
        if known and found.schema_version == schema.schema_version() and target_digest().content != known:
            if not overwrite:
                raise Conflict(_WRITTEN.format(user_id))
            _emptied()
            before = 0
    row.update(
        phase=Phase.COPYING,
        attempts=F("attempts") + 1,
        seq=before,
        source_digest="",
        target_digest="",
        content_digest="",
        last_error="",
        updated_at=timezone.now(),
    )
    with user_database(registration_route(found)) as alias:
        if found.schema_version != schema.schema_version():
            schema.apply_migrations(alias)
        seq = _Copy(source, tables, user_id, vectors, result, tick).run(before)
    UserDatabase.objects.filter(pk=user_id).update(
        schema_version=schema.schema_version(),
        embedding_model="",
        embedding_dim=vectors.dim if vectors else 0,
    )
    row.update(phase=Phase.COPIED, rows=result.read, seq=seq, source_digest=digest, updated_at=timezone.now())
    result.seconds = time.monotonic() - started
    return result


def _emptied() -> None:
    """Remove everything from the open database, whoever wrote it."""
    with user_atomic():
        for model in (m for m in apps.get_models() if issubclass(m, UserModel) and m is not Clock):
            rows: Any = model._default_manager.all()
            (rows.exclude(pk=MAIN_BRANCH) if model is Branch else rows).delete()


class _Copy:
    def __init__(
        self,
        source: Source,
        tables: dict[str, list[str]],
        user_id: str,
        vectors: Vectors | None,
        result: Copied,
        tick: Callable[[int], None],
    ) -> None:
        self.source, self.tables, self.user_id = source, tables, user_id
        self.vectors, self.result, self.tick = vectors, result, tick
        self.now = timezone.now()

    def run(self, seq_before: int) -> int:
        clock = Clock.objects.get(pk=1)
        if seq_before and clock.seq > seq_before:
            raise Conflict(_WRITTEN.format(self.user_id))
        self.branches = self._branches()
        seq = 2 * len(self.branches) + 1
        self._memories()
        self._branch_rows()
        self._links()
        self._around()
        self._history(seq)
        return seq

    # --- main ---

    def _branches(self) -> list[Row]:
        """The owner's live branches by age; the newest of namesakes keeps the name."""
        rows = [row for batch in self._rows("mem_branches") for row in batch]
        rows.sort(key=lambda row: (mapping.moment(row.get("created_at")) or mapping.EPOCH, str(row["id"])))
        live: dict[str, Row] = {}
        for row in rows:
            name = mapping.text(row["name"]) or ""
            if row.get("status") != "active" or name == "main":
                continue
            if name in live:
                self.result.warnings.append(f"branch {name!r} is there twice; the newer one was taken")
            live[name] = row
        return list(live.values())

    def _born(self, created: datetime) -> int:
        """Memories made after a branch are not to be seen from it: main's history has a commit for each branch."""
        return 1 + sum(
            created > (mapping.moment(b.get("created_at")) or mapping.EPOCH) for b in self.branches
        )

    def _memories(self) -> None:
        seen: set[str] = set()
        is_new = not sql.query("SELECT 1 FROM mem_memories LIMIT 1")
        for batch in self._rows("mem_memories"):
            made = [(mapping.memory(row), row.get("embedding")) for row in batch]
            for memory, _ in made:
                memory.born = self._born(memory.created_at)
            seen.update(memory.memory_id for memory, _ in made)
            self._retried(partial(self._write, made, is_new=is_new))
        if is_new:
            return
        gone = [i for i in _keys(Memory.objects.all(), "memory_id") if i not in seen]
        for part in parts(gone):
            with user_atomic():
                Memory.objects.filter(memory_id__in=part).delete()
                MemoryEntityLink.objects.filter(memory_id__in=part).delete()
        self.result.removed += len(gone)

    def _write(self, made: list[tuple[Memory, Any]], *, is_new: bool) -> None:
        with user_atomic():
            self._attach(made)
            rows = [memory for memory, _ in made]
            if not is_new:
                there = {
                    row[0]: row[1:]
                    for row in Memory.objects.filter(memory_id__in=[r.memory_id for r in rows]).values_list(
                        "memory_id", *_COMPARED
                    )
                }
                rows = [r for r in rows if there.get(r.memory_id) != tuple(getattr(r, c) for c in _COMPARED)]
                changed = [r.memory_id for r in rows if r.memory_id in there]
                Memory.objects.filter(memory_id__in=changed).delete()
                MemoryEntityLink.objects.filter(memory_id__in=changed).delete()
            self._insert(rows)
            self.result.written += len(rows)

    def _insert(self, rows: Sequence[MemoryColumns]) -> None:
        """Write rows that are new here, with what is derived from their texts."""
        for row in rows:
            row.search_text = search_text(row.content)
        sql.insert(rows)
        found = {row.memory_id: entities(row.content) for row in rows}
        memories_link(found=found, source=LinkSource.RULES, now=self.now)

    def _attach(self, made: list[tuple[Any, Any]]) -> None:
        """Give the rows their vectors, one Embedding for rows with the same text and vector."""
        if self.vectors is None:
            return
        wanted: dict[tuple[str, bytes], list[Any]] = {}
        for memory, raw in made:
            unit = mapping.vector(raw)
            if unit is not None and len(unit) == self.vectors.dim:
                key = (memory.content_hash, unit.astype(np.float16).tobytes())
                wanted.setdefault(key, []).append(memory)
        hashes = sorted({text_hash for text_hash, _ in wanted})
        known: dict[tuple[str, bytes], int] = {}
        for part in parts(hashes):
            rows = Embedding.objects.filter(content_hash__in=part, model=self.vectors.model)
            known |= {(r[0], bytes(r[1])): r[2] for r in rows.values_list("content_hash", "vector", "id")}
        fresh = [key for key in wanted if key not in known]
        if fresh:
            rows = [
                Embedding(content_hash=h, model=self.vectors.model, dim=self.vectors.dim, vector=v)
                for h, v in fresh
            ]
            sql.insert_numbered(rows)
            known |= {key: row.pk for key, row in zip(fresh, rows, strict=True)}
        for key, memories in wanted.items():
            for memory in memories:
                memory.embedding_id = known[key]

    # --- branches ---

    def _branch_rows(self) -> None:
        """The branches and what each has otherwise than main; what an earlier run wrote of them stays."""
        gone = [row for batch in self._rows("mem_branches") for row in batch if row not in self.branches]
        gone = [row for row in gone if mapping.text(row["name"]) not in (None, "main")]
        first = MAIN_BRANCH + 1 + len(self.branches)
        wanted = [self._branch(row, n) for n, row in enumerate(self.branches)]
        wanted += [self._branch(row, first + n, is_live=False) for n, row in enumerate(gone)]
        there = {row.pk: row for row in Branch.objects.exclude(pk=MAIN_BRANCH)}
        if {row.pk: _values(row) for row in wanted} != {pk: _values(row) for pk, row in there.items()}:
            with user_atomic():
                Revision.objects.all().delete()
                Branch.objects.filter(pk__in=there).delete()
                sql.insert(wanted)
        mains = len(self.branches) + 1
        for number, branch in enumerate(self.branches):
            fork = _Fork(MAIN_BRANCH + 1 + number, number + 1, mains + 1 + number, _made(branch))
            self._overlay(str(branch["table_name"]), fork)

    def _branch(self, row: Row, number: int, *, is_live: bool = True) -> Branch:
        name = mapping.text(row["name"]) or ""
        return Branch(
            id=MAIN_BRANCH + 1 + number if is_live else number,
            user_id=self.user_id,
            name=name,
            live_name=name if is_live else None,
            fork_seq=number + 1 if is_live else 0,
            status=Status.ACTIVE if is_live else Status.DELETED,
            created_by=self.user_id,
            created_at=_made(row),
        )

    def _overlay(self, table: str, fork: "_Fork") -> None:
        seen: set[str] = set()
        for batch in user_rows(self.source, self.tables, table, self.user_id):
            self._count(batch)
            made = [(mapping.memory(row), row.get("embedding")) for row in batch]
            seen.update(memory.memory_id for memory, _ in made)
            self._retried(partial(self._write_own, fork, made))
        inherited = Memory.objects.filter(born__lte=fork.fork_seq)
        for part in parts(i for i in _keys(inherited, "memory_id") if i not in seen):
            seen.update(part)
            self._retried(partial(self._write_absent, fork, part))
        written = Revision.objects.filter(branch_id=fork.branch_id)
        for part in parts(i for i in _keys(written, "memory_id") if i not in seen):
            written.filter(memory_id__in=part).delete()

    def _write_own(self, fork: "_Fork", made: list[tuple[Memory, Any]]) -> None:
        with user_atomic():
            self._attach(made)
            memories = [memory for memory, _ in made]
            own = fork.own(memories)
            fresh = self._replaced_revisions(fork, [memory.memory_id for memory in memories], own)
            self._insert(fresh)
            new = {row.memory_id for row in fresh}
            kept = {row.memory_id: entities(row.content) for row in own if row.memory_id not in new}
            memories_link(
                found=kept, source=LinkSource.RULES, now=self.now
            )  # main's change may have cut them

    def _write_absent(self, fork: "_Fork", memory_ids: list[str]) -> None:
        with user_atomic():
            rows = [fork.absent(row) for row in Memory.objects.filter(memory_id__in=memory_ids)]
            sql.insert(self._replaced_revisions(fork, memory_ids, rows))

    def _replaced_revisions(
        self, fork: "_Fork", memory_ids: list[str], wanted: list[Revision]
    ) -> list[Revision]:
        """Of the wanted ones those that are not there yet; what is there of these memories otherwise is removed."""
        written = Revision.objects.filter(branch_id=fork.branch_id, memory_id__in=memory_ids)
        there = {row[0]: row[1:] for row in written.values_list("memory_id", *_COMPARED_ON_BRANCHES)}
        fresh = [
            row
            for row in wanted
            if there.get(row.memory_id) != tuple(getattr(row, name) for name in _COMPARED_ON_BRANCHES)
        ]
        right = {row.memory_id for row in wanted} - {row.memory_id for row in fresh}
        written.filter(memory_id__in=there.keys() - right).delete()
        self.result.written += len(fresh)
        return fresh

    # --- what surrounds memories ---

    def _links(self) -> None:
        """Links that callers or a model made; those of the rules are found in the texts."""
        named = {row["entity_id"]: row for batch in self._rows("mem_entities") for row in batch}
        told: dict[LinkSource, dict[str, list[Found]]] = {LinkSource.LLM: {}, LinkSource.MANUAL: {}}
        for batch in self._rows("mem_memory_entity_links"):
            for row in batch:
                if row["source"] in ("manual", "llm") and (thing := named.get(row["entity_id"])) is not None:
                    shown = mapping.text(thing.get("display_name")) or thing["name"]
                    found = Found(thing["name"].lower(), shown, (thing.get("entity_type") or "concept")[:20])
                    told[LinkSource(row["source"])].setdefault(row["memory_id"], []).append(found)
        for batch in self._rows("mem_entity_links"):
            for row in batch:
                if name := mapping.text(row["entity_name"]):
                    found = Found(name.lower(), name, (row.get("entity_type") or "concept")[:20])
                    told[LinkSource.MANUAL].setdefault(row["memory_id"], []).append(found)
        with user_atomic():
            for source, found_by_id in told.items():
                memories_link(found=found_by_id, source=source, now=self.now)
            self._drop_links(told)

    def _drop_links(self, told: dict[LinkSource, dict[str, list[Found]]]) -> None:
        """Remove what callers or a model linked once and the old database no longer has."""
        wanted = {
            (memory_id, thing.name)
            for found_by_id in told.values()
            for memory_id, every in found_by_id.items()
            for thing in every
        }
        links = MemoryEntityLink.objects.filter(source__in=tuple(told))
        named = Entity.objects.filter(pk__in=links.values("entity_id")).values_list("pk", "name")
        names, rows = dict(named), links.values_list("pk", "memory_id", "entity_id")
        gone = [(pk, memory_id) for pk, memory_id, entity in rows if (memory_id, names[entity]) not in wanted]
        for part in parts(gone):
            links.filter(pk__in=[pk for pk, _ in part]).delete()
            texts = Memory.objects.filter(memory_id__in=[i for _, i in part]).values_list(
                "memory_id", "content"
            )
            found = {memory_id: entities(content) for memory_id, content in texts}
            memories_link(found=found, source=LinkSource.RULES, now=self.now)

    def _around(self) -> None:
        self._replace(EditLog, (self._edit(row) for row in self._log()))
        self._replace(Feedback, (_feedback(r) for b in self._rows("mem_retrieval_feedback") for r in b))
        self._replace(
            RetrievalParams, (_params(r) for b in self._rows("mem_user_retrieval_params") for r in b)
        )
        self._replace(UserState, (_state(r) for b in self._rows("mem_user_state") for r in b))
        only_on_branches = sql.query(
            "SELECT DISTINCT r.memory_id FROM mem_revisions r LEFT JOIN mem_memories m ON m.memory_id = r.memory_id"
            " WHERE m.memory_id IS NULL"
        )
        ids = chain(_keys(Memory.objects.all(), "memory_id"), (i for (i,) in only_on_branches))
        stats = stats_rows(self.source, self.tables, ids)
        self._replace(MemoryStats, (_stats(r) for b in stats for r in self._counted(b)))
        self._snapshots()

    def _replace(self, model: type[Model], rows: Iterator[Any]) -> None:
        """Make a table hold these rows: by key, only what differs is written."""
        names = [f.attname for f in model._meta.concrete_fields]
        key = model._meta.pk.attname  # type: ignore[union-attr]
        seen: set[Any] = set()
        manager: Any = model._default_manager
        for part in parts(rows):
            keys = [getattr(row, key) for row in part]
            seen.update(keys)

            def write(part: list[Any] = part, keys: list[Any] = keys) -> None:
                with user_atomic():
                    there = {row.pk: row for row in manager.filter(pk__in=keys)}
                    fresh = [
                        row
                        for row in {row.pk: row for row in part}.values()
                        if row.pk not in there
                        or any(getattr(row, n) != getattr(there[row.pk], n) for n in names)
                    ]
                    manager.filter(pk__in=[row.pk for row in fresh]).delete()
                    sql.insert(fresh)

            self._retried(write)
        for part in parts(pk for pk in _keys(manager.all(), "pk") if pk not in seen):
            manager.filter(pk__in=part).delete()

    def _log(self) -> Iterator[Row]:
        count = 0
        for batch in log_rows(self.source, self.tables, self.user_id):
            count += len(batch)
            yield from self._counted(batch)
        if (doubled := log_count(self.source, self.tables, self.user_id) - count) > 0:
            self.result.warnings.append(
                f"{doubled} log entries were written twice; the earlier ones were taken"
            )

    def _edit(self, row: Row) -> EditLog:
        return EditLog(
            edit_id=mapping.text(row["edit_id"]) or "",
            user_id=self.user_id,
            memory_id=mapping.text(row.get("memory_id")),
            operation=row["operation"],
            payload=mapping.decoded(row.get("payload")),
            reason=row.get("reason") or "",
            snapshot_before=mapping.text(row.get("snapshot_before")),
            created_at=mapping.moment(row.get("created_at")) or mapping.EPOCH,
            created_by=mapping.text(row.get("created_by")) or self.user_id,
        )

    def _snapshots(self) -> None:
        """Those of the old engine are its own: the ones that are gone are kept as names, the live ones are listed."""
        rows = [row for batch in self._rows("mem_snapshots") for row in batch]
        live = [row for row in rows if row.get("status") == "active"]
        if live:
            names = ", ".join(str(row["name"]) for row in live)
            self.result.warnings.append(f"snapshots that cannot be read outside the old server: {names}")
        with user_atomic():
            Snapshot.objects.all().delete()
            sql.insert(
                [
                    Snapshot(
                        user_id=self.user_id,
                        name=row["name"],
                        snapshot_name=row["snapshot_name"],
                        seq=0,
                        kind=Kind.NAMED,
                        extra=mapping.decoded(row.get("extra")) or {},
                        status=Status.DELETED,
                        created_at=_made(row),
                    )
                    for row in rows
                ]
            )

    def _history(self, seq: int) -> None:
        """A commit for each branch point, one for the rest of main, one for each branch's own rows."""
        with user_atomic():
            Commit.objects.all().delete()
            mains = len(self.branches) + 1
            forks = [_made(branch) for branch in self.branches]
            commits = []
            for number in range(1, seq + 1):
                on = MAIN_BRANCH if number <= mains else MAIN_BRANCH + number - mains
                at = forks[number - 1] if number < mains else self.now
                commits.append(
                    Commit(seq=number, branch_id=on, operation="migrate", actor_id=ACTOR, created_at=at)
                )
            sql.insert(commits)
            active = Memory.objects.filter(is_active=True).count()
            Clock.objects.update(seq=seq, active_count=active, horizon=seq, ticked_at=self.now)

    # --- reading ---

    def _rows(self, table: str) -> Iterator[list[Row]]:
        for batch in user_rows(self.source, self.tables, table, self.user_id):
            yield self._counted(batch)

    def _counted(self, batch: list[Row]) -> list[Row]:
        self._count(batch)
        return batch

    def _count(self, batch: list[Row]) -> None:
        self.result.read += len(batch)
        self.tick(len(batch))

    def _retried(self, write: Callable[[], None]) -> None:
        """A deadlock or a lost connection costs a batch, not the user."""
        for attempt in range(ATTEMPTS):
            try:
                return write()
            except OperationalError:
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(0.2 * 2**attempt)
        return None


@dataclass
class _Fork:
    """Tells a branch's own rows from those it has of main."""

    branch_id: int
    fork_seq: int
    seq: int
    made_at: datetime

    def own(self, memories: list[Memory]) -> list[Revision]:
        """Those of a branch's rows that are not main's."""
        rows = Memory.objects.filter(memory_id__in=[memory.memory_id for memory in memories])
        main = {row[0]: row[1:] for row in rows.values_list("memory_id", *_COMPARED)}
        found = (self._own(memory, main.get(memory.memory_id)) for memory in memories)
        return [revision for revision in found if revision is not None]

    def _own(self, memory: Memory, there: tuple[Any, ...] | None) -> Revision | None:
        """None where the row is main's. Who changed it tells the merge base."""
        mine = (memory.digest, *(getattr(memory, name) for name in _COMPARED[2:]))
        if there is None:
            return self._revision(memory, base=None)
        if (there[0], *there[2:]) == mine and there[1] <= self.fork_seq:
            return None
        main_changed = there[-1] is not None and there[-1] > self.made_at
        branch_changed = memory.updated_at is not None and memory.updated_at > self.made_at
        return self._revision(memory, base=memory.digest if main_changed and not branch_changed else there[0])

    def absent(self, memory: Memory) -> Revision:
        """A row of main that the branch has removed."""
        row = self._revision(memory, base=memory.digest)
        row.absent, row.digest = 1, None
        return row

    def _revision(self, memory: Memory, *, base: int | None) -> Revision:
        values = {name: getattr(memory, name) for name in SHARED}
        return Revision(
            **{**values, "branch_id": self.branch_id, "born": self.seq, "died": OPEN, "base": base}
        )


def _keys(rows: QuerySet[Any], key: str, size: int = 10_000) -> Iterator[Any]:
    """The keys of these rows in order, a page at a time: a user may have more rows than memory, and drivers hold a
    whole result."""
    rows = rows.order_by(key)
    page = list(rows.values_list(key, flat=True)[:size])
    while page:
        yield from page
        page = list(rows.filter(**{f"{key}__gt": page[-1]}).values_list(key, flat=True)[:size])


def _values(row: Model) -> tuple[Any, ...]:
    return tuple(getattr(row, field.attname) for field in row._meta.concrete_fields)


def _made(row: Row) -> datetime:
    return mapping.moment(row.get("created_at")) or mapping.EPOCH


def _feedback(row: Row) -> Feedback:
    return Feedback(
        feedback_id=row["id"],
        memory_id=row["memory_id"],
        signal=row["signal"],
        context=row.get("context"),
        created_at=_made(row),
    )


def _params(row: Row) -> RetrievalParams:
    return RetrievalParams(
        id=1,
        feedback_weight=row["feedback_weight"],
        temporal_decay_hours=row["temporal_decay_hours"],
        confidence_weight=row["confidence_weight"],
    )


def _state(row: Row) -> UserState:
    at = mapping.moment(row.get("updated_at")) or mapping.EPOCH
    return UserState(user_id=row["user_id"], active_branch=row["active_branch"] or "main", updated_at=at)


def _stats(row: Row) -> MemoryStats:
    counts = ("access_count", "feedback_useful", "feedback_irrelevant", "feedback_outdated", "feedback_wrong")
    return MemoryStats(
        memory_id=row["memory_id"],
        last_accessed_at=mapping.moment(row.get("last_accessed_at")),
        last_feedback_at=mapping.moment(row.get("last_feedback_at")),
        **{name: int(row.get(name) or 0) for name in counts},
    )
