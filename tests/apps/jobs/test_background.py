"""Background work of a process ends in a clear state, whatever happens to the process."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.jobs import background
from apps.jobs.background import ABANDONED_AFTER, task_get
from apps.jobs.models import AsyncTask
from tests.processes import installation, start_script

SECONDS = timedelta(seconds=1)


def get(task_id, now):
    return task_get(task_id=task_id, user_id="ada", is_master=False, now=now)


@pytest.fixture
def task(db):
    now = timezone.now()
    return AsyncTask.objects.create(task_id="t1", user_id="ada", created_at=now, updated_at=now)


def test_a_task_without_a_heartbeat_has_failed_for_good(task):
    then = task.updated_at + ABANDONED_AFTER
    assert get("t1", then - SECONDS).status == "processing"
    given_up = get("t1", then + SECONDS)
    assert (given_up.status, given_up.result) == ("failed", None)
    assert given_up.error == {"code": "GENERATION_ERROR", "message": "interrupted; ask again"}
    background._work_off("t1", lambda: {"content": "too late"})
    assert get("t1", then + SECONDS) == given_up


def test_a_long_task_that_is_alive_is_not_given_up(task):
    AsyncTask.objects.update(created_at=task.created_at - timedelta(hours=2))
    assert get("t1", task.updated_at + SECONDS).status == "processing"


@pytest.mark.parametrize("error", [ValueError("secret detail"), RuntimeError()])
def test_a_defect_is_reported_without_its_text(task, error):
    def fails():
        raise error

    background._work_off("t1", fails)
    found = get("t1", timezone.now())
    assert (found.status, found.error["message"]) == ("failed", "internal error; see the server log")


DYING = """
import threading, time
from apps.jobs import background
background.BEAT_SECONDS = 0.05
print(background.task_start(user_id="ada", work=lambda: time.sleep(60) or {}), flush=True)
print(background.task_start(user_id="ada", work=lambda: {"n": 1}), flush=True)
time.sleep(60)
"""
LOOK = """
from datetime import timedelta
from django.utils import timezone
from apps.jobs.background import ABANDONED_AFTER, task_get
from apps.jobs.models import AsyncTask
slow, quick = sys.argv[1:]
row = AsyncTask.objects.get(pk=slow)
print(row.updated_at > row.created_at)
for later in (timedelta(0), ABANDONED_AFTER + timedelta(seconds=5)):
    for task_id in (slow, quick):
        print(task_get(task_id=task_id, user_id="ada", is_master=False, now=timezone.now() + later).status)
"""


def test_what_a_killed_process_left_is_failed_and_what_it_finished_stays(tmp_path):
    environment = installation(tmp_path)
    process = start_script(environment, DYING)
    with process:
        slow, quick = process.stdout.readline().strip(), process.stdout.readline().strip()
        time.sleep(1)
        process.kill()
    look = start_script(environment, LOOK, slow, quick)
    said, _ = look.communicate(timeout=60)
    assert said.split() == ["True", "processing", "completed", "failed", "completed"]
