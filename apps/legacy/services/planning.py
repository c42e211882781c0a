"""What a migration would do, found out by asking both sides; nothing is written."""

from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import connection

from apps.legacy import mapping
from apps.legacy.models import MigratedUser, Phase
from apps.legacy.services.copying import Vectors
from apps.legacy.source import (
    COLUMNS,
    COPIED,
    REQUIRED,
    SKIPPED,
    SKIPPED_PREFIXES,
    Source,
    as_text,
    count_by_user,
    fingerprint,
)
from apps.memories.embedding import embedder
from apps.tenancy.models import State, UserDatabase
from apps.tenancy.selectors import database_names
from apps.tenancy.servers import server, server_names
from memoria.errors import Invalid, MemoriaError
from memoria.naming import SQL_IDENTIFIER, checked_user_id

# Only these make somebody a user: counters and logs of people without memories or keys are not moved.
_WITH_USERS = sorted(COPIED - {"mem_memories_stats"})


@dataclass
class Plan:
    """Everything that would happen, and why it may not."""

    tables: dict[str, list[str]]
    users: dict[str, dict[str, int]] = field(default_factory=dict)
    """Rows per table, by user; the largest first."""
    branches: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)
    """Name, table and the owner's rows of each user's branches."""
    active_branches: dict[str, str] = field(default_factory=dict)
    snapshots: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    """Tables and columns this version knows nothing of; `--strict` refuses them."""
    gaps: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    vectors: Vectors | None = None
    fingerprint: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(sum(counts.values()) for counts in self.users.values())


def plan_make(*, source: Source, only: list[str], strict: bool = False, keep_vectors: bool = True) -> Plan:
    """Look at the source and at the targets. What must be put right first is in `gaps`."""
    tables = source.tables()
    plan = Plan(tables)
    _classify(plan)
    _shape(plan)
    if not plan.gaps:
        _users(plan, source, only)
        _readable(plan, source)
        _words(plan, source)
        _branches(plan, source)
        _targets(plan, source, only)
        _vectors(plan, source, keep_vectors)
        _room(plan, source)
        plan.fingerprint = fingerprint(source, tables)
    if _is_this_database(source):
        plan.gaps.append(
            "the old database is this server's own control database; give the new server another one"
        )
    if strict and plan.unknown:
        plan.gaps.append(f"--strict: not known here: {', '.join(plan.unknown)}")
    return plan


def _classify(plan: Plan) -> None:
    for table, columns in plan.tables.items():
        if table in COPIED:
            extra = [c for c in columns if c not in COLUMNS[table].split()]
            plan.unknown += [f"column {table}.{column}" for column in extra]
        elif table.startswith("br_"):
            continue
        elif table in SKIPPED:
            plan.skipped[table] = SKIPPED[table]
        else:
            reason = next((why for p, why in SKIPPED_PREFIXES.items() if table.startswith(p)), None)
            plan.skipped[table] = reason or "not known here"
            if reason is None:
                plan.unknown.append(f"table {table}")
    for table in sorted(COPIED - set(plan.tables)):
        plan.skipped[table] = "not in the old database"


def _shape(plan: Plan) -> None:
    for table, required in REQUIRED.items():
        if table not in plan.tables:
            plan.gaps.append(f"the old database has no table {table}")
        elif missing := sorted(required - set(plan.tables[table])):
            plan.gaps.append(f"table {table} of the old database lacks {', '.join(missing)}")


def _users(plan: Plan, source: Source, only: list[str]) -> None:
    found: dict[str, dict[str, int]] = {}
    for table in _WITH_USERS:
        if table in plan.tables and "user_id" in plan.tables[table]:
            for user_id, count in count_by_user(source, table).items():
                found.setdefault(user_id, {})[table] = count
    for user_id in [u for u in only if u not in found]:
        plan.gaps.append(f"user {user_id!r} is not in the old database")
    for user_id, counts in sorted(found.items(), key=lambda item: (-sum(item[1].values()), item[0])):
        if only and user_id not in only:
            continue
        try:
            checked_user_id(user_id)
        except Invalid as error:
            plan.warnings.append(f"user {user_id!r} is left out: {error}")
            plan.unknown.append(f"user {user_id!r}")
            continue
        plan.users[user_id] = counts


def _readable(plan: Plan, source: Source) -> None:
    missing = sorted(COPIED - set(plan.tables))
    plan.unknown += [f"no table {table}" for table in missing]
    if missing and not source.reads_everything():
        plan.gaps.append(
            f"the account may read single tables only, and {', '.join(missing)} may be there unseen:"
            " grant it SELECT on the whole old database"
        )


def _words(plan: Plan, source: Source) -> None:
    """Types and tiers that are none here: such memories come as ordinary ones, the old word in their metadata."""
    for column, known in (("memory_type", mapping.KINDS), ("trust_tier", mapping.TIERS)):
        if column not in plan.tables["mem_memories"]:
            continue
        counts = f"SELECT {source.name(column)} AS word, COUNT(*) AS n FROM {source.name('mem_memories')}"
        for batch in source.rows(f"{counts} GROUP BY {source.name(column)}"):
            for row in batch:
                if (word := mapping.text(row["word"])) is not None and word not in known:
                    plan.unknown.append(f"{column} {word!r} of {row['n']} memories")


def _branches(plan: Plan, source: Source) -> None:
    if "mem_branches" not in plan.tables:
        return
    for batch in source.rows("SELECT user_id, name, table_name, status FROM mem_branches"):
        for row in batch:
            user_id, table = as_text(row["user_id"]), as_text(row["table_name"]) or ""
            if row["status"] != "active" or user_id not in plan.users or row["name"] == "main":
                continue
            if not SQL_IDENTIFIER.match(table) or not table.startswith("br_"):
                plan.gaps.append(f"branch {row['name']!r} of {user_id!r} names an impossible table")
            elif table not in plan.tables:
                plan.gaps.append(f"table {table} of branch {row['name']!r} of {user_id!r} is missing")
            else:
                own, foreign = _branch_rows(source, table, user_id)
                plan.branches.setdefault(user_id, []).append((str(row["name"]), table, own))
                if foreign:
                    plan.warnings.append(
                        f"branch {row['name']!r} of {user_id!r} holds {foreign} rows of other users:"
                        " they are left out"
                    )
    if "mem_snapshots" in plan.tables:
        sql = "SELECT user_id, COUNT(*) AS n FROM mem_snapshots WHERE status = 'active' GROUP BY user_id"
        for batch in source.rows(sql):
            plan.snapshots.update({str(as_text(r["user_id"])): int(r["n"]) for r in batch})
    if "mem_user_state" in plan.tables:
        for batch in source.rows("SELECT user_id, active_branch FROM mem_user_state"):
            plan.active_branches |= {
                str(as_text(r["user_id"])): as_text(r["active_branch"]) or "main" for r in batch
            }
    if total := sum(plan.snapshots.get(user_id, 0) for user_id in plan.users):
        plan.warnings.append(
            f"{total} snapshots of the old engine cannot be read; they are listed, not moved"
        )


def _branch_rows(source: Source, table: str, user_id: str) -> tuple[int, int]:
    """The owner's rows, and those of others: the old server cloned everybody's into a branch."""
    counts = f"SELECT COUNT(*) AS n, SUM({source.bytewise('user_id')} = %s) AS own FROM {source.name(table)}"
    for batch in source.rows(counts, [user_id.encode() if source.is_mysql else user_id]):
        own = int(batch[0]["own"] or 0)
        return own, int(batch[0]["n"]) - own
    return 0, 0


def _targets(plan: Plan, source: Source, only: list[str]) -> None:
    """Who is in service here is left alone: refused where named, or where nobody else is left."""
    phases = dict(MigratedUser.objects.filter(migration__source=source.label).values_list("user_id", "phase"))
    serving = dict(UserDatabase.objects.values_list("user_id", "status"))
    names = database_names()
    done = [user_id for user_id in plan.users if phases.get(user_id) == Phase.ACTIVE]
    if only or len(done) == len(plan.users):
        plan.gaps += [f"user {user_id!r} has been migrated and is in service here" for user_id in done]
    elif done:
        plan.warnings.append(
            f"{len(done)} users have been migrated and are in service here: they are left alone"
        )
        plan.users = {user_id: counts for user_id, counts in plan.users.items() if user_id not in set(done)}
    for user_id in plan.users:
        if user_id not in phases and user_id in names:
            plan.gaps.append(
                f"user {user_id!r} has a database here already ({names[user_id]}); leave them out with --user"
                " for all others, or erase them here first"
            )
        elif phases.get(user_id) not in (None, Phase.ACTIVE) and serving.get(user_id) == State.ACTIVE:
            plan.gaps.append(
                f"user {user_id!r} came into service here before they were copied; nothing was changed"
            )


def _room(plan: Plan, source: Source) -> None:
    """Whether this account may make the databases, and whether they fit."""
    needed = source.size_bytes()
    for name in server_names():
        place = server(name)
        if not place.may_create():
            plan.gaps.append(f"the account of user server {name!r} may not create databases named mem_u_…")
        if (free := place.free_bytes()) is not None and free < needed:
            plan.gaps.append(
                f"user server {name!r} has {free / 2**30:.1f} GiB free; the old database has {needed / 2**30:.1f} GiB"
            )


def _vectors(plan: Plan, source: Source, keep: bool) -> None:
    try:
        configured = embedder()
    except (MemoriaError, OSError) as error:
        plan.warnings.append(f"the embedder does not start: {error}")
        return
    if not keep or configured is None or "embedding" not in plan.tables["mem_memories"]:
        return
    sample = "SELECT embedding FROM mem_memories WHERE embedding IS NOT NULL AND embedding <> '' LIMIT 20"
    widths = {
        len(unit)
        for batch in source.rows(sample)
        for row in batch
        if (unit := mapping.vector(row["embedding"])) is not None
    }
    width = configured.dim or settings.MEMORIA_EMBEDDING_DIM
    if widths == {width}:
        plan.vectors = Vectors(configured.model, width)
        plan.warnings.append(
            f"vectors {width} wide are kept as those of {configured.model}; "
            "if another model made them, give --drop-vectors"
        )
    elif widths:
        plan.warnings.append(
            f"vectors {sorted(widths)} wide do not fit {configured.model} ({width}): they are left out and made anew "
            "in the background; until then search goes by words"
        )


def _is_this_database(source: Source) -> bool:
    entry = connection.settings_dict
    name = str(entry["NAME"])
    if source.label.startswith("sqlite:"):
        return source.label == f"sqlite:{name}"[-255:]
    host = f"{entry.get('HOST') or 'localhost'}:{entry.get('PORT') or 3306}"
    return connection.vendor == "mysql" and source.label == f"mysql:{host}/{name}"
