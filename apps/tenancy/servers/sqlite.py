"""User databases as SQLite files: one file per user, made by copying a template file."""

import contextlib
import fcntl
import os
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from weakref import WeakValueDictionary

from django.db.backends.sqlite3.base import DatabaseWrapper

from apps.tenancy.servers.base import Owner, UserServer, checked_owner
from apps.tenancy.servers.pool import LeasedConnection, Session
from memoria.errors import Unavailable, WrongOwner
from memoria.naming import database_path

CREATE_OWNER = "CREATE TABLE mem_owner (user_id TEXT NOT NULL, deployment TEXT NOT NULL)"


# As long as SQLite itself waits for the writer of another process.
QUEUE_SECONDS = 10


class _Queue:
    """The threads of this process that want to write to one file."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


_queues: WeakValueDictionary[str, _Queue] = WeakValueDictionary()
_queues_lock = threading.Lock()


def _queue_of(file: str) -> _Queue:
    with _queues_lock:
        return _queues.setdefault(file, _Queue())


class SqliteConnection(LeasedConnection, DatabaseWrapper):
    """Opens existing files only: a missing database is an error, never a new empty one.

    SQLite lets a writer who finds another one sleep and ask again, ever longer: of several at once the unlucky ones
    wait for seconds. So the writers of a process queue up here, and only the first of them asks.
    """

    expected_owner: Owner | None = None
    _queue: _Queue | None = None
    """While this connection is the first in it."""

    def open_raw(self, conn_params: dict[str, Any], old: Session | None) -> Any:
        if old is not None:
            old.raw.close()
        return DatabaseWrapper.get_new_connection(self, conn_params)

    def is_alive(self, raw: Any) -> bool:
        return True

    def _start_transaction_under_autocommit(self) -> None:
        queue = _queue_of(self.settings_dict["NAME"])
        if queue.lock.acquire(timeout=QUEUE_SECONDS):  # else SQLite will say that the database is locked
            self._queue = queue
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._leave_queue()
            raise

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self._leave_queue()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._leave_queue()

    def _close(self) -> None:
        try:
            super()._close()
        finally:
            self._leave_queue()

    def _leave_queue(self) -> None:
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.lock.release()

    def enter(self) -> None:
        if self.expected_owner is not None:
            found = self.connection.execute("SELECT user_id, deployment FROM mem_owner").fetchall()
            checked_owner(found, self.expected_owner, self.database)


class SqliteServer(UserServer):
    """Files in two-character folders below a directory."""

    vendor = "sqlite"

    def __init__(
        self, name: str, directory: Path, settings: dict[str, Any], *, size: int, wait_seconds: float
    ) -> None:
        super().__init__(name, size=size, wait_seconds=wait_seconds, close=lambda raw: raw.close())
        self.directory = directory
        self._settings = settings

    def path(self, database: str) -> Path:
        return self.directory / database_path(database)

    def connection(self, database: str, *, owner: Owner | None, read_only: bool = False) -> SqliteConnection:
        settings = {**self._settings, "OPTIONS": dict(self._settings["OPTIONS"])}
        settings["NAME"] = (
            f"file:{quote(str(self.path(database)))}?mode={'ro&immutable=1' if read_only else 'rw'}"
        )
        if read_only:
            settings["OPTIONS"]["init_command"] = (
                ""  # the log mode cannot be set on a file that never changes
            )
        connection = SqliteConnection(settings, alias=database)
        connection.pool, connection.database, connection.expected_owner = self.pool, database, owner
        return connection

    def exists(self, database: str) -> bool:
        return self.path(database).exists()

    def databases(self) -> set[str]:
        return {
            path.stem
            for path in self.directory.glob(
                f"{database_path('mem_u_' + '0' * 16).parts[0]}/*/mem_u_*.sqlite3"
            )
        }

    def change_owner(self, database: str, old: Owner, new: Owner) -> None:
        self.pool.close_idle(database)
        with (
            contextlib.closing(
                sqlite3.connect(f"file:{quote(str(self.path(database)))}?mode=rw", uri=True)
            ) as raw,
            raw,
        ):
            checked_owner(raw.execute("SELECT user_id, deployment FROM mem_owner").fetchall(), old, database)
            raw.execute("UPDATE mem_owner SET user_id = ?, deployment = ?", (new.user_id, new.deployment))

    def owner(self, database: str) -> Owner | None:
        path = self.path(database)
        if not path.exists():
            return None
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as raw:
            if raw.execute("SELECT 1 FROM sqlite_master WHERE name = 'mem_owner'").fetchone() is None:
                return None
            row = raw.execute("SELECT user_id, deployment FROM mem_owner").fetchone()
        return Owner(*row) if row else None

    @contextlib.contextmanager
    def template_lock(self, template: str) -> Iterator[None]:
        path = self.path(template).with_suffix(".lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # ends with the file, also when the process dies
            yield

    def create_empty(self, database: str, owner: Owner) -> None:
        path = self.path(database)
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(path)) as raw, raw:
            raw.execute(CREATE_OWNER)
            raw.execute("INSERT INTO mem_owner VALUES (?, ?)", (owner.user_id, owner.deployment))

    def finish_template(self, building: str, template: str) -> None:
        """Leave one closed file in WAL mode: copying a file with an open log gives "no such table"."""
        self.pool.close_idle(building)
        path = self.path(building)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as raw:
            raw.execute("PRAGMA journal_mode=DELETE")
            raw.execute("VACUUM")
            raw.execute("PRAGMA journal_mode=WAL")
        target = self.path(template)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)

    def create_from_template(self, database: str, template: str, owner: Owner) -> bool:
        """Copy the template beside its final place and link it in; whoever comes second finds the first
        one's.
        """
        path = self.path(database)
        path.parent.mkdir(parents=True, exist_ok=True)
        building = path.with_name(f".{database}.{secrets.token_hex(4)}")
        try:
            shutil.copyfile(self.path(template), building)
            with contextlib.closing(sqlite3.connect(building)) as raw, raw:
                raw.execute("PRAGMA synchronous=FULL")
                raw.execute(
                    "UPDATE mem_owner SET user_id = ?, deployment = ?", (owner.user_id, owner.deployment)
                )
            try:
                os.link(building, path)
            except FileExistsError:
                if self.owner(database) != owner:
                    raise WrongOwner(f"database {database} exists and is not ours") from None
                return False
            return True
        except OSError as error:
            raise Unavailable(
                f"the user database could not be written: {error.strerror}", retry_after=5
            ) from error
        finally:
            building.unlink(missing_ok=True)

    def drop(self, database: str) -> None:
        self.pool.close_idle(database)
        path = self.path(database)
        for suffix in ("-wal", "-shm", ""):  # the main file last: while it exists the removal can be repeated
            path.with_name(path.name + suffix).unlink(missing_ok=True)

    def size_bytes(self, database: str) -> int | None:
        path = self.path(database)
        if not path.exists():
            return None
        files = (path.with_name(path.name + suffix) for suffix in ("", "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def may_create(self) -> bool:
        return os.access(self._existing(), os.W_OK | os.X_OK)

    def free_bytes(self) -> int:
        return shutil.disk_usage(self._existing()).free

    def _existing(self) -> Path:
        """The directory, or the nearest one above it where it has not been made yet."""
        return next(folder for folder in (self.directory, *self.directory.parents) if folder.exists())
