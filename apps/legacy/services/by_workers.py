"""A phase over all users by Celery's workers instead of processes of the command's own."""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from apps.legacy.models import Work
from apps.legacy.services.copying import Copied
from apps.legacy.services.running import Job
from apps.legacy.services.verifying import Verified
from config.celery import app

COPY, VERIFY, VERIFY_CHANGED = "copy", "verify", "verify-changed"
POLL_SECONDS = 0.5
PATIENCE_SECONDS = 30


def copy_all(
    *, job: Job, user_ids: list[str], tick: Callable[[int], None], idle: Callable[[], None]
) -> Iterator[Copied]:
    """Copy these users. `idle` is called once when no worker has answered for half a minute."""
    for outcome in _each(COPY, job, user_ids, idle):
        result = Copied(**outcome)
        tick(result.read)
        yield result


def verify_all(*, job: Job, user_ids: list[str], again: bool, idle: Callable[[], None]) -> Iterator[Verified]:
    """Compare these users with the source."""
    for outcome in _each(VERIFY if again else VERIFY_CHANGED, job, user_ids, idle):
        yield Verified(**outcome)


def _each(phase: str, job: Job, user_ids: list[str], idle: Callable[[], None]) -> Iterator[dict[str, Any]]:
    run = uuid.uuid4().hex
    for user_id in user_ids:
        options = {
            "vectors": asdict(job.vectors) if job.vectors else None,
            "digest": job.digests.get(user_id, ""),
            "overwrite": job.overwrite,
        }
        row = Work.objects.create(
            run=run, migration_id=job.migration_id, user_id=user_id, phase=phase, options=options
        )
        app.send_task("legacy.work", kwargs={"work_id": row.pk})
    try:
        yield from _outcomes(run, len(user_ids), idle)
    finally:
        Work.objects.filter(run=run).delete()


def _outcomes(run: str, count: int, idle: Callable[[], None]) -> Iterator[dict[str, Any]]:
    done: set[int] = set()
    patient_until = time.monotonic() + PATIENCE_SECONDS
    while len(done) < count:
        for row in Work.objects.filter(run=run, outcome__isnull=False).exclude(pk__in=done):
            done.add(row.pk)
            yield dict(row.outcome or {})
        if not done and time.monotonic() > patient_until:
            patient_until = float("inf")
            idle()
        time.sleep(POLL_SECONDS)
