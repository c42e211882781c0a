"""What surrounds a user's memories: log, feedback, weights, checked-out branch, statistics and old snapshots."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from django.db.models import Model

from apps.feedback.models import Feedback, RetrievalParams
from apps.legacy import mapping
from apps.legacy.services.copying.run import Run, keyed, keys
from apps.legacy.source import Row, log_count, log_rows, parts, stats_rows
from apps.memories.models import EditLog, Memory, MemoryStats, Revision
from apps.tenancy import sql
from apps.versioning.models import Snapshot, UserState


def surroundings_copy(run: Run) -> None:
    """Make these tables hold what the old ones do."""
    edit = partial(mapping.edit, user_id=run.user_id)
    _replace(run, EditLog, _mapped(run, "mem_edit_log", "edit_id", edit, _log(run)))
    feedback = run.rows("mem_retrieval_feedback")
    _replace(run, Feedback, _mapped(run, "mem_retrieval_feedback", "id", mapping.feedback, feedback))
    stats = map(run.counted, stats_rows(run.source, run.tables, _memory_ids(run)))
    _replace(run, MemoryStats, _mapped(run, "mem_memories_stats", "memory_id", mapping.stats, stats))
    _few_copy(run)


def _mapped(
    run: Run, table: str, key: str, made: Callable[[Row], Model], batches: Iterable[list[Row]]
) -> Iterator[list[Any]]:
    """What is made of these rows, a batch at a time as they are read: those know how long they are."""
    return (list(run.odd.mapped(table, key, made, batch)) for batch in batches)


def _memory_ids(run: Run) -> Iterator[str]:
    """Those of main, then those that only branches have."""
    yield from keys(Memory.objects.all(), "memory_id")
    on_branches = run.scratch.shelf()
    for part in parts(i for _, i in keyed(Revision.objects.all(), "pk", "memory_id")):
        on_branches.add(part)
    for part in parts(on_branches):
        mains = set(Memory.objects.filter(memory_id__in=part).values_list("memory_id", flat=True))
        yield from (memory_id for memory_id in part if memory_id not in mains)


def _replace(run: Run, model: type[Model], batches: Iterator[list[Any]]) -> None:
    """Make a table hold these rows: by key, only what differs is written."""
    key = model._meta.pk.attname  # type: ignore[union-attr]
    manager: Any = model._default_manager
    seen = run.scratch.shelf() if not run.is_first and manager.exists() else None
    for rows in batches:
        if seen is not None:
            seen.add(getattr(row, key) for row in rows)
        run.write(partial(_write, model, rows))
    if seen is not None:
        for part in parts(seen.lacking(keys(manager.all(), "pk"))):
            run.write(manager.filter(pk__in=part).delete)


def _write(model: type[Model], rows: list[Any]) -> None:
    names = [f.attname for f in model._meta.concrete_fields]
    manager: Any = model._default_manager
    there = {row.pk: row for row in manager.filter(pk__in=[row.pk for row in rows])}
    fresh = [
        row
        for row in {row.pk: row for row in rows}.values()
        if row.pk not in there or any(getattr(row, n) != getattr(there[row.pk], n) for n in names)
    ]
    if changed := [row.pk for row in fresh if row.pk in there]:
        manager.filter(pk__in=changed).delete()
    sql.insert(fresh)


def _log(run: Run) -> Iterator[list[Row]]:
    count = 0
    for batch in log_rows(run.source, run.tables, run.user_id):
        count += len(batch)
        yield run.counted(batch)
    if (doubled := log_count(run.source, run.tables, run.user_id) - count) > 0:
        run.result.warnings.append(f"{doubled} log entries were written twice; the earlier ones were taken")


def _few_copy(run: Run) -> None:
    """What a user has one of, or a few, in one transaction.

    Snapshots of the old engine are its own: the ones that are gone are kept as names, the live ones are listed.
    """
    rows = {
        table: [row for batch in run.rows(table) for row in batch]
        for table in ("mem_user_retrieval_params", "mem_user_state", "mem_snapshots")
    }
    snapshot = partial(_snapshot, run.user_id)
    snapshots = list(run.odd.mapped("mem_snapshots", "name", snapshot, rows["mem_snapshots"]))
    if live := ", ".join(row.name for row, is_live in snapshots if is_live):
        run.result.warnings.append(f"snapshots that cannot be read outside the old server: {live}")
    made: dict[type[Model], list[Any]] = {Snapshot: [row for row, _ in snapshots]}
    for model, table, each in (
        (RetrievalParams, "mem_user_retrieval_params", mapping.params),
        (UserState, "mem_user_state", mapping.state),
    ):
        mapped = run.odd.mapped(table, "user_id", each, rows[table])
        made[model] = list({row.pk: row for row in mapped}.values())
    run.write(partial(_write_anew, made))


def _snapshot(user_id: str, row: Row) -> tuple[Snapshot, bool]:
    """A snapshot, and whether the old server can read it. Raises Odd."""
    made = mapping.snapshot(row, user_id)
    mapping.fits(made)
    return made, mapping.text(row["status"]) == "active"


def _write_anew(made: dict[type[Model], list[Any]]) -> None:
    for model, rows in made.items():
        model._default_manager.all().delete()
        sql.insert(rows)
