"""An old database and an empty new installation, worked on by commands in processes of their own."""

import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.legacy.made import Writer
from memoria.naming import database_name, database_path
from tests import engine
from tests.running import ROOT, RunningServer, start_server

USERS, MEMORIES = 11, 30


@dataclass
class Deployment:
    """An old database and an empty new installation."""

    old: str
    environment: dict[str, str]
    folder: Path
    database_url: str | None

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True)

    def migrate(self, phase: str, *options: str, code: int = 0, is_parallel: bool = False) -> str:
        arguments = [phase, "--legacy-url", self.old, *options]
        if is_parallel:
            command = [sys.executable, "-m", "tests.apps.legacy.parallel", *arguments]
            done = subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, text=True)
        else:
            done = self.run("migrate_legacy", *arguments)
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
            return [
                tuple(v.decode() if isinstance(v, bytes) else v for v in row) for row in writer.execute(sql)
            ]
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
        name = plain(found[0])[0] if found else database_name(user_id)
        if engine.SERVER is not None:
            return Writer(engine.SERVER.url(name))
        return Writer(f"sqlite:///{self.folder / 'data' / database_path(str(name))}")

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


def plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row without the differences of engines: texts, and None for nothing."""
    texts = (value.decode() if isinstance(value, bytes) else value for value in row)
    return tuple(None if value in (None, "") else str(value) for value in texts)


def contents(http: Any, **parameters: str) -> Counter[str]:
    """What a user's list shows over HTTP."""
    answer = http.get("/v1/memories", params={"limit": "500", **parameters})
    assert answer.status_code == 200, answer.text
    return Counter(item["content"] for item in answer.json()["items"])
