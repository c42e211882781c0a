"""Real workers: a task reaches the right user's database, over folders and over Redis."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import ROOT, installation, start_script
from tests.servers import start_redis

PREPARE = """
from django.utils import timezone
from datetime import timedelta
from apps.memories.services.correct import memory_correct
from apps.memories.services.write import memories_write
from apps.memories.models import Revision
from apps.memories.view import MAIN
from apps.tenancy.admission import admit
from apps.tenancy.scope import user_database
from apps.tenancy.services.provision import user_provision
from memoria.drafts import draft
for user in sys.argv[1:]:
    past = timezone.now() - timedelta(days=400)
    with user_database(admit(user_provision(user_id=user))):
        memories_write(drafts=[draft(content="old", now=past)], view=MAIN, actor_id=user, operation="store",
                       reason="store_memory", now=past, embedder=None)
        from apps.memories.models import Memory
        memory_correct(view=MAIN, memory_id=Memory.objects.get().memory_id, new_content="new", reason="",
                       actor_id=user, now=past + timedelta(days=1), embedder=None)
        print(Revision.objects.count(), flush=True)
"""

COUNT = """
from apps.memories.models import Revision
from apps.tenancy.admission import active_route
from apps.tenancy.scope import user_database
for user in sys.argv[1:]:
    with user_database(active_route(user_id=user)):
        print(Revision.objects.count(), flush=True)
"""

MAKE_DUE = """
from datetime import timedelta
from django.utils import timezone
from apps.jobs.models import Schedule
due = timezone.now() - timedelta(days=1)
Schedule.objects.update_or_create(pk="versioning.collect_all", defaults={"next_due_at": due})
from config.celery import app
app.send_task("jobs.start_due")
"""


def output(environment: dict[str, str], script: str, *arguments: str) -> str:
    process = start_script(environment, script, *arguments)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return out


def start_worker(environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "celery", "-A", "config.celery", "worker", "--pool", "threads"]
    command += ["--concurrency", "2", "--beat", "--loglevel", "info", "--without-gossip", "--without-mingle"]
    with log.open("wb") as file:
        return subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )


@pytest.mark.parametrize("broker", ["folders", "redis"])
def test_a_due_sweep_collects_every_users_garbage(tmp_path, broker):
    environment = installation(tmp_path)
    redis = start_redis() if broker == "redis" else None
    if redis is not None:
        environment["MEMORIA_REDIS_URL"] = redis.url
    users = [f"{tmp_path.name}-{name}" for name in ("ada", "ben")]
    assert output(environment, PREPARE, *users).split() == ["1", "1"]
    log = tmp_path / "worker.log"
    worker = start_worker(environment, log)
    try:
        output(environment, MAKE_DUE)
        deadline = time.monotonic() + 60
        while output(environment, COUNT, *users).split() != ["0", "0"]:
            assert worker.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.3)
    finally:
        os.killpg(worker.pid, signal.SIGTERM)
        worker.wait(30)
        if redis is not None:
            redis.stop()
