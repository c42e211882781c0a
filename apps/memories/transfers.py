"""Set-wise moves between main and the other rows of a database: taking a branch's rows over, and going back in time.

Part of the same contract as apps.memories.commits, within an open commit on main; plain SQL because thousands of rows
move without passing through Python.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from apps.memories.commits import CHUNK, SHARED, OpenCommit
from apps.memories.models import MAIN_BRANCH, OPEN
from apps.memories.view import View
from apps.tenancy import sql


def adopt(
    opened: OpenCommit, *, source: View, memory_ids: Iterable[str], dropped_ids: Iterable[str] = ()
) -> None:
    """Make main's rows equal to the source branch's own rows of these ids, and take `dropped_ids` out of main.

    The branch's rows get what was applied as their new base, so that a second merge finds nothing and later changes
    on either side are judged against this moment.
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
        digests = sql.query(
            f"SELECT digest, memory_id FROM mem_revisions WHERE {true_then} AND memory_id IN ({marks})",
            [source.branch_id, moment, moment, *ids],
        )
        settle(branch_id=source.branch_id, applied=digests)
        opened.count(_active(f"memory_id IN ({marks})", ids))


def settle(*, branch_id: int, applied: Iterable[tuple[int | None, str]]) -> None:
    """Move the merge base of the branch's open rows to what was applied: (digest, memory id) of each."""
    sql.execute_many(
        f"UPDATE mem_revisions SET base = %s WHERE branch_id = {int(branch_id)} AND memory_id = %s AND died = {OPEN}",
        list(applied),
    )


def copy_overlay(opened: OpenCommit, *, source: View, target_branch: int, memory_ids: Iterable[str]) -> None:
    """Give another branch copies of a branch's open rows, born in this commit, with the same base."""
    for ids in _chunks(memory_ids):
        names, values = _columns("o.", born=opened.seq)
        sql.execute(
            f"INSERT INTO mem_revisions (branch_id, died, base, absent, {names})"
            f" SELECT {int(target_branch)}, o.died, o.base, o.absent, {values} FROM mem_revisions o"
            f" WHERE o.branch_id = %s AND o.died = %s AND o.memory_id IN ({sql.marks(ids)})",
            [source.branch_id, OPEN, *ids],
        )


def rewind(opened: OpenCommit, seq: int) -> int:
    """Give main the rows it had at commit `seq`. Returns how many rows differed. Nothing is lost: the present rows
    become revisions like any other, so the way back is the same operation."""
    same = (
        "EXISTS (SELECT 1 FROM mem_revisions r WHERE r.branch_id = %s AND r.memory_id = mem_memories.memory_id"
        " AND r.died > %s AND r.born <= %s AND r.digest = mem_memories.digest)"
    )
    differs = f"born > %s AND NOT {same}"
    parameters = [seq, MAIN_BRANCH, seq, seq]
    ids = [row[0] for row in sql.query(f"SELECT memory_id FROM mem_memories WHERE {differs}", parameters)]
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
    return len(set(ids) | {row[0] for row in restored})


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
