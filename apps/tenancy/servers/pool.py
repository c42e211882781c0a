"""A bounded, process-wide set of raw connections to user databases, and the Django wrapper that leases them.

Django keeps one connection per thread and alias, so connections grow with threads times users. Here a wrapper
owns no connection: it leases one from its server's pool at the first query and gives it back when the scope
ends. A connection that last served the same user is handed out as it is; any other is rebound by the server's
`open`.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from apps.tenancy.turns import end_turn
from memoria.errors import Unavailable


@dataclass(slots=True)
class Session:
    """A raw driver connection and the user database its state belongs to."""

    raw: Any
    database: str


class Pool:
    """At most `size` open sessions. Waiting is bounded; a session is used by one thread at a time."""

    def __init__(self, *, name: str, size: int, wait_seconds: float, close: Callable[[Any], None]) -> None:
        self.name = name
        self.size = size
        self._wait_seconds = wait_seconds
        self._close = close
        self._condition = threading.Condition()
        self._idle: list[Session] = []  # least recently used first
        self._open = 0
        _pools.append(self)

    @property
    def open_count(self) -> int:
        return self._open

    @property
    def idle_count(self) -> int:
        return len(self._idle)

    def acquire(self, database: str) -> Session | None:
        """Take an idle session, best one of the same database. None means: a place is reserved, open a new
        one.

        Raises Unavailable when every place stays taken for the whole waiting time.
        """
        deadline = time.monotonic() + self._wait_seconds
        with self._condition:
            while True:
                for index in range(len(self._idle) - 1, -1, -1):
                    if self._idle[index].database == database:
                        return self._idle.pop(index)
                if self._open < self.size:
                    self._open += 1
                    return None
                if self._idle:
                    return self._idle.pop(0)
                end_turn()
                if (remaining := deadline - time.monotonic()) <= 0 or not self._condition.wait(remaining):
                    raise Unavailable(
                        f"timeout: all {self.size} connections of user server '{self.name}' are in use",
                        retry_after=1,
                    )

    def release(self, session: Session) -> None:
        """Give a healthy session back."""
        with self._condition:
            self._idle.append(session)
            self._condition.notify()

    def discard(self, session: Session | None) -> None:
        """Close a session that may be broken, or give up a reserved place."""
        try:
            if session is not None:
                self._close(session.raw)
        finally:
            with self._condition:
                self._open -= 1
                self._condition.notify()

    def close_idle(self, database: str | None = None) -> None:
        """Close the idle sessions, or those of one database before its file is replaced or removed."""
        with self._condition:
            leaving = [s for s in self._idle if database in (None, s.database)]
            self._idle = [s for s in self._idle if s not in leaving]
        for session in leaving:
            self.discard(session)

    def abandon(self) -> None:
        """Forget every session without closing it: after a fork they belong to the parent."""
        _abandoned.extend(self._idle)
        self._condition = threading.Condition()
        self._idle, self._open = [], 0


_pools: list[Pool] = []
# Dropping the last reference would close the socket that the parent still uses.
_abandoned: list[Session] = []


def _after_fork() -> None:
    for pool in _pools:
        pool.abandon()


os.register_at_fork(after_in_child=_after_fork)


class LeasedConnection(BaseDatabaseWrapper):
    """Mixed into an engine's Django wrapper. Subclasses know how to open, rebind and probe a raw connection."""

    pool: Pool
    database: str
    _session: Session | None = None
    _is_prepared = False

    def open_raw(self, conn_params: dict[str, Any], old: Session | None) -> Any:
        """Return a raw connection on this database: rebind `old`, or close it and open a new one."""
        raise NotImplementedError

    def is_alive(self, raw: Any) -> bool:
        """Whether an idle connection is still connected, without a round trip."""
        raise NotImplementedError

    def enter(self) -> None:
        """Bring a fresh or rebound session into shape, and raise WrongOwner unless the database says it belongs to
        the expected user."""
        raise NotImplementedError

    def connect(self) -> None:
        session = self.pool.acquire(self.database)
        if session is not None and session.database == self.database and self.is_alive(session.raw):
            self._resume(session)
            return
        try:
            self._session = session
            super().connect()
            self.enter()
        except BaseException:
            self._session, failed = None, self._session
            self.connection = None
            self.pool.discard(failed)
            raise

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        old, self._session = self._session, None
        raw = self.open_raw(conn_params, old)
        self._session = Session(raw, self.database)
        return raw

    def _resume(self, session: Session) -> None:
        """What BaseDatabaseWrapper.connect does, less what this user's last lease has left in place."""
        if not self._is_prepared:  # it also reads options that transactions need later
            self.get_connection_params()
            self._is_prepared = True
        self.in_atomic_block = False
        self.savepoint_ids = []
        self.atomic_blocks = []
        self.needs_rollback = False
        self.closed_in_transaction = False
        self.errors_occurred = False
        self.health_check_done = True
        self.close_at = None
        self.run_on_commit = []
        self.autocommit = True
        self._session = session
        self.connection = session.raw
        connection_created.send(sender=self.__class__, connection=self)

    def _close(self) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        if self.errors_occurred or self.in_atomic_block or not self.autocommit:
            self.pool.discard(session)
        else:
            self.pool.release(session)
