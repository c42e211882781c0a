"""Set-wise moves between main and the other rows of a database: taking a branch's rows over, and going back in time.

Part of the same contract as apps.memories.commits, within an open commit on main; plain SQL because thousands of rows
move without passing through Python.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from apps.memories.commits import CHUNK, SHARED, OpenCommit
from apps.memories.models import MAIN_BRANCH, OPEN
from apps.memories.view import View
from apps.tenancy import sql


def adopt(
    opened: OpenCommit,
    *,
    source: View,
    branch_id: int,
    memory_ids: Iterable[str],
    dropped_ids: Iterable[str] = (),
) -> None:
    """Make main's rows equal to the source's own rows of these ids, and take `dropped_ids` out of main.

    The rows of the branch, whose past `source` may be, get what was applied as their new base, so that a second merge
    finds nothing and later changes on either side are judged against this moment.
    """
    moment = source.at if source.at is not None else OPEN - 1
    true_then = "branch_id = %s AND died > %s AND born <= %s"
    for ids in _chunks(dropped_ids):
        _leave(opened, ids)
    for ids in _chunks(memory_ids):
        marks = sql.marks(ids)
        _leave(opened, ids)
        inherited, values = _columns("o.", born=opened.seq)
        sql.execute(
            f"INSERT INTO mem_memories ({inherited}) SELECT {values} FROM mem_revisions o"
            f" WHERE o.{true_then.replace(' AND ', ' AND o.')} AND o.absent = 0 AND o.memory_id IN ({marks})",
            [source.branch_id, moment, moment, *ids],
        )
        opened.count(_active(f"memory_id IN ({marks})", ids))
        if source.at is None:
            settle(opened, branch_id=branch_id, memory_ids=ids)
            continue
        digests = sql.query(
            f"SELECT digest, memory_id FROM mem_revisions WHERE {true_then} AND memory_id IN ({marks})",
            [source.branch_id, moment, moment, *ids],
        )
        _move_bases(opened, [(branch_id, memory_id, digest) for digest, memory_id in digests])


def settle(opened: OpenCommit, *, branch_id: int, memory_ids: Iterable[str]) -> None:
    """Move the merge base of a branch's open rows to what the branch has now: main has just heard of it."""
    for ids in _chunks(memory_ids):
        _remember_bases(opened, branch_id, ids)
        sql.execute(
            "UPDATE mem_revisions SET base = digest"
            f" WHERE branch_id = %s AND died = %s AND memory_id IN ({sql.marks(ids)})",
            [branch_id, OPEN, *ids],
        )


def _move_bases(opened: OpenCommit, bases: Sequence[tuple[int, str, int | None]]) -> None:
    """Give the open rows of (branch id, memory id) another merge base."""
    wanted: dict[int, dict[str, int | None]] = {}
    for branch_id, memory_id, base in bases:
        wanted.setdefault(branch_id, {})[memory_id] = base
    for branch_id, by_id in wanted.items():
        for ids in _chunks(by_id):
            _remember_bases(opened, branch_id, ids)
            known = [(memory_id, by_id[memory_id]) for memory_id in ids if by_id[memory_id] is not None]
            cases = f"CASE memory_id {'WHEN %s THEN %s ' * len(known)}END" if known else "NULL"
            sql.execute(
                f"UPDATE mem_revisions SET base = {cases}"
                f" WHERE branch_id = %s AND died = %s AND memory_id IN ({sql.marks(ids)})",
                [*chain.from_iterable(known), branch_id, OPEN, *ids],
            )


def _remember_bases(opened: OpenCommit, branch_id: int, ids: list[str]) -> None:
    sql.execute(
        "INSERT INTO mem_merge_bases (branch_id, memory_id, seq, base)"
        " SELECT branch_id, memory_id, %s, base FROM mem_revisions"
        f" WHERE branch_id = %s AND died = %s AND memory_id IN ({sql.marks(ids)})",
        [opened.seq, branch_id, OPEN, *ids],
    )


def copy_overlay(*, source: View, target_branch: int, memory_ids: Iterable[str]) -> None:
    """Give another line copies of a branch's open rows, with their age and base."""
    for ids in _chunks(memory_ids):
        names = ", ".join(map(sql.quoted, SHARED))
        sql.execute(
            f"INSERT INTO mem_revisions (branch_id, died, base, absent, {names})"
            f" SELECT {int(target_branch)}, died, base, absent, {names} FROM mem_revisions"
            f" WHERE branch_id = %s AND died = %s AND memory_id IN ({sql.marks(ids)})",
            [source.branch_id, OPEN, *ids],
        )


def rewind(opened: OpenCommit, seq: int) -> int:
    """Give main the rows it had at commit `seq`. Returns how many rows differed. Nothing is lost: the present rows
    become revisions like any other, so the way back is the same operation.

    What branches had brought to main by then, and what not, is as it was too: a merge that is taken back can be made
    again.
    """
    # Compared here, not by a subquery: SQLite took the wrong index for that and went through all changes for each.
    then = dict(
        sql.query(
            "SELECT memory_id, digest FROM mem_revisions WHERE branch_id = %s AND died > %s AND born <= %s",
            [MAIN_BRANCH, seq, seq],
        )
    )
    now = sql.query("SELECT memory_id, digest FROM mem_memories WHERE born > %s", [seq])
    ids = [memory_id for memory_id, digest in now if memory_id not in then or then[memory_id] != digest]
    for part in _chunks(ids):
        _leave(opened, part)
    inherited, values = _columns("r.", born=opened.seq)
    absent = "NOT EXISTS (SELECT 1 FROM mem_memories m WHERE m.memory_id = r.memory_id)"
    sql.execute(
        f"INSERT INTO mem_memories ({inherited}) SELECT {values} FROM mem_revisions r"
        f" WHERE r.branch_id = %s AND r.died > %s AND r.born <= %s AND {absent}",
        [MAIN_BRANCH, seq, seq],
    )
    opened.count(_active("born = %s", [opened.seq]))
    restored = sql.query("SELECT memory_id FROM mem_memories WHERE born = %s", [opened.seq])
    _move_bases(opened, _bases_at(seq))
    return len(set(ids) | {row[0] for row in restored})


def _bases_at(seq: int) -> list[tuple[int, str, int | None]]:
    """The merge bases as they were at a commit, as (branch id, memory id, base), of all that moved since."""
    moves = sql.query(
        "SELECT branch_id, memory_id, base FROM mem_merge_bases WHERE seq > %s ORDER BY seq DESC", [seq]
    )
    first = {(branch_id, memory_id): base for branch_id, memory_id, base in moves}  # the earliest comes last
    return [(branch_id, memory_id, base) for (branch_id, memory_id), base in first.items()]


def _leave(opened: OpenCommit, ids: list[str]) -> None:
    """Take rows out of main, keeping them as revisions."""
    opened.count(-_active(f"memory_id IN ({sql.marks(ids)})", ids))
    opened.archive(ids)
    sql.execute(f"DELETE FROM mem_memories WHERE memory_id IN ({sql.marks(ids)})", ids)


def _columns(prefix: str, *, born: int) -> tuple[str, str]:
    """The shared columns as names and as values, with `born` replaced by this commit."""
    values = (str(int(born)) if name == "born" else f"{prefix}{sql.quoted(name)}" for name in SHARED)
    return ", ".join(map(sql.quoted, SHARED)), ", ".join(values)


def _active(where: str, parameters: list[Any]) -> int:
    return int(
        sql.query(f"SELECT COUNT(*) FROM mem_memories WHERE is_active = 1 AND {where}", parameters)[0][0]
    )


def _chunks(items: Iterable[str]) -> Iterator[list[str]]:
    every = sorted(set(items))
    for start in range(0, len(every), CHUNK):
        yield every[start : start + CHUNK]
