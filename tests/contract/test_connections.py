"""Clients that keep their connections share all processes of the server, whichever the kernel gave them to."""

import os
import threading
import time
from collections import defaultdict
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.running import start_server

CLIENTS, SECONDS = 6, 60
ESTABLISHED = "01"

pytestmark = pytest.mark.skipif(
    not Path("/proc/net/tcp").exists(), reason="reads from /proc who has a connection"
)


def owners(server):
    """The client's port of each connection, by the process of the server that has it."""
    port = f"{int(server.url.rpartition(':')[2]):04X}"
    clients = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        (
            _,
            local,
            remote,
            state,
            *_,
        ) = fields = line.split()
        if local.endswith(f":{port}") and state == ESTABLISHED:
            clients[f"socket:[{fields[9]}]"] = int(remote.rpartition(":")[2], 16)
    found = defaultdict(set)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(process.name)) != server.process.pid:
                continue
            for number in (process / "fd").iterdir():
                if (client := clients.get(str(number.readlink()))) is not None:
                    found[process.name].add(client)
        except OSError:  # it ended meanwhile
            continue
    return found


def are_shared(server):
    found = owners(server)
    return len(found) == 2 and min(map(len, found.values())) >= 2


@pytest.fixture
def server(tmp_path):
    running = start_server(tmp_path, MEMORIA_WORKERS=2)
    yield running
    running.stop()


def test_busy_clients_of_one_process_go_to_the_other(server):
    made = server.client().post("/auth/keys", json={"user_id": "ada", "name": "test"}).json()
    headers = {"Authorization": f"Bearer {made['raw_key']}", "Content-Type": "application/json"}
    place = server.url.removeprefix("http://")

    def ask(connection):
        connection.request("POST", "/v1/memories/retrieve", '{"query": "who owns the gateway?"}', headers)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"[]")

    stopped, failed = threading.Event(), []

    def go_on(connection):
        try:
            while not stopped.is_set():
                ask(connection)
        except Exception as error:
            failed.append(error)

    with ExitStack() as opened:
        tried = []
        while not tried or max(map(len, owners(server).values())) < CLIENTS:
            tried.append(HTTPConnection(place, timeout=SECONDS))
            opened.callback(tried[-1].close)
            ask(tried[-1])
        ports = max(owners(server).values(), key=len)
        clients = [each for each in tried if each.sock.getsockname()[1] in ports]
        for connection in tried:
            if connection not in clients:
                connection.close()
        threads = [threading.Thread(target=go_on, args=(connection,)) for connection in clients]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + SECONDS
        while not (is_shared := are_shared(server)) and not failed and time.monotonic() < deadline:
            time.sleep(0.05)
        stopped.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert is_shared, "all clients stayed with one process"
