"""What is left when a migration dies: `kill -9` in every phase, and the same command again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.legacy.made import user_names
from tests.apps.legacy.deployment import SEVERAL_PROCESSES, SEVERAL_THREADS, USERS, Deployment, plain
from tests.running import ROOT
from tests.warm import Ended

# For each of the four pairs of engines: a hundred altogether.
KILLS = int(os.environ.get("MEMORIA_TEST_KILLS", "25"))
PHASES = ["copy", "copy", "verify", "cutover", "cutover", "rollback"]
STATE = (
    "SELECT memory_id, user_id, content, search_text, is_active, observed_at, born, digest FROM mem_memories",
    "SELECT memory_id, branch_id, content, search_text, born, died, absent, base, digest FROM mem_revisions",
    "SELECT m.memory_id, e.vector FROM mem_memories m JOIN mem_embeddings e ON e.id = m.embedding_id",
    "SELECT l.memory_id, e.name, l.source FROM mem_memory_entity_links l JOIN mem_entities e ON e.id = l.entity_id",
    "SELECT id, name, live_name, fork_seq, status, created_at FROM mem_branches WHERE id > 1",
    "SELECT seq, branch_id, operation FROM mem_commits",
    "SELECT seq, active_count, horizon FROM mem_clock",
    "SELECT name, snapshot_name, status FROM mem_snapshots",
    "SELECT edit_id, memory_id, operation, reason, created_at FROM mem_edit_log",
    "SELECT feedback_id, memory_id, `signal` FROM mem_retrieval_feedback",
    "SELECT memory_id, access_count, feedback_useful FROM mem_memories_stats",
    "SELECT user_id, active_branch FROM mem_user_state",
)

# A command with one process that has work for ten minutes.
RUNNER = """
import os, time
from apps.legacy.services.side_by_side import Places, results_of
def work(user_id):
    print(os.getpid(), flush=True)
    time.sleep(600)
if __name__ == "__main__":
    import django
    django.setup()
    list(results_of(work, ["a", "b"], places=Places(1, 2), tick=print, died=print, last=print))
"""


def run(
    deployment: Deployment, phase: str, *options: str, after: float | None = None, before: str = ""
) -> Ended:
    """Runs a phase, and kills it after so many seconds."""
    arguments = ["migrate_legacy", phase, "--legacy-url", deployment.old, *options]
    arguments += ["--yes", "--quiet-seconds", "0"] if phase == "cutover" else []
    return deployment.start(*arguments, after=after, before=before).wait()


def state(deployment: Deployment, user_id: str) -> list[list[tuple[Any, ...]]]:
    """All that a user's database holds, but for numbers and times of its own making."""
    found = []
    for sql in STATE:
        rows = deployment.target_rows(user_id, sql)
        found.append(
            sorted(tuple(v.hex() if isinstance(v, bytes) else plain((v,))[0] for v in row) for row in rows)
        )
    return found


def test_it_ends_where_an_undisturbed_run_ends(deployment: Deployment) -> None:
    # W-21, W-44
    rng = random.Random(KILLS)
    usual: dict[tuple[str, str], float] = {}
    killed = 0
    for phase in ("copy", "verify", "cutover", "rollback"):
        ended = run(deployment, phase)
        assert ended.returncode == 0, (phase, ended)
        usual[phase, ""] = ended.seconds
    while killed < KILLS:
        phase, before = rng.choice(PHASES), rng.choice(["", "", SEVERAL_PROCESSES, SEVERAL_THREADS])
        known = usual.get((phase, before))  # else it is left alone once, to learn how long it takes
        ended = run(deployment, phase, after=known and rng.uniform(0, known), before=before)
        killed += ended.returncode is None
        # 3: in service already; 5: verified before anything was copied
        assert ended.returncode in (None, 0, 3, 5), (phase, ended)
        usual[phase, before] = max(ended.seconds, 0.9 * (known or 0.0))
        serving = deployment.control("SELECT COUNT(*) FROM mem_user_registry WHERE status = 'active'")
        assert serving[0][0] in (0, USERS)  # all of them, or nobody
    deployment.migrate("rollback")
    deployment.cutover()
    undisturbed = another(deployment)
    # On one server the databases of both have the same users.
    undisturbed.migrate("cutover", "--yes", "--quiet-seconds", "0", "--leftovers", "ignore")
    for user_id in user_names(USERS):
        assert state(deployment, user_id) == state(undisturbed, user_id), user_id


def another(deployment: Deployment) -> Deployment:
    """A second new installation for the same old database."""
    folder = deployment.folder / "undisturbed"
    (folder / "data").mkdir(parents=True)
    environment = deployment.environment | {"MEMORIA_DATA_DIR": str(folder / "data")}
    url = deployment.database_url
    if url is not None:
        assert deployment.server is not None
        name = f"{url.split('?')[0].rsplit('/', 1)[1]}_b"
        deployment.server.execute(f"CREATE DATABASE {name}")
        url = environment["MEMORIA_DATABASE_URL"] = deployment.server.url(name)
    made = replace(deployment, folder=folder, environment=environment, database_url=url)
    assert made.run("migrate", "-v0").returncode == 0
    return made


def test_what_was_written_is_not_written_again(deployment: Deployment) -> None:
    # W-44: at most the batch that was under way is done once more
    many = deployment.folder / "many"
    many.mkdir()
    old = (
        deployment.old.replace("/old", "/many")
        if deployment.old.startswith("mysql")
        else f"sqlite:///{many}/o.db"
    )
    place = replace(deployment, old=old)
    assert (
        place.run("make_legacy", "--url", old, "--users", "1", "--memories", "3000", "--dim", "0").returncode
        == 0
    )
    report = place.folder / "report.json"
    rng, there, longest = random.Random(5), 0, 1.5
    while there == 0 or rng.random() < 0.7:
        run(place, "copy", after=rng.uniform(0.1, longest))
        longest *= 1.2 if there == 0 else 1  # a slow machine takes longer to begin
        if place.control("SELECT COUNT(*) FROM mem_user_registry WHERE status = 'importing'")[0][0]:
            before, there = there, place.target_rows("ada", "SELECT COUNT(*) FROM mem_memories")[0][0]
            assert there >= before
    branched = place.target_rows("ada", "SELECT COUNT(*) FROM mem_revisions")[0][0]
    assert run(place, "copy", "--report-out", str(report)).returncode == 0
    (user,) = json.loads(report.read_text())["users"]
    wanted = place.target_rows("ada", "SELECT COUNT(*) FROM mem_revisions")[0][0]
    lacking = 3000 - there + wanted - branched
    # A few rows of branches are written on the way to what stays; none of the thousands that were there is.
    assert lacking <= user["written"] <= lacking + wanted or user["unchanged"]


@pytest.mark.parametrize("before", [SEVERAL_PROCESSES, SEVERAL_THREADS], ids=["processes", "threads"])
def test_a_process_that_dies_costs_those_it_was_at(deployment: Deployment, before: str) -> None:
    # W-51: the others are copied all the same, and the next run brings who is lacking
    place = replace(deployment, old=deployment.old.replace("/old", "/several"))
    if place.old.startswith("sqlite"):
        Path(place.old.removeprefix("sqlite:///")).parent.mkdir(exist_ok=True)
    sizes = ("--users", "12", "--memories", "400", "--dim", "0")
    assert place.run("make_legacy", "--url", place.old, *sizes).returncode == 0
    begun = place.start("migrate_legacy", "copy", "--legacy-url", place.old, before=before)
    while place.control("SELECT COUNT(*) FROM mem_migrated_users") == [(0,)]:
        assert not begun.has_ended(), begun.wait()
    os.kill(process_at_work(begun.pid), signal.SIGKILL)
    ended = begun.wait()
    assert ended.returncode == 4, ended
    lost = (ended.stdout + ended.stderr).count("a process at work on users died")
    assert 1 <= lost <= 4
    copied = place.control("SELECT COUNT(*) FROM mem_migrated_users WHERE phase = 'copied'")
    assert int(copied[0][0]) == 12 - lost
    place.cutover()
    assert "failed" not in place.migrate("status")


def process_at_work(command: int) -> int:
    """One of the processes that a command has work on users."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == command and "spawn_main" in (folder / "cmdline").read_text():
                return int(folder.name)
        except OSError:  # it has ended meanwhile
            continue
    raise AssertionError("no process is at work")


def test_no_process_outlives_the_command(tmp_path: Path) -> None:
    """A worker of a killed command would write beside its successor."""
    runner = tmp_path / "runner.py"
    runner.write_text(RUNNER)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "config.settings.base"}
    command = subprocess.Popen([sys.executable, str(runner)], env=environment, stdout=-1, text=True)
    assert command.stdout is not None
    worker = next(int(line) for line in command.stdout if line.strip() not in ("0", ""))
    command.send_signal(signal.SIGKILL)
    command.wait()
    command.stdout.close()
    for _ in range(100):
        if not is_running(worker):
            return
        time.sleep(0.1)
    raise AssertionError("the worker is still there")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
