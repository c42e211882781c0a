"""A real Memoria server in a process of its own, for tests and benchmarks that speak HTTP."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 60
TLS = ssl.create_default_context()
"""Made once: making one takes 36 ms, and every client would make its own, though none needs it."""


@dataclass
class RunningServer:
    """Started with `start_server`; call `stop` when done."""

    url: str
    master_key: str
    environment: dict[str, str]
    log: Path
    process: "subprocess.Popen[bytes]"
    clients: list[httpx.Client] = field(default_factory=list)

    def client(self, key: str | None = None, **headers: str) -> httpx.Client:
        """An HTTP client with a key (the master key unless given; "" for none)."""
        key = self.master_key if key is None else key
        if key:
            headers["Authorization"] = f"Bearer {key}"
        client = httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=TLS)
        self.clients.append(client)
        return client

    def user(self, user_id: str, name: str = "test") -> httpx.Client:
        """A client with a fresh key of this user."""
        answer = self.client().post("/auth/keys", json={"user_id": user_id, "name": name})
        assert answer.status_code == 201, answer.text
        return self.client(answer.json()["raw_key"])

    def manage(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a management command against the same data."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.run(command, env=self.environment, check=check, capture_output=True, text=True)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()


def start_server(data: Path, *, database_url: str | None = None, **settings: Any) -> RunningServer:
    """Start a server on a free port with its data in `data`; further settings become environment variables."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data.mkdir(parents=True, exist_ok=True)
    inherited = {
        k: v for k, v in os.environ.items() if not k.startswith(("MEMORIA_", "EMBEDDING_", "LLM_", "DJANGO_"))
    }
    environment = {
        **inherited,
        "MEMORIA_DATA_DIR": str(data),
        "MASTER_KEY": "contract-master-key-0123456789",
        "MEMORIA_PORT": str(port),
        "MEMORIA_HOST": "127.0.0.1",
        "EMBEDDING_PROVIDER": "hash",
        "MEMORIA_RATE_LIMIT_AUTH_KEYS": "100000,60",
        **({"MEMORIA_DATABASE_URL": database_url} if database_url else {}),
        **{name: str(value) for name, value in settings.items()},
    }
    log = data / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "serve"],
            env=environment,
            cwd=data,  # any folder will do
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = RunningServer(f"http://127.0.0.1:{port}", environment["MASTER_KEY"], environment, log, process)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if httpx.get(f"{server.url}/health", timeout=2).status_code == 200:
                return server
        except httpx.HTTPError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.05)
