"""A phase over all users by Celery's workers instead of processes of the command's own.

A row of `Work` is one user's part. The worker at it says every few seconds that it lives, and how far it is; the
command gives the part of a worker that says nothing to another. Messages may be lost or come twice: only rows count.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.db import DatabaseError, connection
from django.utils import timezone

from apps.legacy.models import Migration, Work
from apps.legacy.services.copying import Copied
from apps.legacy.services.ledger import LEASE, Lease, LeaseLost
from apps.legacy.services.running import Job, failed_note, is_failed
from apps.legacy.services.verifying import Verified
from apps.legacy.source import parts
from config.celery import app

COPY, VERIFY, VERIFY_CHANGED = "copy", "verify", "verify-changed"
POLL_SECONDS = 0.5
BEAT_SECONDS = 3.0
DEAD_SECONDS = 30.0
ATTEMPTS = 3
GIVE_UP_SECONDS = 600.0
MESSAGES_EXPIRE_SECONDS = 3_600

_NO_WORKER = "No worker is at any user. Start one that has MEMORIA_LEGACY_URL in its environment: make worker"

Say = Callable[[str], None]


def copy_all(*, job: Job, user_ids: list[str], tick: Callable[[int], None], say: Say) -> Iterator[Copied]:
    """Copy these users. `say` is told what an operator should know while it goes on."""
    for result in _Hands(COPY, job, tick, say).results(user_ids):
        assert isinstance(result, Copied)
        yield result


def verify_all(
    *, job: Job, user_ids: list[str], again: bool, tick: Callable[[int], None], say: Say
) -> Iterator[Verified]:
    """Compare these users with the source."""
    for result in _Hands(VERIFY if again else VERIFY_CHANGED, job, tick, say).results(user_ids):
        assert isinstance(result, Verified)
        yield result


def failure(phase: str, user_id: str, reason: str) -> Copied | Verified:
    """The result of a part that could not be done."""
    return Copied(user_id, error=reason) if phase == COPY else Verified(user_id, mismatches=[reason])


class _Hands:
    """The command's side: gives out parts, watches who is at them, and takes results."""

    def __init__(self, phase: str, job: Job, tick: Callable[[int], None], say: Say) -> None:
        self._phase, self._job, self._tick, self._say = phase, job, tick, say
        self._run = os.urandom(16).hex()
        self._parts = Work.objects.filter(run=self._run)
        self._seen: dict[int, tuple[Any, float]] = {}
        """What each part at work said last, and when that was new."""
        self._rows_done = self._rows_shown = 0

    def results(self, user_ids: list[str]) -> Iterator[Copied | Verified]:
        try:
            self._give(user_ids)
            heard = said = time.monotonic()
            while self._parts.exists():
                results = self._finished()
                at_work = list(self._parts.filter(outcome__isnull=True).exclude(worker=""))
                now = time.monotonic()
                self._show(at_work)
                self._replace_dead(at_work, now)
                if results or at_work:
                    heard = said = now
                elif now - heard > GIVE_UP_SECONDS:
                    self._give_up()
                elif now - said > DEAD_SECONDS:
                    said = now
                    self._say(_NO_WORKER)
                    self._send(self._unbegun())  # what a worker held when it died comes to nobody else
                for result in results:
                    if self._job.is_fail_fast and is_failed(result):
                        self._unbegun().delete()
                    yield result
                if not results:
                    time.sleep(POLL_SECONDS)
        finally:
            self._parts.delete()

    def _give(self, user_ids: list[str]) -> None:
        job = self._job
        vectors = asdict(job.vectors) if job.vectors else None
        for part in parts(user_ids):
            Work.objects.bulk_create(
                Work(
                    run=self._run,
                    migration_id=job.lease.migration_id,
                    user_id=user_id,
                    phase=self._phase,
                    options={
                        "vectors": vectors,
                        "digest": job.digests.get(user_id, ""),
                        "overwrite": job.overwrite,
                    },
                    lease=job.lease.number,
                )
                for user_id in part
            )
        self._send(self._unbegun())

    def _unbegun(self) -> Any:
        return self._parts.filter(worker="", outcome__isnull=True).order_by("pk")

    def _send(self, rows: Any) -> None:
        for pk, attempt in rows.values_list("pk", "attempt"):
            app.send_task(
                "legacy.work",
                kwargs={"work_id": pk, "attempt": attempt},
                expires=MESSAGES_EXPIRE_SECONDS,
            )

    def _finished(self) -> list[Copied | Verified]:
        rows = list(self._parts.filter(outcome__isnull=False))
        self._parts.filter(pk__in=[row.pk for row in rows]).delete()
        self._rows_done += sum(row.rows for row in rows)
        kind = Copied if self._phase == COPY else Verified
        return [kind(**row.outcome) for row in rows]  # type: ignore[arg-type]

    def _show(self, at_work: list[Work]) -> None:
        rows = self._rows_done + sum(row.rows for row in at_work)
        self._tick(max(0, rows - self._rows_shown))
        self._rows_shown = max(rows, self._rows_shown)

    def _replace_dead(self, at_work: list[Work], now: float) -> None:
        """By our own clock: a worker's may be another."""
        for row in at_work:
            sign = (row.attempt, row.beat_at)
            if self._seen.get(row.pk, (None, now))[0] != sign:
                self._seen[row.pk] = (sign, now)
            elif now - self._seen[row.pk][1] > DEAD_SECONDS:
                self._replace(row)

    def _replace(self, row: Work) -> None:
        same = self._parts.filter(pk=row.pk, attempt=row.attempt, worker=row.worker, outcome__isnull=True)
        if row.attempt + 1 < ATTEMPTS:
            self._say(
                f"worker {row.worker} was at user {row.user_id!r} and gave no sign of life:"
                " the user is given to another"
            )
            if same.update(attempt=row.attempt + 1, worker="", beat_at=None, rows=0):
                self._send(self._parts.filter(pk=row.pk))
        else:
            self._fail(
                same,
                f"worker {row.worker} was at user {row.user_id!r} and gave no sign of life, as others before it:"
                " see the workers' logs, and repeat the command",
            )

    def _give_up(self) -> None:
        minutes = GIVE_UP_SECONDS / 60
        self._fail(
            self._unbegun(),
            f"no worker took this user up in {minutes:g} minutes: start workers that have MEMORIA_LEGACY_URL in their"
            " environment, and repeat the command",
        )

    def _fail(self, rows: Any, reason: str) -> None:
        for row in rows:
            outcome = asdict(failure(self._phase, row.user_id, reason))
            same = self._parts.filter(pk=row.pk, worker=row.worker, outcome__isnull=True)
            if same.update(outcome=outcome) and self._phase == COPY:
                failed_note(self._job, row.user_id, reason)


class Part:
    """The worker's side: one part that nobody else is at."""

    def __init__(self, row: Work, worker: str) -> None:
        self.row = row
        self.lease = Lease(row.migration_id, row.lease, row.attempt)
        self._own = Work.objects.filter(pk=row.pk, worker=worker, attempt=row.attempt, outcome__isnull=True)
        self._rows = 0
        self._is_lost = False
        self._renewed: tuple[Any, float] = (None, 0.0)
        """When the command's lease runs out, and when we saw that change last: clocks differ between machines."""

    def count(self, rows: int) -> None:
        """Called for every batch. Raises LeaseLost where the part is another's by now, or the command has gone."""
        self._rows += rows
        if self._is_lost:
            raise LeaseLost

    def end(self, result: Copied | Verified) -> None:
        self._own.update(outcome=asdict(result), rows=self._rows)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Say every few seconds that somebody is at it."""
        stop = threading.Event()
        beat = threading.Thread(target=self._beat, args=(stop,), daemon=True)
        beat.start()
        try:
            yield
        finally:
            stop.set()
            beat.join()

    def say_alive(self) -> bool:
        """Whether the part is still ours, and its command at work; says so in the row."""
        held = Migration.objects.filter(pk=self.lease.migration_id, lease_number=self.lease.number)
        until = held.values_list("lease_until", flat=True).first()
        if until != self._renewed[0]:
            self._renewed = (until, time.monotonic())
        if until is None or time.monotonic() - self._renewed[1] > 1.5 * LEASE.total_seconds():
            return False
        return bool(self._own.update(beat_at=timezone.now(), rows=self._rows))

    def _beat(self, stop: threading.Event) -> None:
        while not stop.wait(BEAT_SECONDS):
            try:
                if not self.say_alive():
                    self._is_lost = True
                    break
            except DatabaseError:  # the next beat tries again
                continue
        connection.close()


def part_begin(work_id: int, attempt: int) -> Part | None:
    """Take a part. None where it is somebody's already, or the command has gone."""
    worker = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"[-64:]
    free = Work.objects.filter(pk=work_id, attempt=attempt, worker="", outcome__isnull=True)
    if not free.update(worker=worker, beat_at=timezone.now()):
        return None
    row = Work.objects.select_related("migration").filter(pk=work_id, worker=worker).first()
    return Part(row, worker) if row is not None and row.migration.lease_number == row.lease else None
