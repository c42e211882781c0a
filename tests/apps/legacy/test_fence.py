"""Whoever lost the lease writes nothing more, however late they notice."""

import json
import signal
import time
from pathlib import Path

import pytest

from apps.legacy.made import Writer
from tests import engine
from tests.apps.legacy.deployment import Deployment

# What the old side runs on makes no difference here: both on the suite's engine.
pytestmark = pytest.mark.parametrize(
    "deployment", ["mariadb" if engine.SERVER is not None else "sqlite"], indirect=True
)
# A copier that is paused by its own hand once it has read a batch with changed rows.
PAUSED = """
import os, signal
from apps.legacy.services.copying import memories
made_of = memories.made_of
def paused(run, table, batch):
    made = made_of(run, table, batch)
    if any("version one" in memory.content for memory, _ in made):
        os.kill(os.getpid(), signal.SIGSTOP)
    return made
memories.made_of = paused
"""


def control(deployment: Deployment, statement: str) -> None:
    writer = Writer(deployment.database_url or f"sqlite:///{deployment.folder / 'data' / 'control.sqlite3'}")
    writer.execute(statement)
    writer.commit()
    writer.close()


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


def test_a_copier_that_slept_through_its_lease_writes_no_more(deployment: Deployment) -> None:
    # W-27, W-47
    changed = "UPDATE mem_memories SET content = 'version {}' WHERE user_id IN ('Ada', 'ada')"
    deployment.migrate("copy")
    deployment.write(changed.format("one"))
    paused = deployment.start("migrate_legacy", "copy", "--legacy-url", deployment.old, before=PAUSED)
    try:
        until = time.monotonic() + 60
        while not is_stopped(paused.pid):
            assert not paused.has_ended(), paused.wait()
            assert time.monotonic() < until
            time.sleep(0.05)
        assert "another migration of this database is running" in deployment.migrate("copy", code=6)
        control(deployment, "UPDATE mem_migrations SET lease_until = '2024-01-01 00:00:00'")
        deployment.write(changed.format("two"))
        report = deployment.folder / "report.json"
        deployment.migrate("cutover", "--yes", "--quiet-seconds", "0", "--report-out", str(report))
        assert json.loads(report.read_text())["errors"] == []
        ledger = "SELECT user_id, phase, copier, last_error, updated_at FROM mem_migrated_users ORDER BY 1"
        before = deployment.control(ledger)
        paused.signal(signal.SIGCONT)
        done = paused.wait()
    finally:
        paused.signal(signal.SIGKILL)
    assert done.returncode == 6, done
    assert "another process has taken this migration over" in done.stderr
    assert "Traceback" not in done.stderr
    assert deployment.control(ledger) == before
    for user_id in ("Ada", "ada"):
        found = deployment.target_rows(user_id, "SELECT DISTINCT content FROM mem_memories")
        assert found == [("version two",)], user_id


# Somebody takes over while the last user is compared.
OVERTAKEN = """
from django.db.models import F
from apps.legacy.models import Migration
from apps.legacy.services import running
verify = running.user_verify
def overtaken(**options):
    Migration.objects.update(lease_number=F("lease_number") + 1)
    return verify(**options)
running.user_verify = overtaken
"""


def test_a_verification_that_was_overtaken_proves_nothing(deployment: Deployment) -> None:
    deployment.migrate("copy", "--user", "Ada")
    said = deployment.migrate("verify", "--user", "Ada", code=6, before=OVERTAKEN)
    assert "everything is equal" not in said
    deployment.migrate("verify", "--user", "Ada")


# Every server is busy at first, or always.
BUSY = """
from apps.legacy.services import running
from memoria.errors import Unavailable
verify, asked = running.user_verify, []
def busy(**options):
    asked.append(1)
    if len(asked) <= {times}:
        raise Unavailable("all connections are in use")
    return verify(**options)
running.user_verify = busy
running.time.sleep = lambda seconds: None
"""


def test_a_busy_server_is_asked_again_and_is_no_mismatch(deployment: Deployment) -> None:
    deployment.migrate("copy", "--user", "Ada")
    assert "verified 1 users: everything is equal" in deployment.migrate(
        "verify", "--user", "Ada", before=BUSY.format(times=2)
    )
    said = deployment.migrate("verify", "--user", "Ada", code=5, before=BUSY.format(times=100))
    assert "all connections are in use" in said  # nothing is proven, and nothing forgotten:
    assert "1 had not changed" in deployment.migrate("copy", "--user", "Ada")
