"""Random histories against the naive model: main, every branch, every snapshot of each, after every few steps."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from apps.memories import corpora
from apps.memories.models import OPEN, Clock
from apps.memories.selectors import memory_count
from apps.memories.services.correct import memory_correct
from apps.memories.services.write import memories_write
from apps.memories.view import MAIN, View
from apps.tenancy import sql
from apps.tenancy.scope import user_connection, user_database
from apps.versioning.difference import difference, touched_against_main
from apps.versioning.selectors import branch_view, snapshot_find, view_resolve
from apps.versioning.services.branches import branch_create, branch_delete, branch_refresh
from apps.versioning.services.collect import collect
from apps.versioning.services.merge import Selection, branch_apply, branch_merge
from apps.versioning.services.pick import Keys, Policy, branch_pick, pick_plan
from apps.versioning.services.purge import memories_purge, purge_of
from apps.versioning.services.rollback import rollback
from apps.versioning.services.snapshots import snapshot_create, snapshots_delete
from memoria.drafts import draft
from memoria.errors import Conflict
from memoria.tokens import search_terms
from memoria.verdicts import Update, chain
from tests.apps.versioning.naive import Moment, Naive, Rows

T = TypeVar("T")
START = datetime(2026, 1, 1, tzinfo=UTC)


class History:
    """Takes random steps on both."""

    def __init__(self, seed: int, settings) -> None:
        self.random = random.Random(seed)
        self.naive = Naive()
        self.now = START
        self.undo: list[tuple[str, Moment]] = []
        self.count = 0
        self.log: list[str] = []
        self.conflicts = 0
        self.picked = 0
        self.branches_back = 0
        settings.MEMORIA_HISTORY_DAYS = 1 / 24

    def step(self) -> None:
        self.now += timedelta(seconds=self.random.randrange(1, 120))
        weights = {
            self.store: 30,
            self.correct: 20,
            self.purge: 12,
            self.snapshot: 6,
            self.fork: 5,
            self.merge: 6,
            self.apply: 4,
            self.pick: 6,
            self.refresh: 2,
            self.rollback: 3,
            self.go_back: 4,
            self.rollback_branch: 3,
            self.forget_snapshot: 2,
            self.forget_branch: 2,
            self.collect: 2,
        }
        action = self.random.choices(list(weights), list(weights.values()))[0]
        self.log.append(action.__name__)
        action()

    def line(self) -> tuple[str, View]:
        name = self.random.choice(["main", "main", *self.naive.branches])
        return name, branch_view(name=name)

    def active(self, name: str) -> list[str]:
        return [memory_id for memory_id, state in self.naive.rows(name).items() if state[1]]

    def text(self) -> str:
        self.count += 1
        return f"fact number {self.count}"

    def store(self) -> None:
        name, view = self.line()
        text = self.text()
        (written,) = memories_write(
            drafts=[draft(content=text, now=self.now)],
            view=view,
            actor_id="ada",
            operation="store",
            reason="store_memory",
            now=self.now,
            embedder=None,
        )
        self.naive.store(name, written.memory.memory_id, text)

    def correct(self) -> None:
        name, view = self.line()
        if active := self.active(name):
            old, text = self.random.choice(active), self.text()
            new = memory_correct(
                view=view,
                memory_id=old,
                new_content=text,
                reason="",
                actor_id="ada",
                now=self.now,
                embedder=None,
            )
            self.naive.correct(name, old, new.memory.memory_id, text)

    def purge(self) -> None:
        name, view = self.line()
        active = self.active(name)
        if len(active) > 2:
            ids = self.random.sample(active, self.random.randrange(1, 3))
            done = memories_purge(wanted=purge_of(memory_ids=ids), view=view, actor_id="ada", now=self.now)
            self.undoable(done.restore_point)
            self.naive.purge(name, ids)

    def snapshot(self) -> None:
        if len(self.naive.snapshots) < 20:
            name = f"s{self.count}_{self.random.randrange(10**6)}"
            snapshot_create(name=name, now=self.now)
            self.naive.snapshots[name] = self.naive.moment()

    def fork(self) -> None:
        if len(self.naive.branches) >= 6:
            return
        name = f"b {self.count} {self.random.randrange(10**6)}"
        source = self.random.choice([None, *self.naive.snapshots])
        branch_create(name=name, actor_id="ada", now=self.now, from_snapshot=source)
        self.naive.branch(name, self.naive.snapshots[source].main if source else self.naive.main)

    def merge(self) -> None:
        if self.naive.branches:
            name = self.random.choice(list(self.naive.branches))
            strategy = self.random.choice(["append", "replace"])
            self.conflicts += len(self.naive.units(name, self.naive.main))
            done = branch_merge(name=name, strategy=strategy, actor_id="ada", now=self.now)
            self.undoable(done.restore_point)
            self.naive.merge(name, strategy)

    def apply(self) -> None:
        """Some items of the diff, and one that is none."""
        if not self.naive.branches:
            return
        name = self.random.choice(list(self.naive.branches))
        rows = {row.memory_id: row for row in touched_against_main(branch_view(name=name).branch_id)}
        buckets = difference(branch_view(name=name), MAIN, list(rows.values()))
        adds, removes = self.some(buckets.added), self.some(buckets.removed)
        updates, units = self.some(buckets.updated), self.some(buckets.conflicts)
        stranger = "0" * 32
        done = branch_apply(
            name=name,
            selection=Selection(
                adds=[*adds, stranger],
                removes=[*removes, stranger],
                updates=[*updates, Update(stranger, stranger)],
                conflicts=[*(unit.memory_id for unit in units), stranger],
            ),
            actor_id="ada",
            now=self.now,
        )
        assert (done.applied_adds, done.applied_removes) == (adds, removes)
        assert (len(done.applied_updates), len(done.applied_conflicts)) == (len(updates), len(units))
        for skipped in (
            done.skipped_adds,
            done.skipped_removes,
            done.skipped_updates,
            done.skipped_conflicts,
        ):
            assert len(skipped) == 1
        self.undoable(done.restore_point)
        wanted = {*adds, *removes, *(i for update in updates for i in chain(update, rows, buckets.ahead))}
        naive_units = self.naive.units(name, self.naive.main)
        wanted |= {i for u in units for i in (u.memory_id, *naive_units[u.memory_id][0]) if i in rows}
        dropped = {i for unit in units for i in naive_units[unit.memory_id][1]}
        self.naive.adopt(name, wanted, dropped)

    def pick(self) -> None:
        """Some changes by their keys, into main or another branch; the preview says what will be done."""
        if not self.naive.branches:
            return
        source = self.random.choice(list(self.naive.branches))
        target = self.random.choice([name for name in ("main", *self.naive.branches) if name != source])
        touched = sorted(self.naive.branches[source].own)
        policy = self.random.choice(list(Policy))
        wanted = {
            "source": source,
            "target": target,
            "selector": Keys([*self.some(touched), "0" * 32]),
            "policy": policy,
            "embedder": None,
        }
        plan, _ = pick_plan(**wanted)
        units = self.naive.units(source, self.naive.rows(target))
        assert {c.memory_id for c in plan.candidates if c.is_conflict} <= units.keys()
        if plan.aborts:
            with pytest.raises(Conflict):
                branch_pick(**wanted, actor_id="ada", now=self.now)
            return
        done = branch_pick(**wanted, actor_id="ada", now=self.now)
        assert done.chosen == plan.chosen
        self.undoable(done.restore_point)
        ahead = self.naive.ahead(source, self.naive.rows(target))
        for candidate in plan.chosen:
            if candidate.is_conflict:
                mine, theirs = units[candidate.memory_id]
                assert candidate.drops == tuple(theirs)
                assert set(mine) & set(touched) <= set(candidate.brings)
            else:
                assert set(candidate.brings) <= ahead
        brings = {i for candidate in plan.chosen for i in candidate.brings}
        drops = {i for candidate in plan.chosen for i in candidate.drops} - brings
        self.picked += bool(brings) and target != "main"
        self.naive.pick(source, target, brings, drops)

    def refresh(self) -> None:
        if not self.naive.branches:
            return
        name = self.random.choice(list(self.naive.branches))
        if self.naive.units(name, self.naive.main):
            with pytest.raises(Conflict):
                branch_refresh(name=name, actor_id="ada", now=self.now)
        else:
            branch_refresh(name=name, actor_id="ada", now=self.now)
            self.naive.refresh(name)

    def some(self, items: Sequence[T]) -> list[T]:
        return [item for item in items if self.random.random() < 0.5]

    def undoable(self, point: str | None) -> None:
        """Called before the naive model makes the same step."""
        if point is not None:
            self.undo.append((point, self.naive.moment()))

    def rollback(self) -> None:
        if self.naive.snapshots:
            name = self.random.choice(list(self.naive.snapshots))
            done = rollback(snapshot=name, actor_id="ada", now=self.now)
            self.undoable(done.restore_point)
            self.naive.rollback(self.naive.snapshots[name])

    def rollback_branch(self) -> None:
        if not (self.naive.snapshots and self.naive.branches):
            return
        snapshot = self.random.choice(list(self.naive.snapshots))
        name = self.random.choice(list(self.naive.branches))
        wanted = {"snapshot": snapshot, "branch": name, "actor_id": "ada", "now": self.now}
        if snapshot_find(name=snapshot).seq < branch_view(name=name).fork_seq:
            with pytest.raises(Conflict):
                rollback(**wanted)
            return
        done = rollback(**wanted)
        self.undoable(done.restore_point)
        self.naive.rollback_branch(name, self.naive.snapshots[snapshot])
        self.branches_back += bool(done.changed)

    def go_back(self) -> None:
        """Undo one of the last operations, a going back among them."""
        if self.undo:
            point, moment = self.undo.pop(-self.random.randrange(1, min(len(self.undo), 4) + 1))
            if snapshot_find(name=point) is None:
                return  # beyond the number that is kept
            done = rollback(snapshot=point, actor_id="ada", now=self.now)
            self.undoable(done.restore_point)
            self.naive.rollback(moment)

    def forget_snapshot(self) -> None:
        if self.naive.snapshots:
            name = self.random.choice(list(self.naive.snapshots))
            assert snapshots_delete(names=[name]) == [name]
            del self.naive.snapshots[name]

    def forget_branch(self) -> None:
        if self.naive.branches:
            name = self.random.choice(list(self.naive.branches))
            assert branch_delete(name=name, now=self.now)
            del self.naive.branches[name]

    def collect(self) -> None:
        collect(now=self.now)

    def check(self) -> None:
        assert read(MAIN) == self.naive.main
        assert found_by_words("mem_memories", "1 = 1") == active(self.naive.main)
        assert ranked(MAIN) == active(self.naive.main)
        assert Clock.objects.get().active_count == len(active(self.naive.main))
        for name, branch in self.naive.branches.items():
            view = branch_view(name=name)
            assert read(view) == branch.rows, name
            own = branch.own & active(branch.rows)
            alive = f"branch_id = {view.branch_id} AND died = {OPEN} AND absent = 0"
            assert found_by_words("mem_revisions", alive) == own, name
            assert ranked(view) == active(branch.rows), name
            assert memory_count(view=view) == len(active(branch.rows))
            buckets = difference(view, MAIN)
            assert buckets.ahead == self.naive.ahead(name, self.naive.main), name
            units = {u.memory_id: (list(u.mine), list(u.theirs)) for u in buckets.conflicts}
            assert units == self.naive.units(name, self.naive.main), name
        for name, moment in self.naive.snapshots.items():
            at = view_resolve(actor_id="ada", branch="main", at=name)
            assert read(at) == moment.main, name
            assert memory_count(view=at) == len(active(moment.main))
            assert ranked(at) == active(moment.main), name
            for branch, rows in moment.branches.items():
                if branch in self.naive.branches:
                    assert read(view_resolve(actor_id="ada", branch=branch, at=name)) == rows, (name, branch)


def found_by_words(table: str, condition: str) -> set[str]:
    """Memories in the text index under a word that all of them have."""
    (word,) = search_terms("number")
    match = f"MATCH ({table}.search_text) AGAINST ('{word}') AND is_active = 1"
    if user_connection().vendor == "sqlite":
        match = f"id IN (SELECT rowid FROM {table}_text WHERE {table}_text MATCH '{word}')"
    return {row[0] for row in sql.query(f"SELECT memory_id FROM {table} WHERE {match} AND {condition}")}


def ranked(view: View) -> set[str]:
    """What retrieval ranks: the arrays, which follow changes instead of being read anew."""
    corpus = corpora.corpus_of(view, model="none", dim=8)
    alive = [
        memory_id
        for segment, mask in zip(corpus.segments, corpus.alive, strict=True)
        for memory_id, is_alive in zip(segment.memory_ids, mask, strict=True)
        if is_alive
    ]
    assert len(set(alive)) == len(alive), "a memory is ranked twice"
    return set(alive)


def active(rows: Rows) -> set[str]:
    return {memory_id for memory_id, state in rows.items() if state[1]}


def read(view: View) -> Rows:
    found: Rows = {}
    for source in view.sources():
        for row in source.values_list("memory_id", "content", "is_active", "superseded_by"):
            assert row[0] not in found, "an id appears twice"
            found[row[0]] = (row[1], bool(row[2]), row[3])
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_random_history_equals_full_copies(ada, settings, seed):
    history = History(seed, settings)
    corpora.cache.clear()
    with user_database(ada):
        for number in range(520):
            try:
                history.step()
                if number % 20 == 0 or number > 514:
                    history.check()
            except Exception as error:
                error.add_note(f"seed {seed}, step {number}, last steps {history.log[-5:]}")
                raise
    shown = (history.conflicts > 10, history.picked > 0, history.branches_back > 1)
    assert all(shown), "the history was too tame to show anything"
