"""Writing memories: the only code that touches mem_memories and mem_revisions.

A commit is one transaction that first ticks the clock, so commit order equals sequence order and "the state
at s" never changes later. On main a changed row leaves its pre-image in mem_revisions; on a branch a change
closes the branch's open row and opens its successor. Embeddings are computed before, never inside.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Field

from apps.memories.models import MAIN_BRANCH, OPEN, Memory, MemoryColumns, Revision
from apps.memories.view import View
from apps.tenancy import sql
from apps.tenancy.scope import current_alias, user_atomic, user_connection
from memoria.digest import state_digest
from memoria.errors import NotFound, Unavailable

# Rows per statement: SQLite allows 32,766 parameters, and a long IN list parses slowly.
CHUNK = 500

SHARED = tuple(field.attname for field in MemoryColumns._meta.concrete_fields)


@dataclass(frozen=True, slots=True)
class Change:
    """The new values of some fields of a row as it was read inside the commit."""

    row: MemoryColumns
    values: dict[str, Any]


class OpenCommit:
    """A commit that is being written. Valid inside the block of `commit` only."""

    def __init__(self, *, seq: int, view: View, now: datetime) -> None:
        self.seq = seq
        self.view = view
        self.now = now

    def insert(self, rows: Sequence[Memory]) -> None:
        """Add new memories, in this order. Their `born` and `digest` are filled in."""
        for row in rows:
            row.born, row.digest = self.seq, state_digest(row)
        if self.view.is_main:
            sql.insert(rows)
            self.count(sum(row.is_active for row in rows))
        else:
            sql.insert([self._overlay_row(row, base=None) for row in rows])

    def change(self, changes: Iterable[Change]) -> None:
        """Give rows of this view new values; each row at most once per call."""
        for part in _chunks(list(changes)):
            after = [self._changed(change) for change in part]
            if self.view.is_main:
                self.archive([row.memory_id for row in after])
                _update(after, sorted({name for c in part for name in c.values}))
                self.count(sum(row.is_active for row in after) - sum(c.row.is_active for c in part))
            else:
                self._overlay([(change.row, row) for change, row in zip(part, after, strict=True)])

    def remove(self, rows: Sequence[MemoryColumns]) -> None:
        """Take rows out of this view altogether; their history stays."""
        for part in _chunks(list(rows)):
            ids = [row.memory_id for row in part]
            if self.view.is_main:
                self.archive(ids)
                Memory.objects.filter(memory_id__in=ids).delete()
                self.count(-sum(row.is_active for row in part))
            else:
                self._overlay([(row, None) for row in part])

    def _changed(self, change: Change) -> MemoryColumns:
        after = copy(change.row)
        for name, value in change.values.items():
            setattr(after, name, value)
        after.born, after.digest = self.seq, state_digest(after)
        return after

    def archive(self, memory_ids: list[str]) -> None:
        """Keep main's present rows as revisions that ended with this commit; rows born in it leave no trace."""
        columns = ", ".join(map(sql.quoted, SHARED))
        sql.execute(
            f"INSERT INTO mem_revisions (branch_id, died, absent, {columns})"
            f" SELECT {MAIN_BRANCH}, %s, 0, {columns} FROM mem_memories"
            f" WHERE memory_id IN ({sql.marks(memory_ids)}) AND born < %s",
            [self.seq, *memory_ids, self.seq],
        )

    def _overlay(self, pairs: list[tuple[MemoryColumns, MemoryColumns | None]]) -> None:
        """Let the branch have these rows from now on; None as the second means: the branch removed the row."""
        ids = [before.memory_id for before, _ in pairs]
        opened = Revision.objects.filter(branch_id=self.view.branch_id, died=OPEN, memory_id__in=ids)
        base = dict(opened.values_list("memory_id", "base"))
        opened.filter(born=self.seq).delete()
        opened.update(died=self.seq)
        successors = []
        for before, after in pairs:
            inherited = before.memory_id not in base
            known = before.digest if inherited else base[before.memory_id]
            row = self._overlay_row(after or before, base=known)
            if after is None:
                row.absent, row.digest = 1, None
            successors.append(row)
        sql.insert(successors)

    def _overlay_row(self, row: MemoryColumns, *, base: int | None) -> Revision:
        values = {name: getattr(row, name) for name in SHARED}
        return Revision(
            **{**values, "branch_id": self.view.branch_id, "born": self.seq, "died": OPEN, "base": base}
        )

    def abandon(self) -> None:
        """Leave no trace after all: there was nothing to do."""
        transaction.set_rollback(True, using=current_alias())

    def count(self, difference: int) -> None:
        if difference:
            sql.execute("UPDATE mem_clock SET active_count = active_count + %s", [difference])


@contextmanager
def commit(*, view: View, operation: str, actor_id: str, now: datetime) -> Iterator[OpenCommit]:
    """Open a commit on a view's branch. Leaves the new state, or the old one when the block raises.

    Raises NotFound and Unavailable where the branch has been deleted or refreshed since the view was made.
    """
    with user_atomic():
        moment = user_connection().ops.adapt_datetimefield_value(now)
        later = "CASE WHEN ticked_at < %s THEN %s ELSE ticked_at END"
        if not sql.execute(f"UPDATE mem_clock SET seq = seq + 1, ticked_at = {later}", [moment, moment]):
            raise Unavailable("this user's database is not complete", retry_after=60)
        sql.execute(
            "INSERT INTO mem_commits (seq, branch_id, operation, actor_id, created_at)"
            " SELECT seq, %s, %s, %s, ticked_at FROM mem_clock",
            [view.branch_id, operation, actor_id],
        )
        _check_line(view)
        yield OpenCommit(seq=sql.query("SELECT seq FROM mem_clock")[0][0], view=view, now=now)


def _check_line(view: View) -> None:
    """The branch was looked up before the clock was locked: what is written to one that is gone, nobody would see."""
    if view.is_main:
        return
    live = sql.query("SELECT id FROM mem_branches WHERE live_name = %s", [view.name])
    if not live:
        raise NotFound(f"Memory not found: Branch '{view.name}'")
    if live[0][0] != view.branch_id:
        raise Unavailable(f"branch '{view.name}' has just been refreshed; try again")


def clock_locked() -> tuple[int, int]:
    """The clock's number and its count of active memories; no commit until the caller's transaction ends."""
    lock = "" if user_connection().vendor == "sqlite" else " FOR UPDATE"  # SQLite locked it when it began
    seq, active_count = sql.query(f"SELECT seq, active_count FROM mem_clock WHERE id = 1{lock}")[0]
    return int(seq), int(active_count)


def _chunks(items: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def _update(rows: Sequence[Any], columns: Sequence[str]) -> None:
    """Write the given columns of main's rows, each by its memory id, with one prepared statement."""
    connection = user_connection()
    by_name: dict[str, Field[Any, Any]] = {field.attname: field for field in Memory._meta.concrete_fields}
    fields = [by_name[name] for name in (*columns, "born", "digest")]
    assignments = ", ".join(f"{sql.quoted(field.attname)} = %s" for field in fields)
    sql.execute_many(
        f"UPDATE mem_memories SET {assignments} WHERE memory_id = %s",
        [
            [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
            + [row.memory_id]
            for row in rows
        ],
    )
