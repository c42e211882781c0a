"""How long does one wait for an answer over HTTP, and how many does a server give? 1, 8 and 32 clients.

    .venv/bin/python bench/http_load.py
    .venv/bin/python bench/http_load.py --engine sqlite --embedder local --workers 1

All clients are one process outside the server that only writes and reads sockets, but they share the machine's cores
with it; the floor, a request that touches no user, pays the same. The server's own CPU time per request says what
remains of that on a busy machine. The targets: with 8 clients and 10,000 memories 95 of 100 retrievals within 25 ms,
and 300 stores per second of one user in batches; the last lines say by how much they are met or missed.
"""

import json
import os
import selectors
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.common import ENGINES, Rows, arguments, percentile
from tests.running import RunningServer, start_server

TOPICS = "billing search mobile export login cache backup report invoice deploy".split()
TARGET_CLIENTS, TARGET_P95_MS, TARGET_STORES = 8, 25.0, 300.0
BATCH = 100


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


def fill(server: RunningServer, users: int, memories: int, *, first: int = 0) -> tuple[list[str], float]:
    """Make users, from number `first` on, with that many memories each; returns their keys and the memories stored
    per second."""
    keys = []
    started = time.perf_counter()
    for user in range(first, first + users):
        master = Client(server, server.master_key)
        made = master.send("POST", "/auth/keys", {"user_id": f"user-{user}", "name": "bench"})
        keys.append(json.loads(made)["raw_key"])
        client = Client(server, keys[-1])
        for start in range(0, memories, BATCH):
            items = [{"content": fact(user, n)} for n in range(start, min(start + BATCH, memories))]
            client.send("POST", "/v1/memories/batch", {"memories": items})
    return keys, users * memories / (time.perf_counter() - started)


class Request:
    """One kind of request: the bytes of its nth instance for a key."""

    def __init__(self, method: str, path: str, body: Callable[[int], object] | None = None) -> None:
        self._head, self._body = f"{method} {path} HTTP/1.1\r\nHost: bench\r\n", body

    def encoded(self, key: str, number: int) -> bytes:
        body = b"" if self._body is None else json.dumps(self._body(number)).encode()
        headers = (
            f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        )
        return f"{self._head}{headers}\r\n\r\n".encode() + body


class _Connection:
    """A client that waits for each answer before it sends the next request."""

    def __init__(self, server: RunningServer) -> None:
        host, port = server.url.removeprefix("http://").split(":")
        self._place = host, int(port)
        self.sent_at, self.is_refused, self.is_ending, self._got = 0.0, False, False, b""
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection(self._place, timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes) -> None:
        self._got, self.sent_at = b"", time.perf_counter()
        self.socket.sendall(request)

    def has_answer(self) -> bool:
        piece = self.socket.recv(65_536)
        assert piece, "the server ended the connection"
        self._got += piece
        head, end, body = self._got.partition(b"\r\n\r\n")
        if not end:
            return False
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        self.is_refused = b" 20" not in head[:13]
        self.is_ending = b"connection: close" in head.lower()
        return len(body) >= length


@dataclass(frozen=True, slots=True)
class Load:
    """How a number of requests went. Seconds of each, and CPU seconds of the server's processes for all."""

    per_second: float
    seconds: list[float]
    cpu_seconds: float
    refused: int


def hammer(server: RunningServer, keys: list[str], clients: int, request: Request, requests: int) -> Load:
    """Send `requests` from all clients at once; each client acts for one user."""
    numbers, seconds, refused = iter(range(requests)), [], 0
    with selectors.DefaultSelector() as selector:
        before, started = cpu_seconds(server), time.perf_counter()
        for client, number in zip(range(clients), numbers, strict=False):
            connection = _Connection(server)
            selector.register(connection.socket, selectors.EVENT_READ, (connection, keys[client % len(keys)]))
            connection.send(request.encoded(keys[client % len(keys)], number))
        while selector.get_map():
            for ready, _ in selector.select():
                connection, key = ready.data
                if not connection.has_answer():
                    continue
                seconds.append(time.perf_counter() - connection.sent_at)
                refused += connection.is_refused
                if (number := next(numbers, None)) is not None:
                    if connection.is_ending:
                        selector.unregister(connection.socket)
                        connection.socket.close()
                        connection.open()
                        selector.register(connection.socket, selectors.EVENT_READ, (connection, key))
                    connection.send(request.encoded(key, number))
                else:
                    selector.unregister(connection.socket)
                    connection.socket.close()
        return Load(
            len(seconds) / (time.perf_counter() - started), seconds, cpu_seconds(server) - before, refused
        )


def cpu_seconds(server: RunningServer) -> float:
    """What all processes of the server have used so far."""
    ticks = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[2]) == server.process.pid:  # its process group
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(
    engine: str, *, embedder: str, memories: int, users: int, requests: int, workers: int, threads: int
) -> None:
    database = None
    if engine == "mariadb":
        from tests.servers import start_mariadb

        database = start_mariadb(durable=True)
        database.execute("CREATE DATABASE memoria")
    settings = {"MEMORIA_WORKERS": workers, "MEMORIA_THREADS": threads}
    with tempfile.TemporaryDirectory(prefix="memoria-bench-") as folder:
        server = start_server(
            Path(folder),
            database_url=database.url("memoria") if database else None,
            EMBEDDING_PROVIDER=embedder,
            MEMORIA_RATE_LIMIT_AUTH_KEYS="10000000,60",
            **{name: value for name, value in settings.items() if value},
        )
        try:
            keys, stored = fill(server, users, memories)
            writer, _ = fill(server, 1, 0, first=users)  # so that the others keep their size
            asked = Request(
                "POST",
                "/v1/memories/retrieve",
                lambda n: {"query": f"who owns {TOPICS[n % 10]}-{n * 7 % memories}?"},
            )
            stores = Request("POST", "/v1/memories", lambda n: {"content": fact(99, time.time_ns() + n)})
            calls = {
                "GET /health (floor)": Request("GET", "/health"),
                "GET /v1/memories": Request("GET", "/v1/memories?limit=20"),
                "POST …/retrieve": asked,
                "POST /v1/memories": stores,
            }
            cores = os.cpu_count()
            title = (
                f"HTTP, {engine}, embedder {embedder}, {users} user(s) with {memories} memories each,"
                f" {cores} cores, {workers or 'default'} workers, {threads or 'default'} threads"
            )
            rows = Rows(
                title,
                *("request", "clients", "per second", "p50 ms", "p95 ms", "p99 ms", "p50 : floor"),
                *("CPU ms each", "refused"),
            )
            reached: dict[str, float] = {}
            hammer(server, keys, 64, asked, 200)  # every worker has every user in memory
            for clients in (1, TARGET_CLIENTS, 32):
                floor = 0.0
                for name, request in calls.items():
                    callers = writer if request is stores else keys
                    hammer(server, callers, clients, request, max(requests // 10, clients))
                    load = hammer(server, callers, clients, request, requests)
                    waits = [percentile(load.seconds, share) * 1e3 for share in (0.5, 0.95, 0.99)]
                    floor = floor or waits[0]
                    if clients == TARGET_CLIENTS:
                        reached[name] = waits[1]
                    rows.add(
                        *(name, clients, f"{load.per_second:.0f}"),
                        *(f"{wait:.1f}" for wait in waits),
                        *(f"{waits[0] / floor:.1f}x", f"{load.cpu_seconds / requests * 1e3:.2f}"),
                        load.refused,
                    )
            rows.show()
            p95 = reached["POST …/retrieve"]
            print(
                f"retrieve, {TARGET_CLIENTS} clients: p95 {p95:.1f} ms, target {TARGET_P95_MS:g} ms:"
                f" {_verdict(TARGET_P95_MS / p95)}; the floor's p95 is {reached['GET /health (floor)']:.1f} ms"
            )
            print(
                f"stores of one user in batches of {BATCH}: {stored:.0f} per second, target {TARGET_STORES:g}:"
                f" {_verdict(stored / TARGET_STORES)}"
            )
        finally:
            server.stop()
            if database:
                database.stop()


def _verdict(share: float) -> str:
    return "met" if share >= 1 else f"missed, {1 / share:.2f}x the target"


if __name__ == "__main__":
    options = arguments(
        __doc__ or "", embedder="hash", memories=10_000, users=1, requests=2000, workers=0, threads=0
    )
    for name in ENGINES if options.engine == "both" else (options.engine,):
        measure(
            name,
            embedder=options.embedder,
            memories=options.memories,
            users=options.users,
            requests=options.requests,
            workers=options.workers,
            threads=options.threads,
        )
