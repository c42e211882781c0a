"""Writers of one SQLite file queue up within a process, and however a transaction ends the next one can begin."""

import sqlite3
import threading
from contextlib import closing

import pytest
from django.db import IntegrityError, OperationalError

from apps.memories.models import MemoryStats
from apps.tenancy import sql
from apps.tenancy.scope import Route, on_user_commit, user_atomic, user_connection, user_database
from apps.tenancy.servers import sqlite

pytestmark = pytest.mark.sqlite_only(reason="queues in front of files")
THREADS, WRITES = 6, 15


def is_taken() -> bool:
    return sqlite._queue_of(user_connection().settings_dict["NAME"]).lock.locked()


def written() -> int:
    return int(sql.query("SELECT COALESCE(SUM(access_count), 0) FROM mem_memories_stats")[0][0])


def test_writers_of_one_process_never_find_the_file_locked(ada: Route) -> None:
    """Without SQLite's own patience each of them would fail at once."""
    failed: list[Exception] = []

    def write() -> None:
        try:
            with user_database(ada):
                user_connection().ensure_connection()
                user_connection().connection.execute("PRAGMA busy_timeout = 0")
                for _ in range(WRITES):
                    with user_atomic():
                        MemoryStats.objects.filter(memory_id="m1").update(access_count=written() + 1)
        except Exception as error:
            failed.append(error)

    with user_database(ada):
        MemoryStats.objects.create(memory_id="m1", access_count=0)
    threads = [threading.Thread(target=write) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    with user_database(ada):
        assert written() == THREADS * WRITES


def test_however_a_transaction_ends_the_next_one_can_begin(in_adas_database: Route) -> None:
    with user_atomic():
        assert is_taken()
        with user_atomic():
            MemoryStats.objects.create(memory_id="m1")
        assert is_taken()
    assert not is_taken()
    with pytest.raises(LookupError), user_atomic():
        raise LookupError
    assert not is_taken()
    with pytest.raises(IntegrityError), user_atomic():
        MemoryStats.objects.create(memory_id="m1")
    assert not is_taken()
    with user_atomic():
        user_connection().close()
    assert not is_taken()


def test_what_is_done_after_a_commit_may_write_too(in_adas_database: Route) -> None:
    def write_again() -> None:
        with user_atomic():
            MemoryStats.objects.create(memory_id="m2", access_count=2)

    with user_atomic():
        MemoryStats.objects.create(memory_id="m1", access_count=1)
        on_user_commit(write_again)
    assert written() == 3
    assert not is_taken()


def test_a_writer_of_another_process_is_waited_for_and_named(in_adas_database: Route) -> None:
    """The place in the queue is free again after SQLite gave up."""
    sql.query("SELECT 1")
    user_connection().connection.execute("PRAGMA busy_timeout = 10")
    file = user_connection().settings_dict["NAME"]
    with closing(sqlite3.connect(file, uri=True, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError, match="locked"), user_atomic():
            pass
        assert not is_taken()
        other.execute("ROLLBACK")
    with user_atomic():
        assert is_taken()


def test_one_who_writes_for_long_is_not_waited_for_for_ever(
    ada: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "QUEUE_SECONDS", 0.01)
    said: list[str] = []

    def write() -> None:
        with user_database(ada):
            user_connection().ensure_connection()
            user_connection().connection.execute("PRAGMA busy_timeout = 0")
            try:
                with user_atomic():
                    pass
            except OperationalError as error:
                said.append(str(error))

    with user_database(ada):
        with user_atomic():
            thread = threading.Thread(target=write)
            thread.start()
            thread.join(30)
        assert said == ["database is locked"]
        assert not is_taken()
