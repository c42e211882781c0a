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

from django.db.models import F, Field, Model, Value
from django.db.models.functions import Greatest

from apps.memories.models import MAIN_BRANCH, OPEN, Clock, Commit, Memory, MemoryColumns, Revision
from apps.memories.view import View
from apps.tenancy.scope import user_atomic, user_connection
from memoria.digest import state_digest
from memoria.errors import Unavailable

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
            Memory.objects.bulk_create(rows, batch_size=CHUNK)
            self.count(sum(row.is_active for row in rows))
        else:
            Revision.objects.bulk_create(
                [self._overlay_row(row, base=None) for row in rows], batch_size=CHUNK
            )

    def change(self, changes: Iterable[Change]) -> None:
        """Give rows of this view new values; each row at most once per call."""
        for part in _chunks(list(changes)):
            after = [self._changed(change) for change in part]
            if self.view.is_main:
                self.archive([row.memory_id for row in after])
                _update(Memory, after, ("memory_id",), sorted({name for c in part for name in c.values}))
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
        connection = user_connection()
        columns = ", ".join(map(connection.ops.quote_name, SHARED))
        marks = ", ".join(["%s"] * len(memory_ids))
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO mem_revisions (branch_id, died, absent, {columns})"
                f" SELECT {MAIN_BRANCH}, %s, 0, {columns} FROM mem_memories"
                f" WHERE memory_id IN ({marks}) AND born < %s",
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
            if after is None and known is None:
                continue  # made on the branch and gone again: nothing for main to hear of
            row = self._overlay_row(after or before, base=known)
            if after is None:
                row.absent, row.digest = 1, None
            successors.append(row)
        Revision.objects.bulk_create(successors)

    def _overlay_row(self, row: MemoryColumns, *, base: int | None) -> Revision:
        values = {name: getattr(row, name) for name in SHARED}
        return Revision(
            **{**values, "branch_id": self.view.branch_id, "born": self.seq, "died": OPEN, "base": base}
        )

    def count(self, difference: int) -> None:
        if difference:
            Clock.objects.update(active_count=F("active_count") + difference)


@contextmanager
def commit(*, view: View, operation: str, actor_id: str, now: datetime) -> Iterator[OpenCommit]:
    """Open a commit on a view's branch. Leaves the new state, or the old one when the block raises."""
    with user_atomic():
        if not Clock.objects.update(seq=F("seq") + 1, ticked_at=Greatest("ticked_at", Value(now))):
            raise Unavailable("this user's database is not complete", retry_after=60)
        seq, ticked_at = Clock.objects.values_list("seq", "ticked_at").get(pk=1)
        Commit.objects.create(
            seq=seq, branch_id=view.branch_id, operation=operation, actor_id=actor_id, created_at=ticked_at
        )
        yield OpenCommit(seq=seq, view=view, now=now)


def _chunks(items: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def _update(model: type[Model], rows: Sequence[Any], key: tuple[str, ...], columns: Sequence[str]) -> None:
    """Update each row by its key with one prepared statement."""
    connection = user_connection()
    by_name: dict[str, Field[Any, Any]] = {field.attname: field for field in model._meta.concrete_fields}
    fields = [by_name[name] for name in (*columns, "born", "digest")]
    assignments = ", ".join(f"{connection.ops.quote_name(field.attname)} = %s" for field in fields)
    where = " AND ".join(f"{name} = %s" for name in key)
    parameters = [
        [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
        + [getattr(row, name) for name in key]
        for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(f"UPDATE {model._meta.db_table} SET {assignments} WHERE {where}", parameters)
