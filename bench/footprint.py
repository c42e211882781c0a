"""What does a server hold after touching many users? Memory, open files and connections after 10, 100, 1,000.

    .venv/bin/python bench/footprint.py
    .venv/bin/python bench/footprint.py --engine mariadb --users 1000 --memories 20

Every user stores `--memories` in one batch and retrieves once, one user after the other. The floor is the same server
before anybody came; the bounds are the configured ones.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.common import ENGINES, Rows, arguments
from bench.http_load import Client, fact
from tests.running import RunningServer, start_server
from tests.servers import MariaDB

CORPUS_MEGABYTES = 64


def held(server: RunningServer) -> tuple[float, int]:
    """Resident megabytes and open files of all processes of the server."""
    megabytes, files = 0.0, 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[2]) != server.process.pid:
                continue  # of another process group
            pages = int((folder / "statm").read_text().split()[1])
            megabytes += pages * 4096 / 2**20
            files += len(list((folder / "fd").iterdir()))
        except OSError:
            continue  # it ended meanwhile
    return megabytes, files


def connections(database: MariaDB | None) -> str:
    if database is None:
        return "-"
    query = "SELECT COUNT(*) FROM information_schema.processlist WHERE db LIKE 'mem\\_u\\_%'"
    return database.execute(query).strip()


def measure(engine: str, *, users: int, memories: int) -> None:
    database = None
    if engine == "mariadb":
        from tests.servers import start_mariadb

        database = start_mariadb(durable=True)
        database.execute("CREATE DATABASE memoria")
    with tempfile.TemporaryDirectory(prefix="memoria-bench-") as folder:
        server = start_server(
            Path(folder),
            database_url=database.url("memoria") if database else None,
            MEMORIA_CORPUS_MEGABYTES=CORPUS_MEGABYTES,
            MEMORIA_USER_CONNECTIONS=64 if database is None else 8,
        )
        try:
            bound = "64 open databases" if database is None else "8 connections"
            title = f"footprint, {engine}, {memories} memories a user, bounds: {CORPUS_MEGABYTES} MB, {bound}"
            rows = Rows(
                title, "users", "memory MB", "over start", "open files", "user connections", "users/s"
            )
            start, files = held(server)
            rows.add(0, f"{start:.0f}", "", files, connections(database), "")
            began, done = time.perf_counter(), 0
            for goal in (10, 100, 1000, 10_000):
                if goal > users:
                    break
                for user in range(done, goal):
                    client = Client(server, server.master_key)
                    client.headers["X-User-Id"] = f"user-{user}"
                    items = [{"content": fact(user, n)} for n in range(memories)]
                    client.send("POST", "/v1/memories/batch", {"memories": items})
                    client.send("POST", "/v1/memories/retrieve", {"query": "who owns billing?"})
                done = goal
                megabytes, files = held(server)
                speed = done / (time.perf_counter() - began)
                rows.add(
                    done,
                    f"{megabytes:.0f}",
                    f"{megabytes - start:+.0f}",
                    files,
                    connections(database),
                    f"{speed:.1f}",
                )
            rows.show()
        finally:
            server.stop()
            if database:
                database.stop()


if __name__ == "__main__":
    options = arguments(__doc__ or "", users=1000, memories=20)
    for name in ENGINES if options.engine == "both" else (options.engine,):
        measure(name, users=options.users, memories=options.memories)
