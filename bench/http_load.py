"""How many requests per second over HTTP, and how long does one wait? 1, 8 and 32 clients, against `GET /health`.

    .venv/bin/python bench/http_load.py
    .venv/bin/python bench/http_load.py --engine sqlite --embedder local --memories 10000

The clients run on the same machine as the server and share its cores; the floor, a request that touches no user,
pays the same. `--memories` are stored per user before the measurement; `--users` share the clients.
"""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.common import ENGINES, Rows, arguments, percentile
from tests.running import RunningServer, start_server

TOPICS = "billing search mobile export login cache backup report invoice deploy".split()


class Client:
    """One kept-alive connection of one user."""

    def __init__(self, server: RunningServer, key: str) -> None:
        self._connection = HTTPConnection(server.url.removeprefix("http://"), timeout=60)
        self.headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def send(self, method: str, path: str, body: object = None) -> bytes:
        text = None if body is None else json.dumps(body)
        self._connection.request(method, path, text, self.headers)
        answer = self._connection.getresponse()
        found = answer.read()
        assert answer.status < 300, found
        return found


def fact(user: int, number: int) -> str:
    topic = TOPICS[number % len(TOPICS)]
    owner = f"person {number % 97}"
    return f"Service {topic}-{number} of team {user} answers on port {7000 + number} and is owned by {owner}"


def fill(server: RunningServer, users: int, memories: int) -> list[str]:
    """Make users with that many memories each; returns their keys."""
    keys = []
    for user in range(users):
        master = Client(server, server.master_key)
        made = master.send("POST", "/auth/keys", {"user_id": f"user-{user}", "name": "bench"})
        keys.append(json.loads(made)["raw_key"])
        client = Client(server, keys[-1])
        for start in range(0, memories, 100):
            items = [{"content": fact(user, n)} for n in range(start, min(start + 100, memories))]
            client.send("POST", "/v1/memories/batch", {"memories": items})
    return keys


def hammer(
    clients: list[Client], requests: int, call: Callable[[Client, int], object]
) -> tuple[float, list[float]]:
    """Send `requests` from all clients at once. Returns requests per second and each one's seconds."""
    seconds: list[float] = []
    numbers = iter(range(requests))
    lock = threading.Lock()

    def work(client: Client) -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            started = time.perf_counter()
            call(client, number)
            seconds.append(time.perf_counter() - started)

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return requests / (time.perf_counter() - started), seconds


def measure(engine: str, *, embedder: str, memories: int, users: int, requests: int) -> None:
    database = None
    if engine == "mariadb":
        from tests.servers import start_mariadb

        database = start_mariadb(durable=True)
        database.execute("CREATE DATABASE memoria")
    with tempfile.TemporaryDirectory(prefix="memoria-bench-") as folder:
        server = start_server(
            Path(folder),
            database_url=database.url("memoria") if database else None,
            EMBEDDING_PROVIDER=embedder,
            MEMORIA_RATE_LIMIT_AUTH_KEYS="10000000,60",
        )
        try:
            keys = fill(server, users, memories)
            calls: dict[str, Callable[[Client, int], object]] = {
                "GET /health (floor)": lambda client, n: client.send("GET", "/health"),
                "GET /v1/memories": lambda client, n: client.send("GET", "/v1/memories?limit=20"),
                "POST …/retrieve": lambda client, n: client.send(
                    "POST", "/v1/memories/retrieve", {"query": f"who owns {TOPICS[n % 10]}-{n % memories}?"}
                ),
                "POST /v1/memories": lambda client, n: client.send(
                    "POST", "/v1/memories", {"content": fact(99, time.time_ns())}
                ),
            }
            title = f"HTTP, {engine}, embedder {embedder}, {users} users with {memories} memories each"
            rows = Rows(
                title, "request", "clients", "per second", "p50 ms", "p95 ms", "p99 ms", "p50 : floor"
            )
            for count in (1, 8, 32):
                floor = 0.0
                for name, call in calls.items():
                    clients = [Client(server, keys[n % users]) for n in range(count)]
                    hammer(clients, max(requests // 10, count), call)
                    rate, seconds = hammer(clients, requests, call)
                    half = percentile(seconds, 0.5)
                    floor = floor or half
                    waits = [f"{percentile(seconds, share) * 1e3:.1f}" for share in (0.5, 0.95, 0.99)]
                    rows.add(name, count, f"{rate:.0f}", *waits, f"{half / floor:.1f}x")
            rows.show()
        finally:
            server.stop()
            if database:
                database.stop()


if __name__ == "__main__":
    options = arguments(__doc__ or "", embedder="hash", memories=1000, users=8, requests=1000)
    for name in ENGINES if options.engine == "both" else (options.engine,):
        measure(
            name,
            embedder=options.embedder,
            memories=options.memories,
            users=options.users,
            requests=options.requests,
        )
