"""Whoever lost the lease writes nothing more, however late they notice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from apps.legacy.made import Writer
from tests import engine
from tests.apps.legacy.deployment import Deployment
from tests.running import ROOT

# What the old side runs on makes no difference here: both on the suite's engine.
pytestmark = pytest.mark.parametrize(
    "deployment", ["mariadb" if engine.SERVER is not None else "sqlite"], indirect=True
)
# A copier that is paused by its own hand once it has read a batch with changed rows.
PAUSED = """
import os, signal, sys, django
django.setup()
from django.core.management import execute_from_command_line
from apps.legacy.services.copying import memories
made_of = memories.made_of
def paused(batch):
    made = made_of(batch)
    if any("version one" in memory.content for memory, _ in made):
        os.kill(os.getpid(), signal.SIGSTOP)
    return made
memories.made_of = paused
execute_from_command_line(["manage.py", "migrate_legacy", "copy", "--legacy-url", sys.argv[1]])
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
    environment = deployment.environment | {"DJANGO_SETTINGS_MODULE": "config.settings.base"}
    process = subprocess.Popen(
        [sys.executable, "-c", PAUSED, deployment.old],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until = time.monotonic() + 60
        while not is_stopped(process.pid):
            assert process.poll() is None, process.stderr and process.stderr.read()
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
        os.kill(process.pid, signal.SIGCONT)
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 6, said
    assert "another process has taken this migration over" in said
    assert "Traceback" not in said
    assert deployment.control(ledger) == before
    for user_id in ("Ada", "ada"):
        found = deployment.target_rows(user_id, "SELECT DISTINCT content FROM mem_memories")
        assert found == [("version two",)], user_id
