"""Work a caller does not wait for, in threads of the process that was asked, so that it needs no worker.

The process says every few seconds that its tasks go on, waiting ones included; what it has stopped saying so of,
because it was killed, is failed: the caller asks again.
"""

import os
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import DatabaseError, connections
from django.db.models import QuerySet
from django.utils import timezone

from apps.jobs.models import AsyncTask
from memoria.errors import Forbidden, MemoriaError, NotFound

log = structlog.get_logger(__name__)

THREADS = 4
BEAT_SECONDS = 5.0
# Long enough for a busy machine to miss some beats.
ABANDONED_AFTER = timedelta(seconds=60)
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
    _heart.add(task.task_id)
    _threads.submit(_run, task.task_id, work)
    return task.task_id


class _Heart:
    """Keeps this process's unfinished tasks alive in the table."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: set[str] = set()
        self._thread: threading.Thread | None = None

    def add(self, task_id: str) -> None:
        with self._lock:
            self._tasks.add(task_id)
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, name="background-heart", daemon=True)
                self._thread.start()

    def drop(self, task_id: str) -> None:
        with self._lock:
            self._tasks.discard(task_id)

    def _beat(self) -> None:
        pause = threading.Event()
        while not pause.wait(BEAT_SECONDS):
            with self._lock:
                mine = list(self._tasks)
            try:
                if mine:
                    _processing(mine).update(updated_at=timezone.now())
            except DatabaseError as error:  # the next beat may get through
                log.warning("background tasks could not be kept alive", error=type(error).__name__)
            finally:
                connections.close_all()


_heart = _Heart()


def _after_fork() -> None:
    """Neither the threads nor their tasks come along into a child process."""
    global _heart, _threads
    _heart = _Heart()
    _threads = ThreadPoolExecutor(THREADS, thread_name_prefix="background")


os.register_at_fork(after_in_child=_after_fork)


def _processing(task_ids: list[str]) -> "QuerySet[AsyncTask]":
    return AsyncTask.objects.filter(pk__in=task_ids, status=AsyncTask.Status.PROCESSING)


def _run(task_id: str, work: Callable[[], dict[str, Any]]) -> None:
    try:
        _work_off(task_id, work)
    finally:
        _heart.drop(task_id)
        connections.close_all()


def _work_off(task_id: str, work: Callable[[], dict[str, Any]]) -> None:
    """Do a task and record how it ended."""
    try:
        done = {"status": AsyncTask.Status.COMPLETED, "result": work()}
    except MemoriaError as error:
        done = _failed(str(error))
    except Exception:  # nobody waits in this thread: the log and the row are all there is
        log.exception("a background task failed", task=task_id)
        done = _failed("internal error; see the server log")
    # One that has been given up meanwhile stays failed: somebody may have been told.
    _processing([task_id]).update(**done, updated_at=timezone.now())


def _failed(message: str) -> dict[str, Any]:
    return {"status": AsyncTask.Status.FAILED, "error": {"code": "GENERATION_ERROR", "message": message}}


def task_get(*, task_id: str, user_id: str, is_master: bool, now: datetime) -> TaskRecord:
    """A task as it stands. Raises NotFound, and Forbidden for somebody else's."""
    row = AsyncTask.objects.filter(pk=task_id).first()
    if row is None:
        raise NotFound(f"Task {task_id} not found")
    if row.user_id != user_id and not is_master:
        raise Forbidden("Not your task")
    if row.status == AsyncTask.Status.PROCESSING and row.updated_at < now - ABANDONED_AFTER:
        interrupted = _failed("interrupted; ask again")
        _processing([task_id]).filter(updated_at=row.updated_at).update(**interrupted, updated_at=now)
        row.refresh_from_db()
    return TaskRecord(row.task_id, row.status, row.result, row.error, row.created_at, row.updated_at)
