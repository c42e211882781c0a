"""Picking single changes of a branch into main or another branch. A preview and a real run make the same plan."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from apps.memories.audit import Entry, audit
from apps.memories.commits import commit
from apps.memories.services.vectors import query_vector
from apps.memories.similarity import rank_rows
from apps.memories.transfers import adopt
from apps.memories.view import View
from apps.tenancy.scope import user_atomic
from apps.versioning.difference import difference, sides, touched_against
from apps.versioning.selectors import branch_view, snapshot_get, view_at
from apps.versioning.services.rewrite import branch_rewrite, branch_rows
from apps.versioning.services.snapshots import restore_point_create
from memoria.errors import Conflict, Invalid, NotFound
from memoria.ports import Embedder
from memoria.verdicts import Side, Touched, chain


class Policy(StrEnum):
    """What happens to a conflict: abort everything, leave it, or take the source's side."""

    FAIL = "fail"
    SKIP = "skip"
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True)
class Keys:
    memory_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Range:
    from_snapshot: str
    to_snapshot: str


@dataclass(frozen=True, slots=True)
class Ranking:
    query: str
    top_k: int = 5
    min_score: float | None = None


Selector = Keys | Range | Ranking


@dataclass(frozen=True, slots=True)
class Candidate:
    """One change: the memory to show, the rows it brings, and the target's rows it displaces."""

    memory_id: str
    brings: tuple[str, ...]
    drops: tuple[str, ...] = ()
    is_conflict: bool = False
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pick would do or has done. `ignored` counts requested keys that are no change."""

    source: View
    target: View
    candidates: list[Candidate]
    ignored: int
    policy: Policy
    restore_point: str | None = None
    """What undoes it, once it has been done."""

    @property
    def conflicts(self) -> int:
        return sum(candidate.is_conflict for candidate in self.candidates)

    @property
    def aborts(self) -> bool:
        return self.policy is Policy.FAIL and self.conflicts > 0

    @property
    def chosen(self) -> list[Candidate]:
        if self.aborts:
            return []
        return [c for c in self.candidates if not c.is_conflict or self.policy is Policy.ACCEPT]


def pick_plan(
    *, source: str, target: str, selector: Selector, policy: Policy, embedder: Embedder | None
) -> tuple[Plan, dict[str, str]]:
    """Preview: the plan and the texts of its candidates. Changes nothing."""
    vector_query = _query_vector(selector, embedder)
    with user_atomic():
        plan = _plan(source, target, selector, policy, vector_query)
        rows = branch_rows(plan.source, [candidate.memory_id for candidate in plan.candidates])
    return plan, {memory_id: row.content for memory_id, row in rows.items()}


def branch_pick(
    *,
    source: str,
    target: str,
    selector: Selector,
    policy: Policy,
    embedder: Embedder | None,
    actor_id: str,
    now: datetime,
) -> Plan:
    """Bring the selected changes of a branch to the target in one commit. Returns what was planned and done.

    Raises NotFound for unknown branches and snapshots, Invalid for impossible selections, Conflict when the policy
    is to fail and anything conflicts; then nothing is changed.
    """
    vector_query = _query_vector(selector, embedder)
    with commit(view=_target(target), operation="pick", actor_id=actor_id, now=now) as opened:
        plan = _plan(source, target, selector, policy, vector_query)
        if plan.aborts:
            ids = ", ".join(c.memory_id for c in plan.candidates if c.is_conflict)
            raise Conflict(
                f"Conflict: pick from branch '{source}' into '{target}' aborted for"
                f" {plan.conflicts} selected change(s): {ids}"
            )
        if not plan.chosen:
            opened.abandon()
            return plan
        point = restore_point_create(operation="pick", now=now, behind=1)
        brings = {memory_id for candidate in plan.chosen for memory_id in candidate.brings}
        drops = {memory_id for candidate in plan.chosen for memory_id in candidate.drops} - brings
        if plan.target.is_main:
            adopt(
                opened,
                source=plan.source,
                branch_id=branch_view(name=source).branch_id,
                memory_ids=brings,
                dropped_ids=drops,
            )
        else:
            brought = branch_rows(plan.source, brings)
            branch_rewrite(opened, dict.fromkeys(drops) | {i: brought[i] for i in brings})
        payload = {"source": source, "target": target, "memory_ids": sorted(brings)}
        audit(
            [Entry("branch_pick", payload=payload | {"changed": len(brings | drops)})],
            actor_id=actor_id,
            now=now,
            seq=opened.seq,
            snapshot_before=point,
        )
    return replace(plan, restore_point=point)


def _target(name: str) -> View:
    return branch_view(name=name)


def _query_vector(selector: Selector, embedder: Embedder | None) -> object:
    """Embed the query before any transaction; None where ranking is by words alone."""
    if not isinstance(selector, Ranking):
        return None
    vector, _ = query_vector(query=selector.query, embedder=embedder)
    return vector


def _plan(source: str, target: str, selector: Selector, policy: Policy, vector_query: object) -> Plan:
    if source == target:
        raise Invalid("Validation error: source and target must be different branches")
    mine, theirs = branch_view(name=source), branch_view(name=target)
    if mine.is_main:
        raise NotFound(f"Memory not found: Branch '{source}'")
    rows = touched_against(mine, theirs)
    if isinstance(selector, Range):
        mine, rows = _range(mine, theirs, selector)
    candidates = _candidates(mine, theirs, rows)
    ignored = 0
    if isinstance(selector, Keys):
        keys = set(selector.memory_ids)
        known = {memory_id for c in candidates for memory_id in (c.memory_id, *c.brings)}
        candidates = [c for c in candidates if keys & {c.memory_id, *c.brings}]
        ignored = len(keys - known)
    elif isinstance(selector, Ranking):
        candidates = _ranked(mine, candidates, selector, vector_query)
    return Plan(mine, theirs, candidates, ignored, policy)


def _range(source: View, target: View, selector: Range) -> tuple[View, list[Touched]]:
    """The source as of the later snapshot, and the rows it changed between the two."""
    start = snapshot_get(name=selector.from_snapshot).seq
    then = view_at(source, snapshot_get(name=selector.to_snapshot).seq)
    rows = list(then.overlay().filter(born__gt=start))
    theirs = sides(target, (row.memory_id for row in rows))
    return then, [
        Touched(
            row.memory_id,
            None if row.absent else Side(row.digest or 0, row.is_active, row.superseded_by),
            row.base,
            theirs.get(row.memory_id),
        )
        for row in rows
    ]


def _candidates(source: View, target: View, rows: list[Touched]) -> list[Candidate]:
    """The changes among the rows, newest first: a correction is one change with both of its rows."""
    buckets = difference(source, target, rows)
    touched = {row.memory_id: row for row in rows}
    found = [Candidate(memory_id, (memory_id,)) for memory_id in (*buckets.added, *buckets.removed)]
    for update in buckets.updated:
        found.append(Candidate(update.new_id, tuple(chain(update, touched, buckets.ahead))))
    for unit in buckets.conflicts:
        brings = tuple(memory_id for memory_id in (unit.memory_id, *unit.mine) if memory_id in touched)
        found.append(Candidate(unit.memory_id, brings, unit.theirs, is_conflict=True))
    ages = source.overlay().values_list("memory_id", "born")
    changed: dict[str, int] = dict(ages)
    return sorted(found, key=lambda c: (-changed.get(c.memory_id, 0), c.memory_id))


def _ranked(
    source: View, candidates: list[Candidate], selector: Ranking, vector_query: object
) -> list[Candidate]:
    rows = branch_rows(source, [candidate.memory_id for candidate in candidates])
    scores = rank_rows(list(rows.values()), query=selector.query, vector=vector_query)
    scored = [replace(c, score=round(scores.get(c.memory_id, 0.0), 4)) for c in candidates]
    kept = [c for c in scored if selector.min_score is None or (c.score or 0.0) >= selector.min_score]
    return sorted(kept, key=lambda c: (-(c.score or 0.0), c.memory_id))[: selector.top_k]
