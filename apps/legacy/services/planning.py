"""What a migration would do, found out by asking both sides; nothing is written."""

from collections.abc import Set
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from apps.legacy import mapping
from apps.legacy.models import MigratedUser, Phase
from apps.legacy.services.copying import Vectors
from apps.legacy.services.identity import is_control_database, ledger_name
from apps.legacy.services.leftovers import (
    Choice,
    Kind,
    Leftover,
    registered_find,
    shown,
    unregistered_find,
)
from apps.legacy.source import (
    COLUMNS,
    COPIED,
    REQUIRED,
    SKIPPED,
    SKIPPED_PREFIXES,
    Source,
    as_text,
    branch_rows,
    branch_table,
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
    leftovers: list[Leftover] = field(default_factory=list)
    """What the chosen option is to be done with."""
    vectors: Vectors | None = None
    fingerprint: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(sum(counts.values()) for counts in self.users.values())


@dataclass(frozen=True, slots=True)
class Options:
    """What whoever gives the command has chosen."""

    only: tuple[str, ...] = ()
    """These users; all where there are none."""
    strict: bool = False
    keep_vectors: bool = True
    skip_missing_branches: bool = False
    leftovers: Choice | None = None
    with_serving: bool = False
    """Also those who are in service here, whom a copy leaves alone."""


def plan_make(*, source: Source, options: Options | None = None) -> Plan:
    """Look at the source and at the targets. What must be put right first is in `gaps`."""
    options = options or Options()
    tables = source.tables()
    plan = Plan(tables)
    _classify(plan)
    _shape(plan)
    if not plan.gaps:
        everybody = _users(plan, source, options.only)
        _readable(plan, source)
        _words(plan, source)
        _branches(plan, source, skip_missing=options.skip_missing_branches)
        _left_behind(plan, source)
        _targets(plan, source, everybody, options)
        _vectors(plan, source, options.keep_vectors)
        _room(plan, source)
        plan.fingerprint = fingerprint(source, tables)
    if is_control_database(source):
        plan.gaps.append(
            "the old database is this server's own control database; give the new server another one"
        )
    if options.strict and plan.unknown:
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
            if table == "mem_memories":
                plan.gaps.append(
                    f"the old database has no table {table}: see whether --legacy-url names the right one"
                )
        elif missing := sorted(set(required.split()) - set(plan.tables[table])):
            plan.gaps.append(f"table {table} of the old database lacks {', '.join(missing)}")


def _users(plan: Plan, source: Source, only: tuple[str, ...]) -> Set[str]:
    """Fill in the selected users. Returns everybody who is in the old database."""
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
    return found.keys()


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
                if (word := as_text(row["word"])) and word not in known:
                    plan.unknown.append(f"{column} {word!r} of {row['n']} memories")


def _branches(plan: Plan, source: Source, *, skip_missing: bool) -> None:
    for row in branch_rows(source, plan.tables):
        user_id, name = as_text(row["user_id"]), as_text(row["name"]) or ""
        if user_id not in plan.users or as_text(row["status"]) != "active" or name == "main":
            continue
        if (table := branch_table(plan.tables, row)) is None:
            _missing_branch(plan, user_id, name, as_text(row["table_name"]) or "", skip=skip_missing)
            continue
        own, foreign = _branch_counts(source, table, user_id)
        plan.branches.setdefault(user_id, []).append((name, table, own))
        if foreign:
            plan.warnings.append(
                f"branch {name!r} of {user_id!r} holds {foreign} rows of other users: they are left out"
            )
    if "mem_snapshots" in plan.tables:
        live = "WHERE status = 'active'" if "status" in plan.tables["mem_snapshots"] else ""
        sql = f"SELECT user_id, COUNT(*) AS n FROM mem_snapshots {live} GROUP BY user_id"
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


def _left_behind(plan: Plan, source: Source) -> None:
    """What goes with branches and groups and has no place here."""
    of_branches: dict[str, str] = {}
    """Tables that mem_branches names, and whether in use."""
    for row in branch_rows(source, plan.tables):
        if table := as_text(row["table_name"]):
            of_branches[table] = (
                "active" if as_text(row["status"]) == "active" else of_branches.get(table, "")
            )
    for table in (table for table in plan.tables if table.startswith("br_")):
        if table not in of_branches:
            plan.skipped[table] = "no branch names it"
            plan.unknown.append(f"table {table}, which no branch names")
        elif of_branches[table]:
            extra = [c for c in plan.tables[table] if c not in COLUMNS["mem_memories"].split()]
            plan.unknown += [f"column {table}.{column}" for column in extra]
        else:
            plan.skipped[table] = "its branch is deleted"
    for user_id, active in plan.active_branches.items():
        names = {name for name, *_ in plan.branches.get(user_id, ())}
        if user_id in plan.users and active != "main" and active not in names:
            plan.warnings.append(
                f"user {user_id!r} has checked out branch {active!r}, which is not in use: they come back to main"
            )
    for table in ("mem_groups", "mem_group_members"):
        if table in plan.tables:
            counted = source.rows(f"SELECT COUNT(*) AS n FROM {source.name(table)}")
            if count := sum(int(row["n"]) for batch in counted for row in batch):
                plan.warnings.append(
                    f"{count} rows of {table} are not moved: this migration brings no groups"
                )


def _missing_branch(plan: Plan, user_id: str, name: str, table: str, *, skip: bool) -> None:
    if not table:
        found = f"branch {name!r} of {user_id!r} names no table"
    elif table in plan.tables or not SQL_IDENTIFIER.match(table):
        found = f"branch {name!r} of {user_id!r} names an impossible table"
    else:
        found = f"table {table} of branch {name!r} of {user_id!r} is missing"
    if skip:
        plan.warnings.append(f"{found}: the branch comes as a deleted one")
    else:
        plan.gaps.append(
            f"{found}: mark it deleted in the old mem_branches, or go on without it by --skip-missing-branches"
        )


def _branch_counts(source: Source, table: str, user_id: str) -> tuple[int, int]:
    """The owner's rows, and those of others: the old server cloned everybody's into a branch."""
    counts = f"SELECT COUNT(*) AS n, SUM({source.bytewise('user_id')} = %s) AS own FROM {source.name(table)}"
    for batch in source.rows(counts, [user_id.encode() if source.is_mysql else user_id]):
        own = int(batch[0]["own"] or 0)
        return own, int(batch[0]["n"]) - own
    return 0, 0


def _targets(plan: Plan, source: Source, everybody: Set[str], options: Options) -> None:
    """Who is in service here is left alone: refused where named, or where nobody else is left."""
    rows = MigratedUser.objects.values_list("user_id", "phase", "migration__source")
    name = ledger_name(source)
    phases = {user_id: phase for user_id, phase, migration in rows if migration == name}
    elsewhere = {user_id for user_id, phase, migration in rows if migration != name and phase != Phase.ACTIVE}
    serving = dict(UserDatabase.objects.values_list("user_id", "status"))
    names = database_names()
    done = [user_id for user_id in plan.users if phases.get(user_id) == Phase.ACTIVE]
    if options.with_serving:
        done = []
    elif options.only or len(done) == len(plan.users):
        plan.gaps += [f"user {user_id!r} has been migrated and is in service here" for user_id in done]
    elif done:
        plan.warnings.append(
            f"{len(done)} users have been migrated and are in service here: they are left alone"
        )
        plan.users = {user_id: counts for user_id, counts in plan.users.items() if user_id not in set(done)}
    left_behind = {
        user_id for user_id in plan.users if user_id in elsewhere and serving.get(user_id) == State.IMPORTING
    }
    for user_id in plan.users:
        if user_id not in phases and user_id in names and user_id not in left_behind:
            plan.gaps.append(
                f"user {user_id!r} has a database here already ({names[user_id]}); leave them out with --user"
                " for all others, or erase them here first"
            )
        elif phases.get(user_id) not in (None, Phase.ACTIVE) and serving.get(user_id) == State.ACTIVE:
            plan.gaps.append(
                f"user {user_id!r} came into service here before they were copied; nothing was changed"
            )
    vanished = [u for u, phase in phases.items() if u not in everybody and phase != Phase.ACTIVE]
    if not options.with_serving:
        _unregistered(plan, [user_id for user_id in plan.users if user_id not in names], options.leftovers)
        _elsewhere(plan, registered_find(Kind.ELSEWHERE, left_behind), options.leftovers)
    _vanished(plan, registered_find(Kind.VANISHED, vanished), options.leftovers)


def _unregistered(plan: Plan, user_ids: list[str], choice: Choice | None) -> None:
    found = unregistered_find(user_ids)
    if choice is Choice.IGNORE:
        plan.warnings += (
            [f"{shown(found)}: left alone, the users get databases of other names"] if found else []
        )
        return
    plan.leftovers += [each for each in found if choice and each.is_the_users]
    if refused := [each for each in found if not (choice and each.is_the_users)]:
        plan.gaps.append(
            f"{len(refused)} databases have the names of users to be migrated and are not in the registry:"
            f" {shown(refused)}. Choose: --leftovers adopt goes on with those that an abandoned migration of the user"
            " left, discard drops them, ignore leaves all of them and gives the users other names"
        )


def _elsewhere(plan: Plan, found: list[Leftover], choice: Choice | None) -> None:
    if choice in (Choice.ADOPT, Choice.DISCARD):
        plan.leftovers += found
    elif found:
        plan.gaps.append(
            f"{len(found)} users were copied from another old database and never came into service: {shown(found)}."
            " Choose: --leftovers adopt goes on with their databases, discard drops them"
        )


def _vanished(plan: Plan, found: list[Leftover], choice: Choice | None) -> None:
    if choice is Choice.DISCARD:
        plan.leftovers += found
    elif found:
        plan.warnings.append(
            f"{len(found)} users who were copied are no longer in the old database: {shown(found)}."
            " Nobody is served from these databases; --leftovers discard drops them"
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
