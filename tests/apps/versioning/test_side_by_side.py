"""Readers with a fixed moment beside writers, writers of one user behind each other, users beside each other."""

import hashlib
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from apps.memories.commits import commit
from apps.memories.filters import ANY
from apps.memories.models import Clock, Commit
from apps.memories.selectors import memory_list
from apps.memories.services.correct import memory_correct
from apps.memories.services.write import memories_write
from apps.memories.view import MAIN, View
from apps.tenancy import servers
from apps.tenancy.scope import Route, user_connection, user_database
from apps.versioning.selectors import branch_view, view_at
from apps.versioning.services.branches import branch_create
from apps.versioning.services.collect import collect
from apps.versioning.services.merge import branch_merge
from apps.versioning.services.purge import memories_purge, purge_of
from apps.versioning.services.rollback import rollback
from apps.versioning.services.snapshots import snapshot_create
from memoria.drafts import draft
from memoria.errors import NotFound
from tests import engine

# Long enough to see that somebody waits.
WAITED = 0.5


def store(text: str, view: View = MAIN) -> str:
    now = datetime.now(UTC)
    (written,) = memories_write(
        drafts=[draft(content=text, now=now)],
        view=view,
        actor_id="ada",
        operation="store",
        reason="store_memory",
        now=now,
        embedder=None,
    )
    return written.memory.memory_id


def read(view: View) -> dict[str, tuple[Any, ...]]:
    """As every reader has to: in order, and a second row of an id is dropped."""
    found: dict[str, tuple[Any, ...]] = {}
    for source in view.sources():
        for row in source.values_list("memory_id", "content", "is_active", "superseded_by", "digest"):
            found.setdefault(row[0], row[1:])
    return found


def in_thread(pool: ThreadPoolExecutor, route: Route, work: Callable[[], Any]) -> "Future[Any]":
    def run() -> Any:
        with user_database(route):
            return work()

    return pool.submit(run)


def test_a_moment_stays_the_same_while_writers_run(ada):
    """Both of main and of a branch, through stores, corrections, purges, merges and goings back."""
    with user_database(ada):
        for number in range(30):
            store(f"first {number}")
        branch_create(name="exp", actor_id="ada", now=datetime.now(UTC))
        snapshot_create(name="then", now=datetime.now(UTC))
    done = threading.Event()

    def write(seed: int) -> int:
        rng, steps = random.Random(seed), 0
        while not done.is_set():
            now, steps = datetime.now(UTC), steps + 1
            view = rng.choice([MAIN, branch_view(name="exp")])
            active = [item.memory_id for item in memory_list(view=view, filters=ANY, limit=50).items]
            with suppress(NotFound):  # the other writer was there first
                match rng.randrange(8):
                    case 0 | 1 | 2:
                        store(f"writer {seed} {steps}", view)
                    case 3 | 4 if active:
                        memory_correct(
                            view=view,
                            memory_id=rng.choice(active),
                            new_content=f"corrected by {seed} {steps}",
                            reason="",
                            actor_id="ada",
                            now=now,
                            embedder=None,
                        )
                    case 5 if active:
                        ids = rng.sample(active, 1)
                        memories_purge(wanted=purge_of(memory_ids=ids), view=view, actor_id="ada", now=now)
                    case 6:
                        strategy = rng.choice(["append", "replace"])
                        branch_merge(name="exp", strategy=strategy, actor_id="ada", now=now)
                    case 7 if rng.random() < 0.2:
                        rollback(snapshot="then", actor_id="ada", now=now)
                    case 7:
                        collect(now=now)
        return steps

    def look() -> dict[View, dict[str, tuple[Any, ...]]]:
        seen = {}
        try:
            for _ in range(60):
                seq = Clock.objects.get().seq
                for view in (view_at(MAIN, seq), view_at(branch_view(name="exp"), seq)):
                    first = read(view)
                    assert read(view) == first
                    seen[view] = first
        finally:
            done.set()
        return seen

    with ThreadPoolExecutor(4) as pool:
        writers = [in_thread(pool, ada, lambda seed=seed: write(seed)) for seed in range(2)]
        readers = [in_thread(pool, ada, look) for _ in range(2)]
        seen = [reader.result() for reader in readers]
        assert sum(writer.result() for writer in writers) > 30
    with user_database(ada):
        assert {view: read(view) for every in seen for view in every} == {**seen[0], **seen[1]}


def held(route: Route, entered: threading.Event, release: threading.Event) -> Callable[[], int]:
    """A writer that keeps its commit open until told otherwise."""

    def work() -> int:
        with commit(view=MAIN, operation="store", actor_id="ada", now=datetime.now(UTC)) as opened:
            entered.set()
            assert release.wait(30)
            return opened.seq

    return work


def test_two_writers_of_one_user_come_one_after_the_other(ada):
    entered, release = threading.Event(), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        first = in_thread(pool, ada, held(ada, entered, release))
        assert entered.wait(30)
        second = in_thread(pool, ada, lambda: (store("tea"), Clock.objects.get().seq)[1])
        with pytest.raises(TimeoutError):
            second.result(WAITED)
        release.set()
        assert second.result(30) == first.result(30) + 1
    with user_database(ada):
        assert [row.content for row in memory_list(view=MAIN, filters=ANY, limit=5).items] == ["tea"]


def test_no_tick_is_lost_between_writers(ada):
    def write(writer: int) -> None:
        for number in range(25):
            store(f"{writer} {number}")

    with ThreadPoolExecutor(3) as pool:
        for done in [in_thread(pool, ada, lambda writer=writer: write(writer)) for writer in range(3)]:
            done.result()
    with user_database(ada):
        clock = Clock.objects.get()
        assert (clock.seq, clock.active_count) == (75, 75)
        assert list(Commit.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, 76))


def test_two_users_never_wait_for_each_other(ada, ben):
    entered, release = threading.Event(), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        first = in_thread(pool, ada, held(ada, entered, release))
        assert entered.wait(30)
        try:
            with user_database(ben):
                point = store("tea")
                snapshot_create(name="then", now=datetime.now(UTC))
                memories_purge(
                    wanted=purge_of(memory_ids=[point]), view=MAIN, actor_id="ben", now=datetime.now(UTC)
                )
                rollback(snapshot="then", actor_id="ben", now=datetime.now(UTC))
                collect(now=datetime.now(UTC))
            assert not first.done()
        finally:
            release.set()
        first.result(30)


def fingerprint(route: Route) -> object:
    """Of everything that is in a user's database: the bytes of its files, or checksums of its tables."""
    servers.close_idle()
    if engine.SERVER is None:
        path = servers.server(route.server).path(route.alias)  # type: ignore[attr-defined]
        files = sorted(path.parent.glob(f"{path.name}*"))
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    with user_database(route):
        tables = sorted(user_connection().introspection.table_names())
        with user_connection().cursor() as cursor:
            cursor.execute(f"CHECKSUM TABLE {', '.join(tables)}")
            return cursor.fetchall()


def test_a_rollback_changes_no_byte_of_another_user(ada, ben):
    for route in (ada, ben):
        with user_database(route):
            snapshot_create(name="then", now=datetime.now(UTC))
            store("tea")
            branch_create(name="exp", actor_id=route.user_id, now=datetime.now(UTC))
            store("bees", branch_view(name="exp"))
    before, own = fingerprint(ben), fingerprint(ada)
    with user_database(ada):
        branch_merge(name="exp", strategy="append", actor_id="ada", now=datetime.now(UTC))
        rollback(snapshot="then", actor_id="ada", now=datetime.now(UTC))
        collect(now=datetime.now(UTC))
    assert fingerprint(ben) == before
    assert fingerprint(ada) != own
