"""Many users over few connections: nothing in a wrong database, no error, never more connections than allowed."""

import json
import subprocess
import threading
import time

import pytest

from memoria.naming import database_name
from tests import engine
from tests.processes import installation, start_script

USERS = 64
THREADS = 16
PROCESSES = 2
BOUND = 4  # per process, so that both together may use eight
SECONDS = 60

WORK = """
import json, os, random, threading, time
from django.conf import settings
settings.MEMORIA_USER_CONNECTIONS = {bound}
settings.MEMORIA_USER_CONNECTION_WAIT_SECONDS = 30
from django.db import connections
from django.utils import timezone
from apps.memories.embedding import embedder
from apps.memories.filters import ANY
from apps.memories.retrieval import memories_retrieve
from apps.memories.selectors import memory_list
from apps.memories.services.write import memories_write
from apps.memories.view import MAIN
from apps.tenancy import servers
from apps.tenancy.admission import admit
from apps.tenancy.scope import user_database
from apps.tenancy.services.provision import user_provision
from memoria.drafts import draft
from memoria.errors import MemoriaError

prefix, seconds = sys.argv[1], float(sys.argv[2])
deadline = time.monotonic() + seconds
counts = {{"stored": 0, "retrieved": 0, "foreign": 0, "errors": [], "most_open": 0}}
lock = threading.Lock()
pool = servers.server(servers.server_names()[0]).pool

def work(number):
    rng = random.Random(f"{{number}} {{os.getpid()}}")
    while time.monotonic() < deadline:
        user = f"{{prefix}}-{{rng.randrange({users})}}"
        text = f"{{user}} likes thing {{rng.randrange(10**9)}}"
        try:
            with user_database(admit(user_provision(user_id=user))):
                now = timezone.now()
                memories_write(drafts=[draft(content=text, now=now)], view=MAIN, actor_id=user, operation="store",
                               reason="store_memory", now=now, embedder=embedder())
                found = memories_retrieve(view=MAIN, query=text, top_k=5, embedder=embedder(), now=now).found
                page = memory_list(view=MAIN, filters=ANY, limit=20)
            seen = [f.memory.content for f in found] + [item.content for item in page.items]
            foreign = [s for s in seen if not s.startswith(user + " ")]
            with lock:
                counts["stored"] += 1
                counts["retrieved"] += text in seen
                counts["foreign"] += len(foreign)
                counts["most_open"] = max(counts["most_open"], pool.open_count)
        except Exception as error:
            with lock:
                counts["errors"].append(f"{{type(error).__name__}}: {{error}}"[:200])
    connections.close_all()

threads = [threading.Thread(target=work, args=(n,)) for n in range({threads})]
[t.start() for t in threads]
[t.join() for t in threads]
print(json.dumps(counts))
"""


SCAN = """
import json
from apps.memories.models import Memory
from apps.tenancy.admission import admit
from apps.tenancy.scope import user_database
from apps.tenancy.selectors import registration_find

rows, foreign = 0, 0
for number in range({users}):
    user = f"{{sys.argv[1]}}-{{number}}"
    if (found := registration_find(user_id=user)) is not None:
        with user_database(admit(found)):
            contents = list(Memory.objects.values_list("content", flat=True))
        rows += len(contents)
        foreign += sum(not content.startswith(user + " ") for content in contents)
print(json.dumps([rows, foreign]))
"""


def run(environment: dict[str, str], prefix: str, seconds: float) -> "list[subprocess.Popen[str]]":
    script = WORK.format(bound=BOUND, users=USERS, threads=THREADS)
    return [start_script(environment, script, prefix, str(seconds)) for _ in range(PROCESSES)]


def results(processes: "list[subprocess.Popen[str]]") -> list[dict]:
    outputs = [process.communicate(timeout=SECONDS * 3)[0] for process in processes]
    return [json.loads(output.strip().splitlines()[-1]) for output in outputs]


class UserConnections:
    """Samples how many of the server's connections are bound to a database of these users."""

    def __init__(self, prefix: str) -> None:
        self.most = 0
        self._names = ", ".join(f"'{database_name(f'{prefix}-{number}')}'" for number in range(USERS))
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> "UserConnections":
        if engine.SERVER is not None:
            self._thread.start()
        return self

    def _sample(self) -> None:
        while not self._done.wait(0.2):
            query = f"SELECT COUNT(*) FROM information_schema.processlist WHERE db IN ({self._names})"
            self.most = max(self.most, int(engine.SERVER.execute(query)))

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if engine.SERVER is not None:
            self._thread.join()


@pytest.mark.slow
def test_64_users_from_16_threads_in_2_processes_stay_apart(tmp_path):
    environment = installation(tmp_path)
    with UserConnections(tmp_path.name) as sampled:
        done = results(run(environment, tmp_path.name, SECONDS))
    for counts in done:
        assert counts["errors"] == []
        assert counts["foreign"] == 0
        assert counts["retrieved"] == counts["stored"] > 0
        assert counts["most_open"] <= BOUND
    assert sampled.most <= BOUND * PROCESSES
    out, _ = start_script(environment, SCAN.format(users=USERS), tmp_path.name).communicate(timeout=60)
    assert json.loads(out) == [sum(counts["stored"] for counts in done), 0]


@pytest.mark.slow
@pytest.mark.mysql_only(reason="kills connections on the server")
def test_killed_connections_cost_at_most_the_requests_in_flight(tmp_path):
    environment = installation(tmp_path)
    processes = run(environment, tmp_path.name, 12)
    time.sleep(5)
    kills = rounds = 0
    while rounds < 3 and any(process.poll() is None for process in processes):
        before = kills
        listed = engine.SERVER.execute(
            "SELECT id FROM information_schema.processlist WHERE user = 'memoria' AND db LIKE 'mem\\_u\\_%'"
        )
        for connection_id in listed.split():
            try:
                engine.SERVER.execute(f"KILL {connection_id}")
                kills += 1
            except subprocess.CalledProcessError:
                continue  # it was gone already
        rounds += kills > before  # a slow machine may not have opened any yet
        time.sleep(1)
    done = results(processes)
    errors = [error for counts in done for error in counts["errors"]]
    assert kills > 0
    assert len(errors) <= kills
    lost = ("OperationalError", "InterfaceError", "Unavailable")
    assert all(error.startswith(lost) for error in errors), errors
    assert sum(counts["foreign"] for counts in done) == 0
    assert all(counts["stored"] > 0 for counts in done)
