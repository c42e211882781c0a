"""A migration by Celery's workers, some of which die."""

import signal
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.legacy.models import MigratedUser, Migration, Phase, Work
from apps.legacy.services import by_workers
from apps.legacy.services.by_workers import COPY, Part, part_begin
from apps.legacy.services.ledger import Lease, LeaseLost
from apps.legacy.services.running import Job
from tests import engine
from tests.apps.legacy.deployment import USERS, Deployment
from tests.servers import start_redis
from tests.warm import Running

# A worker that dies at a user, if one is named, and as suddenly as if it were out of memory.
WORKER = """
import os, signal
from apps.legacy.services.copying import memories
from apps.legacy.services import by_workers
from config.celery import app
by_workers.BEAT_SECONDS = 0.5
made_of = memories.made_of
def deadly(run, table, batch):
    made = made_of(run, table, batch)
    if made[0][0].user_id == {!r}:
        os.kill(os.getpid(), signal.SIGKILL)
    return made
memories.made_of = deadly
app.worker_main(["worker", "--pool", "threads", "--concurrency", "2", "--without-gossip", "--without-mingle"])
"""
COMMAND = """
from apps.legacy.services import by_workers
by_workers.DEAD_SECONDS = 3.0
"""


@pytest.fixture
def redis(deployment: Deployment) -> Iterator[None]:
    server = start_redis()
    deployment.environment |= {
        "MEMORIA_REDIS_URL": server.url,
        "MEMORIA_LEGACY_URL": deployment.old,
    }
    yield
    server.stop()


def worker(deployment: Deployment, dies_at: str = "") -> Running:
    return deployment.start("shell", "--no-imports", "-c", WORKER.format(dies_at))


def migrate(deployment: Deployment, phase: str, *options: str) -> Running:
    return deployment.start("migrate_legacy", phase, *options, "--via", "celery", before=COMMAND)


def ended(command: Running) -> str:
    done = command.wait()
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("deployment", ["mariadb" if engine.SERVER is not None else "sqlite"], indirect=True)
def test_users_of_a_worker_that_died_go_to_another(deployment: Deployment, redis: None) -> None:
    command = migrate(deployment, "copy")
    hands = [worker(deployment, dies_at="Ada")]
    try:
        assert hands[0].wait().returncode is None
        hands.append(worker(deployment))
        said = ended(command)
        assert "was at user 'Ada' and gave no sign of life: the user is given to another" in said
        assert f"copied {USERS} users" in said
        assert "Traceback" not in said
        assert f"verified {USERS} users" in ended(migrate(deployment, "verify"))
        ended(migrate(deployment, "cutover", "--yes", "--quiet-seconds", "0"))
        assert deployment.control("SELECT COUNT(*) FROM mem_migration_work") == [(0,)]
    finally:
        for each in hands:
            each.signal(signal.SIGKILL)


def job(**options: object) -> Job:
    now = timezone.now()
    migration = Migration.objects.create(
        source="old", started_at=now, lease_number=7, lease_until=now + timedelta(minutes=1)
    )
    return Job("sqlite:///nowhere", Lease(migration.pk, 7), {}, None, {}, **options)  # type: ignore[arg-type]


def hands(job: Job, monkeypatch: pytest.MonkeyPatch) -> tuple["by_workers._Hands", list[str]]:
    said: list[str] = []
    monkeypatch.setattr(by_workers.app, "send_task", lambda *arguments, **options: None)
    return by_workers._Hands(COPY, job, lambda rows: None, said.append), said


def test_a_user_at_whom_workers_die_fails(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_workers, "DEAD_SECONDS", -1.0)  # whoever is at work is dead
    given = job()
    MigratedUser.objects.create(
        user_id="ada", migration_id=given.lease.migration_id, phase=Phase.COPYING, updated_at=timezone.now()
    )
    command, said = hands(given, monkeypatch)
    monkeypatch.setattr(by_workers.time, "sleep", lambda seconds: _take_any())
    (result,) = command.results(["ada"])
    assert "gave no sign of life" in (result.error or "")  # type: ignore[union-attr]
    assert sum("is given to another" in line for line in said) == by_workers.ATTEMPTS - 1
    assert MigratedUser.objects.get().last_error == result.error  # type: ignore[union-attr]
    assert not Work.objects.exists()


def _take_any() -> None:
    for row in Work.objects.filter(worker=""):
        assert part_begin(row.pk, row.attempt) is not None


def test_without_workers_it_says_so_and_ends(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_workers, "DEAD_SECONDS", 0.0)
    monkeypatch.setattr(by_workers, "GIVE_UP_SECONDS", 0.05)
    monkeypatch.setattr(by_workers, "POLL_SECONDS", 0.01)
    command, said = hands(job(), monkeypatch)
    (result,) = command.results(["ada"])
    assert "no worker took this user up" in (result.error or "")  # type: ignore[union-attr]
    assert "make worker" in said[0]
    assert not Work.objects.exists()


def test_a_worker_stops_where_its_part_or_its_command_has_gone(db: None) -> None:
    lease = job().lease

    def begun() -> Part:
        values = {"run": "r", "migration_id": lease.migration_id, "user_id": "ada", "phase": COPY}
        row = Work.objects.create(**values, options={}, lease=lease.number)
        part = part_begin(row.pk, 0)
        assert part is not None
        assert part_begin(row.pk, 0) is None  # delivered twice
        assert part.say_alive()
        return part

    replaced, forgotten, orphaned = begun(), begun(), begun()
    Work.objects.filter(pk=replaced.row.pk).update(attempt=1, worker="")
    assert not replaced.say_alive()
    Work.objects.filter(pk=forgotten.row.pk).delete()
    assert not forgotten.say_alive()
    Migration.objects.update(lease_number=8)
    assert not orphaned.say_alive()
    orphaned._is_lost = True
    with pytest.raises(LeaseLost):
        orphaned.count(1)
