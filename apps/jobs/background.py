"""Work a caller does not wait for, in threads of the process that was asked, so that it needs no worker.

What a killed process left unfinished is reported as failed: the caller asks again.
"""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connections
from django.utils import timezone

from apps.jobs.models import AsyncTask
from memoria.errors import Forbidden, MemoriaError, NotFound

log = structlog.get_logger(__name__)

THREADS = 4
ABANDONED_AFTER = timedelta(minutes=30)
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="background")


@dataclass(frozen=True, slots=True)
class TaskRecord:
    task_id: str
    status: str
    result: dict[str, Any] | None
    error: dict[str, str] | None
    created_at: datetime
    updated_at: datetime


def task_start(*, user_id: str, work: Callable[[], dict[str, Any]]) -> str:
    """Run `work` in the background; it opens its own scope and returns the task's result. Returns the task's id."""
    now = timezone.now()
    task = AsyncTask.objects.create(task_id=uuid.uuid4().hex, user_id=user_id, created_at=now, updated_at=now)
    _threads.submit(_run, task.task_id, work)
    return task.task_id


def _run(task_id: str, work: Callable[[], dict[str, Any]]) -> None:
    try:
        try:
            done = {"status": AsyncTask.Status.COMPLETED, "result": work()}
        except MemoriaError as error:
            done = _failed(str(error))
        except Exception:  # nobody waits in this thread: the log and the row are all there is
            log.exception("a background task failed", task=task_id)
            done = _failed("internal error; see the server log")
        AsyncTask.objects.filter(pk=task_id).update(**done, updated_at=timezone.now())
    finally:
        connections.close_all()


def _failed(message: str) -> dict[str, Any]:
    return {"status": AsyncTask.Status.FAILED, "error": {"code": "GENERATION_ERROR", "message": message}}


def task_get(*, task_id: str, user_id: str, is_master: bool, now: datetime) -> TaskRecord:
    """A task as it stands. Raises NotFound, and Forbidden for somebody else's."""
    row = AsyncTask.objects.filter(pk=task_id).first()
    if row is None:
        raise NotFound(f"Task {task_id} not found")
    if row.user_id != user_id and not is_master:
        raise Forbidden("Not your task")
    if row.status == AsyncTask.Status.PROCESSING and row.created_at < now - ABANDONED_AFTER:
        row.status = AsyncTask.Status.FAILED
        row.error = {"code": "GENERATION_ERROR", "message": "interrupted; ask again"}
    return TaskRecord(row.task_id, row.status, row.result, row.error, row.created_at, row.updated_at)
