"""The bound on open connections is exact, waiting is bounded, and a connection carries nothing to the next user."""

import threading
import time

import pytest
from django.db import OperationalError, connections

from apps.memories.models import Clock, MemoryStats
from apps.tenancy import servers
from apps.tenancy.scope import release_connection, user_atomic, user_connection, user_database
from apps.tenancy.servers.pool import Pool, Session
from memoria.errors import Unavailable


class Raw:
    """A stand-in for a driver connection: the pool only closes it."""

    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def pool(size: int, wait_seconds: float = 0.05) -> Pool:
    return Pool(name="test", size=size, wait_seconds=wait_seconds, close=lambda raw: raw.close())


def test_a_session_of_the_same_database_is_preferred():
    p = pool(3)
    for name in ("a", "b", "a"):
        p.acquire(f"none {name}")
        p.release(Session(Raw(), name))
    assert p.acquire("b").database == "b"
    assert p.acquire("c").database == "a", "at the bound the longest idle session is rebound"
    assert p.open_count == 3


def test_waiting_ends_with_an_error_that_says_when_to_come_back():
    p = pool(1)
    assert p.acquire("a") is None
    started = time.monotonic()
    with pytest.raises(Unavailable, match="timeout") as caught:
        p.acquire("b")
    assert caught.value.retry_after >= 1
    assert 0.04 < time.monotonic() - started < 1


def test_a_waiter_gets_the_session_that_is_given_back():
    p = pool(1, wait_seconds=5)
    p.acquire("a")
    threading.Timer(0.05, lambda: p.release(Session(Raw(), "a"))).start()
    assert p.acquire("b").database == "a"


def test_a_discarded_session_is_closed_and_makes_room():
    p, raw = pool(1), Raw()
    p.acquire("a")
    p.discard(Session(raw, "a"))
    assert raw.is_closed
    assert p.open_count == 0
    assert p.acquire("b") is None


def test_close_idle_leaves_other_databases_open():
    p, a, b = pool(2), Raw(), Raw()
    for raw, name in ((a, "a"), (b, "b")):
        p.acquire(name)
        p.release(Session(raw, name))
    p.close_idle("a")
    assert (a.is_closed, b.is_closed, p.open_count) == (True, False, 1)


@pytest.fixture
def small_pool(ada):
    p = servers.server(ada.server).pool
    p.close_idle()
    size, wait, p.size, p._wait_seconds = p.size, p._wait_seconds, 1, 0.1
    yield p
    p.size, p._wait_seconds = size, wait


def test_an_exhausted_pool_is_unavailable_and_recovers(ada, ben, small_pool):
    with user_database(ada):
        Clock.objects.count()
        with user_database(ben), pytest.raises(Unavailable):
            Clock.objects.count()
    with user_database(ben):
        assert Clock.objects.count() == 1


def test_a_released_connection_serves_others_while_slow_work_goes_on(ada, ben, small_pool):
    with user_database(ada):
        Clock.objects.count()
        release_connection()
        with user_database(ben):
            assert Clock.objects.count() == 1
        assert Clock.objects.count() == 1


def test_nothing_is_released_inside_a_transaction(ada, small_pool):
    with user_database(ada), user_atomic():
        MemoryStats.objects.create(memory_id="m1")
        release_connection()
        assert MemoryStats.objects.count() == 1


def test_a_connection_that_failed_is_not_used_again(ada, small_pool):
    with user_database(ada) as alias:
        Clock.objects.count()
        with pytest.raises(OperationalError), connections[alias].cursor() as cursor:
            cursor.execute(
                "SELECT broken FROM nowhere"
                if connections[alias].vendor == "sqlite"
                else "KILL CONNECTION_ID()"
            )
    assert small_pool.idle_count == 0
    with user_database(ada):
        assert Clock.objects.count() == 1


@pytest.mark.mysql_only(reason="sessions with state and server-side kills")
class TestSessions:
    def test_locks_variables_and_temporary_tables_do_not_reach_the_next_user(self, ada, ben, small_pool):
        with user_database(ada), user_connection().cursor() as cursor:
            cursor.execute("SELECT GET_LOCK('mine', 0)")
            cursor.execute("SET @secret = 'of ada'")
            cursor.execute("CREATE TEMPORARY TABLE scratch (id INT)")
            cursor.execute("SELECT CONNECTION_ID()")
            connection_id = cursor.fetchone()
        with user_database(ben), user_connection().cursor() as cursor:
            cursor.execute("SELECT CONNECTION_ID(), @secret, IS_FREE_LOCK('mine')")
            assert cursor.fetchone() == (*connection_id, None, 1)
            with pytest.raises(Exception, match="scratch"):
                cursor.execute("SELECT * FROM scratch")

    def test_a_rebound_connection_keeps_isolation_mode_and_autocommit(self, ada, ben, small_pool):
        seen = set()
        for route in (ada, ben, ada):
            with user_database(route), user_connection().cursor() as cursor:
                cursor.execute(
                    "SELECT @@tx_isolation, @@autocommit, @@character_set_client, @@collation_connection, DATABASE()"
                )
                row = cursor.fetchone()
                assert row[-1] == route.alias
                seen.add(row[:-1])
        assert seen == {("READ-COMMITTED", 1, "utf8mb4", next(iter(seen))[3])}

    def test_a_connection_killed_while_idle_costs_nothing(self, ada, ben, small_pool):
        from tests import engine

        for route in (ada, ada, ben):
            with user_database(route), user_connection().cursor() as cursor:
                cursor.execute("SELECT CONNECTION_ID()")
                (connection_id,) = cursor.fetchone()
            engine.SERVER.execute(f"KILL {connection_id}")
            time.sleep(0.05)
        with user_database(ada):
            assert Clock.objects.count() == 1

    def test_the_template_cannot_be_written_by_a_reader_without_a_database(self, db, make_user):
        from apps.tenancy import admission

        route = admission.route(user_id="nobody", found=None, creates=False)
        with user_database(route):
            assert not MemoryStats.objects.exists()
            with pytest.raises(Exception, match="READ ONLY"):
                MemoryStats.objects.create(memory_id="m1")


@pytest.mark.sqlite_only(reason="file modes")
def test_the_template_cannot_be_written_by_a_reader_without_a_file(db, make_user):
    from apps.tenancy import admission

    route = admission.route(user_id="nobody", found=None, creates=False)
    with user_database(route):
        assert not MemoryStats.objects.exists()
        with pytest.raises(OperationalError, match="readonly"):
            MemoryStats.objects.create(memory_id="m1")
