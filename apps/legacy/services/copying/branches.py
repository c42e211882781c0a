"""Branches as forks of main, and the rows in which each differs from it."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db.models import Model

from apps.graph.services import memories_link
from apps.legacy import mapping
from apps.legacy.services.copying.memories import COMPARED, Made, insert, made_of, vectors_attach
from apps.legacy.services.copying.run import Run, keys
from apps.legacy.source import Row, as_text, branch_table, parts, user_rows
from apps.memories.commits import SHARED
from apps.memories.models import MAIN_BRANCH, OPEN, Memory, Revision
from apps.tenancy import sql
from apps.versioning.models import Branch
from memoria.entities import LinkSource, entities

_COMPARED_ON_BRANCHES = (*COMPARED, "base", "absent")
ABSENT_AT_ONCE = 100
"""They are read from main with their texts."""


def branches_read(run: Run) -> tuple[list[Row], list[Row]]:
    """The owner's live branches by age, and the others; the newest of namesakes keeps the name."""
    rows = (row for batch in run.rows("mem_branches") for row in batch)
    aged = list(run.odd.mapped("mem_branches", "id", partial(_aged, run), rows))
    aged.sort(key=lambda each: each[:2])
    live: dict[str, Row] = {}
    gone = []
    for *_, row in aged:
        name = mapping.text(row["name"]) or ""
        if name == "main":
            continue
        if branch_table(run.tables, row) is None:
            gone.append(row)
            continue
        if name in live:
            run.result.warnings.append(f"branch {name!r} is there twice; the newer one was taken")
            gone.append(live.pop(name))  # the other's place among the forks is that of its age
        live[name] = row
    return list(live.values()), gone


def _aged(run: Run, row: Row) -> tuple[datetime, str, Row]:
    """A row behind its age. Raises Odd where nobody could check it out."""
    mapping.fits(mapping.branch(row, 0, fork_seq=None))
    for name in ("status", "table_name"):
        mapping.text(row[name])
    if not mapping.text(row["name"]) and branch_table(run.tables, row) is not None:
        raise mapping.Odd("name", row["name"], "is lacking")
    return mapping.made_at(row), mapping.text(row["id"]) or "", row


def branches_copy(run: Run, live: list[Row], gone: list[Row]) -> None:
    """The branches and what each has otherwise than main; what an earlier run wrote of them stays."""
    first = MAIN_BRANCH + 1 + len(live)
    wanted = [mapping.branch(row, MAIN_BRANCH + 1 + n, fork_seq=n + 1) for n, row in enumerate(live)]
    wanted += [mapping.branch(row, first + n, fork_seq=None) for n, row in enumerate(gone)]
    there = {row.pk: row for row in Branch.objects.exclude(pk=MAIN_BRANCH)}
    if {row.pk: _values(row) for row in wanted} != {pk: _values(row) for pk, row in there.items()}:
        run.write(partial(_write_branches, wanted))
    mains = len(live) + 1
    for number, row in enumerate(live):
        fork = _Fork(MAIN_BRANCH + 1 + number, number + 1, mains + 1 + number, mapping.made_at(row))
        _overlay(run, as_text(row["table_name"]) or "", fork)


def _write_branches(wanted: list[Branch]) -> None:
    Revision.objects.all().delete()
    Branch.objects.exclude(pk=MAIN_BRANCH).delete()
    sql.insert(wanted)


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
        main = {row[0]: row[1:] for row in rows.values_list("memory_id", *COMPARED)}
        found = (self._own(memory, main.get(memory.memory_id)) for memory in memories)
        return [revision for revision in found if revision is not None]

    def _own(self, memory: Memory, there: tuple[Any, ...] | None) -> Revision | None:
        """None where the row is main's. Who changed it tells the merge base."""
        mine = (memory.digest, *(getattr(memory, name) for name in COMPARED[2:]))
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


def _overlay(run: Run, table: str, fork: _Fork) -> None:
    seen = run.scratch.shelf()
    for batch in user_rows(run.source, run.tables, table, run.user_id):
        made = made_of(run, table, run.counted(batch))
        seen.add(memory.memory_id for memory, _ in made)
        run.write(partial(_write_own, run, fork, made))
    inherited = Memory.objects.filter(born__lte=fork.fork_seq)
    for part in parts(seen.lacking(keys(inherited, "memory_id")), ABSENT_AT_ONCE):
        seen.add(part)
        run.write(partial(_write_absent, run, fork, part))
    written = Revision.objects.filter(branch_id=fork.branch_id)
    for part in parts(seen.lacking(keys(written, "memory_id"))):
        run.write(written.filter(memory_id__in=part).delete)


def _write_own(run: Run, fork: _Fork, made: Made) -> None:
    vectors_attach(run, made)
    memories = [memory for memory, _ in made]
    own = fork.own(memories)
    fresh = _replaced(run, fork, [memory.memory_id for memory in memories], own)
    insert(run, fresh)
    new = {row.memory_id for row in fresh}
    kept = {row.memory_id: entities(row.content) for row in own if row.memory_id not in new}
    memories_link(found=kept, source=LinkSource.RULES, now=run.now)  # main's change may have cut them


def _write_absent(run: Run, fork: _Fork, memory_ids: list[str]) -> None:
    rows = [fork.absent(row) for row in Memory.objects.filter(memory_id__in=memory_ids)]
    sql.insert(_replaced(run, fork, memory_ids, rows))


def _replaced(run: Run, fork: _Fork, memory_ids: list[str], wanted: list[Revision]) -> list[Revision]:
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
    run.result.written += len(fresh)
    return fresh


def _values(row: Model) -> tuple[Any, ...]:
    return tuple(getattr(row, field.attname) for field in row._meta.concrete_fields)
