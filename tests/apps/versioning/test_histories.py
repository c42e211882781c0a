"""Random histories against the naive model: main, every branch, every snapshot of each, after every few steps."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from apps.memories.models import Clock
from apps.memories.selectors import memory_count
from apps.memories.services.correct import memory_correct
from apps.memories.services.write import memories_write
from apps.memories.view import MAIN, View
from apps.tenancy.scope import user_database
from apps.versioning.selectors import branch_view, snapshot_get, view_resolve
from apps.versioning.services.branches import branch_create, branch_delete
from apps.versioning.services.collect import collect
from apps.versioning.services.merge import branch_merge
from apps.versioning.services.purge import memories_purge, purge_of
from apps.versioning.services.rollback import rollback
from apps.versioning.services.snapshots import snapshot_create, snapshots_delete
from memoria.drafts import draft
from memoria.errors import Conflict
from tests.apps.versioning.naive import Naive, Rows

START = datetime(2026, 1, 1, tzinfo=UTC)


class History:
    """Takes random steps on both."""

    def __init__(self, seed: int, settings) -> None:
        self.random = random.Random(seed)
        self.naive = Naive()
        self.now = START
        self.undo: list[tuple[str, Rows]] = []
        self.count = 0
        self.log: list[str] = []
        self.conflicts = 0
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
            self.rollback: 3,
            self.undo_rollback: 2,
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
            self.naive.correct(name, old, new.memory_id, text)

    def purge(self) -> None:
        name, view = self.line()
        active = self.active(name)
        if len(active) > 2:
            ids = self.random.sample(active, self.random.randrange(1, 3))
            memories_purge(wanted=purge_of(memory_ids=ids), view=view, actor_id="ada", now=self.now)
            self.naive.purge(name, ids)

    def snapshot(self) -> None:
        if len(self.naive.snapshots) < 20:
            name = f"s{self.count}_{self.random.randrange(10**6)}"
            snapshot_create(name=name, now=self.now)
            self.naive.snapshot(name)

    def fork(self) -> None:
        if len(self.naive.branches) >= 6:
            return
        name = f"b {self.count} {self.random.randrange(10**6)}"
        source = self.random.choice([None, *self.naive.snapshots])
        branch_create(name=name, actor_id="ada", now=self.now, from_snapshot=source)
        self.naive.branch(name, self.naive.snapshots[source][0] if source else self.naive.main)

    def merge(self) -> None:
        if self.naive.branches:
            name = self.random.choice(list(self.naive.branches))
            strategy = self.random.choice(["append", "replace"])
            self.conflicts += len(self.naive.units(name, self.naive.main))
            branch_merge(name=name, strategy=strategy, actor_id="ada", now=self.now)
            self.naive.merge(name, strategy)

    def rollback(self) -> None:
        if self.naive.snapshots:
            name = self.random.choice(list(self.naive.snapshots))
            before = dict(self.naive.main)
            done = rollback(snapshot=name, actor_id="ada", now=self.now)
            self.naive.rollback(self.naive.snapshots[name][0])
            self.undo.append((done.restore_point, before))

    def undo_rollback(self) -> None:
        if self.undo:
            point, rows = self.undo.pop()
            try:
                rollback(snapshot=point, actor_id="ada", now=self.now)
            except Exception:
                assert not [p for p in [point] if snapshot_exists(p)]
                return
            self.naive.rollback(rows)

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
        active = sum(state[1] for state in self.naive.main.values())
        assert Clock.objects.get().active_count == active
        for name, branch in self.naive.branches.items():
            view = branch_view(name=name)
            assert read(view) == branch.rows, name
            assert memory_count(view=view) == sum(state[1] for state in branch.rows.values())
        for name, (main, branches) in self.naive.snapshots.items():
            at = view_resolve(actor_id="ada", branch="main", at=name)
            assert read(at) == main, name
            assert memory_count(view=at) == sum(state[1] for state in main.values())
            for branch, rows in branches.items():
                if branch in self.naive.branches:
                    assert read(view_resolve(actor_id="ada", branch=branch, at=name)) == rows, (name, branch)


def read(view: View) -> Rows:
    found: Rows = {}
    for source in view.sources():
        for row in source.values_list("memory_id", "content", "is_active", "superseded_by"):
            assert row[0] not in found, "an id appears twice"
            found[row[0]] = (row[1], bool(row[2]), row[3])
    return found


def snapshot_exists(name: str) -> bool:
    try:
        snapshot_get(name=name)
    except Exception:
        return False
    return True


@pytest.mark.parametrize("seed", range(4))
def test_a_random_history_equals_full_copies(ada, settings, seed):
    history = History(seed, settings)
    with user_database(ada):
        for number in range(520):
            try:
                history.step()
                if number % 10 == 0 or number > 500:
                    history.check()
            except Conflict:
                raise
            except Exception as error:
                error.add_note(f"seed {seed}, step {number}, last steps {history.log[-5:]}")
                raise
    assert history.conflicts > 10, "the history was too tame to show anything"
