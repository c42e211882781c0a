"""How fast is the migration of an old shared database, and how long is nobody served?

    .venv/bin/python bench/migrate.py
    .venv/bin/python bench/migrate.py --users 1000 --memories 100 --latency 0
    .venv/bin/python bench/migrate.py --users 1 --memories 1000000 --dim 0 --latency 0 --cutovers 0
    .venv/bin/python bench/migrate.py --users 0

Everything on one MariaDB server. The floors move the same rows on the same server: `INSERT … SELECT` into a database
per user with the old tables and a full-text index, and mariadb-dump into mariadb. `copy` makes search texts, finds
entities and rounds vectors besides; `verify` reads both sides. The cutover is measured after one row in a hundred was
changed, once in one user in a hundred and once spread over all users (--cutovers 0 leaves that out). At last
--far-users users are moved with --latency milliseconds between the command and both servers, verification included.
Memory is that of the largest process of the command.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.common import ROOT, Rows, arguments, ratio

PROMISE = 3


class Installation:
    """An old database on the server, and an empty new deployment."""

    def __init__(self, server, name: str, *, users: int, memories: int, dim: int) -> None:  # type: ignore[no-untyped-def]
        self.server, self.name, self.users, self.memories = server, name, users, memories
        self.folder = Path(tempfile.mkdtemp(prefix="memoria-bench-"))
        server.execute(f"CREATE DATABASE new_{name}")
        self.environment = {
            **os.environ,
            "MEMORIA_DATA_DIR": str(self.folder),
            "MASTER_KEY": "bench-master-key-0123456789",
            "EMBEDDING_PROVIDER": "hash",
            "EMBEDDING_DIM": str(dim or 256),
            "MEMORIA_DATABASE_URL": server.url(f"new_{name}"),
            "MEMORIA_LEGACY_URL": server.url(f"old_{name}"),
        }
        self.manage("migrate", "-v0")
        sizes = ["--users", str(users), "--memories", str(memories), "--dim", str(dim)]
        self.manage("make_legacy", "--url", server.url(f"old_{name}"), *sizes)

    def manage(self, *arguments: str) -> float:
        """Run a command: its seconds. `peak` is then the memory of its largest process in MB."""
        started = time.monotonic()
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        process = subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        self.peak = usage.ru_maxrss / 1024
        return time.monotonic() - started

    def migrate(self, phase: str, *options: str) -> tuple[float, dict]:  # type: ignore[type-arg]
        report = self.folder / "report.json"
        seconds = self.manage("migrate_legacy", phase, "--report-out", str(report), *options)
        return seconds, json.loads(report.read_text())

    def old(self, sql: str) -> str:
        return self.server.execute(f"USE old_{self.name}; {sql}")  # type: ignore[no-any-return]


def insert_select(place: Installation) -> float:
    """Seconds for the tables with users, without branches and indexes that only we have."""
    from apps.legacy.source import COPIED

    tables = sorted(COPIED - {"mem_memories_stats"})
    started = time.monotonic()
    for number, quoted in enumerate(
        place.old("SELECT DISTINCT QUOTE(user_id) FROM mem_memories").splitlines()
    ):
        user = quoted.replace("\\\\", "\\")
        statements = [f"CREATE DATABASE floor_{number}"]
        for table in tables:
            new = f"floor_{number}.{table}"
            statements.append(f"CREATE TABLE {new} LIKE old_{place.name}.{table}")
            if table == "mem_memories":
                statements.append(f"ALTER TABLE {new} ADD FULLTEXT (content)")
            statements.append(
                f"INSERT INTO {new} SELECT * FROM old_{place.name}.{table}"
                f" WHERE user_id = {user} AND BINARY user_id = {user}"
            )
        place.server.execute("; ".join(statements))
    return time.monotonic() - started


def dump_and_load(place: Installation) -> float:
    place.server.execute("CREATE DATABASE loaded")
    login = f"--no-defaults -uroot -S{place.server.socket}"
    started = time.monotonic()
    subprocess.run(
        [
            "bash",
            "-c",
            f"mariadb-dump {login} --single-transaction old_{place.name} | mariadb {login} loaded",
        ],
        check=True,
    )
    return time.monotonic() - started


class Distance:
    """A socket that forwards to the server's, `seconds` there and back."""

    def __init__(self, target: Path, seconds: float) -> None:
        self.socket = Path(tempfile.mkdtemp(prefix="memoria-far-")) / "s"
        self._target, self._each_way = target, seconds / 2
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        while not self.socket.exists():
            time.sleep(0.01)

    async def _serve(self) -> None:
        server = await asyncio.start_unix_server(self._client, str(self.socket))
        await server.serve_forever()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(str(self._target))
        await asyncio.gather(
            self._forward(reader, back), self._forward(there, writer), return_exceptions=True
        )

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Everything arrives later by the same time; nothing waits for what went before."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                at, data = await queue.get()
                await asyncio.sleep(max(0.0, at - loop.time()))
                if not data:
                    writer.close()
                    return
                writer.write(data)
                await writer.drain()

        delivery = asyncio.create_task(deliver())
        while True:
            data = await reader.read(1 << 16)
            queue.put_nowait((loop.time() + self._each_way, data))
            if not data:
                break
        await delivery


def main(options: argparse.Namespace) -> None:
    from tests.servers import start_mariadb

    server = start_mariadb(durable=True)
    try:
        if options.users:
            near(server, options.users, options.memories, options.dim, options.cutovers)
        if options.latency:
            far(server, options.far_users, options.far_memories, options.dim, options.latency)
    finally:
        server.stop()


def near(server, users: int, memories: int, dim: int, cutovers: int) -> None:  # type: ignore[no-untyped-def]
    place = Installation(server, "near", users=users, memories=memories, dim=dim)
    inserted, loaded = insert_select(place), dump_and_load(place)
    copied, report = place.migrate("copy")
    copying = place.peak
    verified, _ = place.migrate("verify")
    rows = sum(user["read"] for user in report["users"])
    table = Rows(
        f"{users} users with {memories} memories each, vectors of {dim}: {rows} rows",
        "what",
        "seconds",
        "rows per second",
        "to INSERT … SELECT",
        "to dump and load",
    )
    for what, seconds in (
        ("INSERT … SELECT", inserted),
        ("dump and load", loaded),
        ("copy", copied),
        ("verify", verified),
        ("copy and verify", copied + verified),
    ):
        table.add(
            what,
            f"{seconds:.1f}",
            f"{rows / seconds:,.0f}",
            ratio(seconds, inserted),
            ratio(seconds, loaded, PROMISE),
        )
    table.show()
    print(f"largest process: {copying:.0f} MB copying, {place.peak:.0f} MB verifying")
    if cutovers:
        downtime(place, copied + verified)


def downtime(place: Installation, whole: float) -> None:
    table = Rows(
        "cutover after 1 % of the memories changed",
        "spread",
        "seconds nobody is served",
        "to copy and verify",
    )
    for spread, where in (
        (
            "over one user in a hundred",
            "user_id = (SELECT u FROM (SELECT MIN(user_id) AS u FROM mem_memories) AS o)",
        ),
        ("over all users", "MOD(CONV(RIGHT(memory_id, 6), 16, 10), 100) = 0"),
    ):
        place.old(
            f"UPDATE mem_memories SET content = CONCAT(content, ' (changed)') WHERE {where}"
            f" LIMIT {place.users * place.memories // 100}"
        )
        _, report = place.migrate("cutover", "--yes", "--quiet-seconds", "0")
        seconds = report["timings"]["cutover"]
        table.add(spread, f"{seconds:.1f}", ratio(seconds, whole))
        place.manage("migrate_legacy", "rollback")
        place.migrate("copy")
        place.migrate("verify")
    table.show()


def far(server, users: int, memories: int, dim: int, latency: float) -> None:  # type: ignore[no-untyped-def]
    place = Installation(server, "far", users=users, memories=memories, dim=dim)
    distance = Distance(server.socket, latency / 1e3)
    for name in ("MEMORIA_DATABASE_URL", "MEMORIA_LEGACY_URL"):
        place.environment[name] = (
            place.environment[name]
            .replace(str(server.socket).replace("/", "%2F"), str(distance.socket).replace("/", "%2F"))
            .replace(str(server.socket), str(distance.socket))
        )
    seconds, report = place.migrate("cutover", "--yes", "--quiet-seconds", "0")
    table = Rows(f"{users} users with {memories} memories each, {latency:g} ms away", "phase", "seconds")
    for phase, took in report["timings"].items():
        table.add(phase, f"{took:.1f}")
    table.add("the whole command", f"{seconds:.1f}")
    table.show()


if __name__ == "__main__":
    main(
        arguments(
            __doc__ or "",
            users=20,
            memories=2_000,
            dim=256,
            cutovers=1,
            latency=100.0,
            far_users=100,
            far_memories=1_000,
        )
    )
