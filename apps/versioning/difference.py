"""What a branch changed against its target: the rows for memoria.verdicts, and texts to show them."""

from collections.abc import Iterable, Iterator
from typing import Any

from apps.memories.models import MAIN_BRANCH, OPEN, Memory, Revision
from apps.memories.view import View
from apps.tenancy.scope import user_connection
from memoria.verdicts import Buckets, Side, Touched, Verdict, sort_out

IDS_PER_QUERY = 500

# One join by index: the branch's open rows with main's present ones.
_TOUCHED = """
SELECT o.memory_id, o.absent, o.digest, o.is_active, o.superseded_by, o.base, m.digest, m.is_active, m.superseded_by
FROM mem_revisions o LEFT JOIN mem_memories m ON m.memory_id = o.memory_id
WHERE o.branch_id = %s AND o.died = %s
"""


def touched_against_main(branch_id: int) -> list[Touched]:
    """Every row the branch has touched, beside main's."""
    with user_connection().cursor() as cursor:
        cursor.execute(_TOUCHED, [branch_id, OPEN])
        return [
            Touched(
                memory_id=row[0],
                mine=None if row[1] else Side(row[2], bool(row[3]), row[4]),
                base=row[5],
                theirs=None if row[6] is None else Side(row[6], bool(row[7]), row[8]),
            )
            for row in cursor.fetchall()
        ]


def touched_against(source: View, target: View) -> list[Touched]:
    """Every row the source branch has touched, beside the target's."""
    rows = touched_against_main(source.branch_id)
    if target.branch_id == MAIN_BRANCH:
        return rows
    theirs = sides(target, (row.memory_id for row in rows))
    return [Touched(row.memory_id, row.mine, row.base, theirs.get(row.memory_id)) for row in rows]


def sides(view: View, memory_ids: Iterable[str]) -> dict[str, Side]:
    """The given rows as a view has them."""
    found: dict[str, Side] = {}
    for ids in chunks(memory_ids):
        for source in view.sources():
            rows = source.filter(memory_id__in=ids).values_list(
                "memory_id", "digest", "is_active", "superseded_by"
            )
            for memory_id, digest, is_active, superseded_by in rows:
                found.setdefault(memory_id, Side(digest, is_active, superseded_by))
    return found


def difference(source: View, target: View, rows: list[Touched] | None = None) -> Buckets:
    """The buckets of a branch against its target; `rows` narrows it to some of what the branch touched."""
    rows = touched_against(source, target) if rows is None else rows
    return sort_out(rows, _conflict_successors(rows, target))


def _conflict_successors(rows: list[Touched], target: View) -> dict[str, Side]:
    """The target's rows that took the place of conflicting ones, followed to their ends."""
    found: dict[str, Side] = {}
    conflicting = (row.theirs for row in rows if row.verdict is Verdict.CONFLICT and row.theirs)
    wanted = {side.superseded_by for side in conflicting if side.superseded_by}
    while wanted:
        step = sides(target, wanted)
        found |= step
        wanted = {s.superseded_by for s in step.values() if s.superseded_by and s.superseded_by not in found}
    return found


def behind_main(branch: View, buckets: Buckets, limit: int | None = None) -> list[str]:
    """Active memories that only main has changed or gained since the fork, in id order. What belongs to a conflict is
    shown there.
    """
    # By birth alone: any other condition or order leads SQLite to an index that visits every active memory.
    gained = Memory.objects.filter(born__gt=branch.fork_seq).values_list("memory_id", "is_active")
    ids = {memory_id for memory_id, is_active in gained if is_active}
    touched = Revision.objects.filter(branch_id=branch.branch_id, died=OPEN)
    ids -= buckets.aside | set(touched.values_list("memory_id", flat=True))
    for part in chunks(buckets.behind):
        known = Memory.objects.filter(memory_id__in=part, is_active=True)
        ids.update(known.values_list("memory_id", flat=True))
    return sorted(ids)[:limit]


def texts(view: View, memory_ids: Iterable[str]) -> dict[str, Any]:
    """Rows to show, by id: of main, or of those that a branch has touched."""
    rows = Memory.objects.all() if view.is_main_now else view.overlay().filter(absent=0)
    columns = ("memory_id", "content", "memory_type", "author_id", "is_active", "superseded_by")
    return {
        row.memory_id: row
        for ids in chunks(memory_ids)
        for row in rows.filter(memory_id__in=ids).only(*columns)
    }


def chunks(items: Iterable[str]) -> Iterator[list[str]]:
    """Sorted parts small enough for one statement."""
    every = sorted(set(items))
    for start in range(0, len(every), IDS_PER_QUERY):
        yield every[start : start + IDS_PER_QUERY]
