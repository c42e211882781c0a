"""User databases on a MySQL-protocol server: one database per user, made by replaying the template's DDL.

Imported only where such a server is configured, because mysqlclient needs a compiler to install.
"""

import re
import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import MySQLdb as driver
from django.db import OperationalError
from django.db.backends.mysql.base import DatabaseWrapper
from django.db.backends.mysql.schema import DatabaseSchemaEditor

from apps.tenancy.servers.base import Owner, UserServer, checked_owner
from apps.tenancy.servers.pool import LeasedConnection, Session
from apps.tenancy.turns import turn_ended
from memoria.errors import Unavailable, WrongOwner
from memoria.naming import checked_database_name

BUILD_LOCK_SECONDS = 30
# One statement, so that a crash leaves either no table or one with its row.
CREATE_OWNER = (
    "CREATE TABLE mem_owner (user_id VARBINARY(256) NOT NULL, deployment VARBINARY(32) NOT NULL)"
    " ENGINE=InnoDB SELECT %s AS user_id, %s AS deployment"
)
BUILDING = "mem_owner_building"
SELECT_OWNER = "SELECT user_id, deployment FROM mem_owner"


def quoted(database: str) -> str:
    return f"`{checked_database_name(database)}`"


# The driver splits many rows into statements of 64 kB, each of them a round trip; servers take from 4 MB.
STATEMENT_BYTES = 1_000_000
# What a statement says that has been run before: table, column or index exists, or is gone.
DONE_BEFORE = frozenset({1050, 1060, 1061, 1091})


class ResumingSchemaEditor(DatabaseSchemaEditor):
    """Runs over what an interrupted upgrade has done: these servers commit every such statement by itself, so that a
    migration may be half there without being recorded.
    """

    def execute(self, sql: Any, params: Any = ()) -> None:
        try:
            super().execute(sql, params)
        except OperationalError as error:
            if not error.args or error.args[0] not in DONE_BEFORE:
                raise


class MysqlConnection(LeasedConnection, DatabaseWrapper):
    """Rebinds a pooled connection with CHANGE USER, which also ends transactions, locks, variables, temporary
    tables.
    """

    SchemaEditorClass = ResumingSchemaEditor

    expected_owner: Owner | None = None
    server: "MysqlServer"
    read_only = False

    def open_raw(self, conn_params: dict[str, Any], old: Session | None) -> Any:
        with turn_ended():
            if old is not None:
                try:
                    old.raw.change_user(
                        conn_params.get("user", ""), conn_params.get("password", ""), self.database
                    )
                    return old.raw
                except driver.Error:
                    # Killed or timed out while idle, or the database is gone: a fresh connection tells which.
                    old.raw.close()
            return DatabaseWrapper.get_new_connection(self, conn_params)

    def create_cursor(self, name: str | None = None) -> Any:
        cursor = super().create_cursor(name)
        cursor.cursor.max_stmt_length = STATEMENT_BYTES
        return cursor

    def is_alive(self, raw: Any) -> bool:
        """An idle connection has nothing to read; readable means the server closed it or said good-bye."""
        poll = select.poll()
        poll.register(raw.fileno(), select.POLLIN)
        return not poll.poll(0)

    def init_connection_state(self) -> None:
        """Nothing: `enter` says it all in one round trip."""

    def enter(self) -> None:
        statements = [f"SET SESSION TRANSACTION ISOLATION LEVEL {self.isolation_level.upper()}"]
        if self.read_only:
            statements.append("SET SESSION TRANSACTION READ ONLY")
        if self.expected_owner is not None:
            statements.append(SELECT_OWNER)
        with turn_ended(), self.connection.cursor() as cursor:
            cursor.execute("; ".join(statements))
            for _ in statements[1:]:
                cursor.nextset()
            if self.expected_owner is not None:
                checked_owner(cursor.fetchall(), self.expected_owner, self.database)

    @property
    def mysql_server_data(self) -> dict[str, Any]:
        """Asked once per server instead of once per wrapper."""
        if self.server.server_data is None:
            self.server.server_data = DatabaseWrapper.mysql_server_data.func(self)  # type: ignore[attr-defined]
        return self.server.server_data


class MysqlServer(UserServer):
    """One server; every connection to it, also for DDL, has the same options and counts towards the bound."""

    vendor = "mysql"

    def __init__(self, name: str, settings: dict[str, Any], *, size: int, wait_seconds: float) -> None:
        super().__init__(name, size=size, wait_seconds=wait_seconds, close=lambda raw: raw.close())
        self._settings = settings
        self._scripts: dict[str, str] = {}
        self.server_data: dict[str, Any] | None = None

    def connection(self, database: str, *, owner: Owner | None, read_only: bool = False) -> MysqlConnection:
        connection = MysqlConnection({**self._settings, "NAME": database}, alias=database)
        connection.pool, connection.database, connection.expected_owner = self.pool, database, owner
        connection.server, connection.read_only = self, read_only
        return connection

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        """A cursor bound to no database, from the pool. The session is never handed out as it is afterwards."""
        wrapper = MysqlConnection({**self._settings, "NAME": ""}, alias="")
        params = wrapper.get_connection_params()
        session = self.pool.acquire("")
        try:
            if session is not None:
                session.raw.close()
            session = Session(driver.connect(**params), "")
            session.raw.autocommit(True)
            with session.raw.cursor() as cursor:
                yield cursor
        except driver.OperationalError as error:
            raise Unavailable(
                f"Database error: user server '{self.name}' refused (MySQL error {error.args[0]})",
                retry_after=2,
            ) from error
        finally:
            self.pool.discard(session)

    def exists(self, database: str) -> bool:
        with self._cursor() as cursor:
            cursor.execute("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", [database])
            return cursor.fetchone() is not None

    def databases(self) -> set[str]:
        with self._cursor() as cursor:
            cursor.execute(
                "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE %s",
                [r"mem\_u\_%"],
            )
            return {name for (name,) in cursor.fetchall()}

    def change_owner(self, database: str, old: Owner, new: Owner) -> None:
        self.pool.close_idle(database)
        with self._cursor() as cursor:
            cursor.execute(SELECT_OWNER.replace("mem_owner", f"{quoted(database)}.mem_owner"))
            checked_owner(cursor.fetchall(), old, database)
            cursor.execute(
                f"UPDATE {quoted(database)}.mem_owner SET user_id = %s, deployment = %s",
                [new.user_id.encode(), new.deployment.encode()],
            )

    def owner(self, database: str) -> Owner | None:
        with self._cursor() as cursor:
            return self._owner(cursor, database)

    @staticmethod
    def _tables(cursor: Any, database: str) -> list[str]:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s ORDER BY table_name",
            [database],
        )
        return [name for (name,) in cursor.fetchall()]

    def _owner(self, cursor: Any, database: str, marker: str = "mem_owner") -> Owner | None:
        if marker not in self._tables(cursor, database):
            return None
        cursor.execute(SELECT_OWNER.replace("mem_owner", f"{quoted(database)}.{marker}"))
        row = cursor.fetchone()
        return Owner(*(v.decode() if isinstance(v, bytes) else v for v in row)) if row else None

    @contextmanager
    def _build_lock(self, cursor: Any, database: str) -> Iterator[None]:
        """One builder per database on this server; the server frees the lock of a builder that died."""
        cursor.execute("SELECT GET_LOCK(%s, %s)", [f"memoria:{database}", BUILD_LOCK_SECONDS])
        if cursor.fetchone()[0] != 1:
            raise Unavailable("another process is building this user's database; try again", retry_after=5)
        try:
            yield
        finally:
            cursor.execute("SELECT RELEASE_LOCK(%s)", [f"memoria:{database}"])

    def _create(self, cursor: Any, database: str, owner: Owner, marker: str) -> None:
        """Create the database with this marker; only an empty one, or one that `owner` began, is built over."""
        if tables := self._tables(cursor, database):
            if self._owner(cursor, database, BUILDING) != owner:
                raise WrongOwner(f"database {database} exists with {len(tables)} tables and is not ours")
            cursor.execute(f"DROP DATABASE {quoted(database)}")
        collation = "utf8mb4_nopad_bin" if self._is_mariadb(cursor) else "utf8mb4_0900_bin"
        cursor.execute(
            f"CREATE DATABASE IF NOT EXISTS {quoted(database)} CHARACTER SET utf8mb4 COLLATE {collation}"
        )
        cursor.execute(f"USE {quoted(database)}")
        cursor.execute(
            CREATE_OWNER.replace("mem_owner", marker), [owner.user_id.encode(), owner.deployment.encode()]
        )

    @staticmethod
    def _is_mariadb(cursor: Any) -> bool:
        cursor.execute("SELECT VERSION()")
        return "mariadb" in cursor.fetchone()[0].lower()

    @contextmanager
    def template_lock(self, template: str) -> Iterator[None]:
        with self._cursor() as cursor, self._build_lock(cursor, template):
            yield

    def create_empty(self, database: str, owner: Owner) -> None:
        with self._cursor() as cursor:
            self._create(cursor, database, owner, "mem_owner")

    def finish_template(self, building: str, template: str) -> None:
        """Move the tables under the template's name; RENAME is atomic, so nobody sees half a template."""
        self.pool.close_idle(building)
        with self._cursor() as cursor:
            cursor.execute(f"CREATE DATABASE IF NOT EXISTS {quoted(template)}")
            moves = (
                f"{quoted(building)}.`{table}` TO {quoted(template)}.`{table}`"
                for table in self._tables(cursor, building)
            )
            cursor.execute(f"RENAME TABLE {', '.join(moves)}")
            cursor.execute(f"DROP DATABASE {quoted(building)}")

    def _script(self, cursor: Any, template: str) -> str:
        """The statements that rebuild the template, rows included; read once per process."""
        if template not in self._scripts:
            statements = []
            for table in self._tables(cursor, template):
                if table == "mem_owner":
                    continue
                cursor.execute(f"SHOW CREATE TABLE {quoted(template)}.`{table}`")
                statements.append(cursor.fetchone()[1])
                cursor.execute(f"SELECT * FROM {quoted(template)}.`{table}`")
                if rows := cursor.fetchall():
                    marks = ", ".join(["%s"] * len(rows[0]))
                    values = ", ".join(cursor.mogrify(f"({marks})", row) for row in rows)
                    statements.append(f"INSERT INTO `{table}` VALUES {values}")
            self._scripts[template] = ";\n".join(statements)
        return self._scripts[template]

    def create_from_template(self, database: str, template: str, owner: Owner) -> bool:
        """The marker says `building` until the last table is there, so that a builder who was slow enough to be
        replaced can tell, under the lock, that somebody else's build is in use by now.
        """
        with self._cursor() as cursor:
            script = self._script(cursor, template)
            with self._build_lock(cursor, database):
                if self._owner(cursor, database) == owner:
                    return False
                self._create(cursor, database, owner, BUILDING)
                cursor.execute(script)  # one round trip; every result has to be fetched to see its error
                while cursor.nextset() is not None:
                    pass
                cursor.execute(f"RENAME TABLE {BUILDING} TO mem_owner")
        return True

    def drop(self, database: str) -> None:
        self.pool.close_idle(database)
        with self._cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {quoted(database)}")

    def size_bytes(self, database: str) -> int | None:
        with self._cursor() as cursor:
            cursor.execute(
                "SELECT SUM(data_length + index_length) FROM information_schema.tables"
                " WHERE table_schema = %s",
                [database],
            )
            (size,) = cursor.fetchone()
        return int(size) if size is not None else None

    def may_create(self) -> bool:
        with self._cursor() as cursor:
            cursor.execute("SHOW GRANTS")
            return any(_grants_creation(grant) for (grant,) in cursor.fetchall())


def _grants_creation(grant: str) -> bool:
    """Whether a line of SHOW GRANTS lets its holder create databases named mem_u_…, everywhere or by a pattern."""
    found = re.match(r"GRANT (?P<rights>.+?) ON (?P<where>\S+)\.\* TO ", grant)
    if found is None or not re.search(r"\b(ALL PRIVILEGES|CREATE)\b(?! \w)", found["rights"]):
        return False
    where = found["where"].strip("`'\"").replace("\\", "")
    return where == "*" or (where.endswith("%") and "mem_u_".startswith(where[:-1]))
