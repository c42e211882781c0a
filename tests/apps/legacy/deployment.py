"""An old database and an empty new installation, worked on by commands in processes of their own."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.legacy.made import Writer
from memoria.naming import database_path
from tests.running import RunningServer, start_server
from tests.servers import MariaDB
from tests.warm import Ended, Running, Warm

USERS, MEMORIES = 14, 30
# Even a few rows are given to several processes.
SEVERAL_PROCESSES = """
from apps.legacy.services import side_by_side
side_by_side.ROWS_PER_PROCESS = 1
"""
# Every server is taken for far away: users in several threads of each process.
SEVERAL_THREADS = """
from apps.legacy.services import side_by_side
side_by_side.FAR_SECONDS = 0
"""


@dataclass
class Deployment:
    """An old database and an empty new installation."""

    old: str
    environment: dict[str, str]
    folder: Path
    database_url: str | None
    server: MariaDB | None
    """Where the new databases are; None: in the folder."""
    warm: Warm

    def start(
        self, *arguments: str, before: str = "", after: float | None = None, **environment: str
    ) -> Running:
        """Begin a command of manage.py, with these further settings."""
        return self.warm.start(
            *arguments, environment=self.environment | environment, before=before, after=after
        )

    def run(self, *arguments: str, before: str = "", **environment: str) -> Ended:
        return self.start(*arguments, before=before, **environment).wait()

    def migrate(self, phase: str, *options: str, code: int = 0, before: str = "") -> str:
        done = self.run("migrate_legacy", phase, "--legacy-url", self.old, *options, before=before)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def cutover(self, code: int = 0) -> str:
        return self.migrate("cutover", "--yes", "--quiet-seconds", "0.1", code=code)

    def write(self, *statements: str) -> None:
        writer = Writer(self.old)
        for statement in statements:
            writer.execute(statement)
        writer.commit()
        writer.close()

    def old_rows(self, sql: str) -> list[tuple[Any, ...]]:
        writer = Writer(self.old)
        try:
            return [tuple(map(_readable, row)) for row in writer.execute(sql)]
        finally:
            writer.close()

    def serve(self) -> RunningServer:
        return start_server(
            self.folder / "data",
            database_url=self.database_url,
            EMBEDDING_DIM=64,
            MEMORIA_REEMBED_SECONDS=86400,
        )

    def target(self, user_id: str) -> Writer:
        """A user's new database, past everything that Memoria has for it."""
        found = self.control("SELECT db_name FROM mem_user_registry WHERE user_id = %s", user_id)
        if not found:  # to open what is not there yet would make a database in its way
            raise LookupError(user_id)
        name = plain(found[0])[0]
        if self.server is not None:
            return Writer(self.server.url(name))
        path = self.folder / "data" / database_path(str(name))
        if not path.exists():
            raise FileNotFoundError(path)
        return Writer(f"sqlite:///{path}")

    def target_rows(self, user_id: str, sql: str) -> list[tuple[Any, ...]]:
        return _rows(self.target(user_id), sql, [])

    def control(self, sql: str, *parameters: str) -> list[tuple[Any, ...]]:
        """Rows of the control plane."""
        url = self.database_url or f"sqlite:///{self.folder / 'data' / 'control.sqlite3'}"
        return _rows(Writer(url), sql, [v.encode() if self.database_url else v for v in parameters])


def _rows(writer: Writer, sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    try:
        return writer.execute(sql, parameters)
    finally:
        writer.close()


def _readable(value: Any) -> Any:
    """Text that an engine gave as bytes; what is no text stays bytes."""
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value


def plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row without the differences of engines: texts, and None for nothing."""
    texts = (value.decode() if isinstance(value, bytes) else value for value in row)
    return tuple(None if value in (None, "") else str(value) for value in texts)


def contents(http: Any, **parameters: str) -> Counter[str]:
    """What a user's list shows over HTTP."""
    answer = http.get("/v1/memories", params={"limit": "500", **parameters})
    assert answer.status_code == 200, answer.text
    return Counter(item["content"] for item in answer.json()["items"])
