"""A phase over all users, the largest first, a failing one never in the others' way."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from apps.legacy.models import Phase
from apps.legacy.services import progress
from apps.legacy.services.copying import Copied, Vectors, user_copy
from apps.legacy.services.ledger import Lease, LeaseLost, drop_lost_connection
from apps.legacy.services.side_by_side import Places, results_of
from apps.legacy.services.verifying import Verified, user_is_unchanged, user_verify
from apps.legacy.source import open_source
from memoria.errors import MemoriaError, Retryable

ATTEMPTS = 5

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Job:
    """What every user's work needs to know; goes to other processes, so it holds no connection."""

    url: str
    lease: Lease
    tables: dict[str, list[str]]
    vectors: Vectors | None
    digests: dict[str, str]
    """Of each user's old rows, made before the work began."""
    overwrite: bool = False
    """Whether what users wrote here since the last verification may be given up."""
    is_fail_fast: bool = False
    """Whether nobody else is begun once a user has failed."""


def user_copied(job: Job, user_id: str, tick: Callable[[int], None]) -> Copied:
    """Copy one user; a lost connection costs what was not yet written, which the next attempt brings.

    Raises LeaseLost where another process has taken over: what is written down then is that one's.
    """

    def copy() -> Copied:
        with closing(open_source(job.url)) as source:
            return user_copy(
                source=source,
                tables=job.tables,
                lease=job.lease,
                user_id=user_id,
                vectors=job.vectors,
                digest=job.digests.get(user_id, ""),
                overwrite=job.overwrite,
                tick=tick,
            )

    try:
        return _tried(copy)
    except LeaseLost:
        raise
    except Exception as error:  # whatever is wrong with one user must not keep the others waiting
        reason = _reason(error)
        failed_note(job, user_id, reason)
        return Copied(user_id, error=reason)


def failed_note(job: Job, user_id: str, reason: str) -> None:
    """Write down in the ledger why copying the user failed."""
    drop_lost_connection()
    job.lease.users().filter(pk=user_id).update(last_error=reason, updated_at=timezone.now())


def user_verified(job: Job, user_id: str, tick: Callable[[int], None], *, again: bool) -> Verified:
    """Compare one user with the source, and note in the ledger how that went. Unless `again`, who was found equal and
    has not changed on either side since is not read. Raises LeaseLost.
    """
    try:
        return _tried(lambda: _verified(job, user_id, tick, again=again))
    except LeaseLost:
        raise
    except Exception as error:  # counted as a mismatch: nothing is proven
        result = Verified(user_id, mismatches=[_reason(error)])
        if not _may_pass(error):
            drop_lost_connection()
            _verification_note(job, result)
        return result


def _verified(job: Job, user_id: str, tick: Callable[[int], None], *, again: bool) -> Verified:
    digest = job.digests.get(user_id, "")
    if not again and user_is_unchanged(user_id=user_id, source_digest=digest):
        return Verified(user_id, is_unchanged=True)
    with closing(open_source(job.url)) as source:
        result = user_verify(
            source=source, tables=job.tables, user_id=user_id, vectors=job.vectors, tick=tick
        )
    _verification_note(job, result)
    return result


def _verification_note(job: Job, result: Verified) -> None:
    digest = job.digests.get(result.user_id, "")
    row = job.lease.users().filter(pk=result.user_id)
    if result.mismatches and row.exclude(source_digest__in=(digest, "")).exists():
        result.mismatches = [
            f"{mismatch} (the old rows have changed since they were copied: copy again)"
            for mismatch in result.mismatches
        ]
    row = row.filter(phase__in=(Phase.COPIED, Phase.VERIFIED))
    now = timezone.now()
    if (
        result.mismatches
    ):  # the next copy must not take this user for unchanged, nor forget that they wrote here
        row.update(phase=Phase.COPIED, source_digest="", target_digest="", updated_at=now)
    else:
        row.update(
            phase=Phase.VERIFIED,
            target_digest=result.target_digest,
            content_digest=result.content_digest,
            sealed=result.sealed,
            updated_at=now,
        )


def _tried(work: Callable[[], Result]) -> Result:
    """What some work on a user finds, begun again where something was lost or busy on the way."""
    for attempt in range(ATTEMPTS):
        drop_lost_connection()
        try:
            return work()
        except Exception as error:
            if not _may_pass(error) or attempt == ATTEMPTS - 1:
                raise
        time.sleep(0.5 * 2**attempt)
    raise AssertionError


def copy_all(
    *, job: Job, user_ids: list[str], places: Places, tick: Callable[[int], None]
) -> Iterator[Copied]:
    """Copy these users, in order. Failures are in the results and in the ledger. `tick` is told the rows read
    meanwhile, several times a second, and may raise."""
    yield from results_of(
        partial(_copy_here, job),
        user_ids,
        places=places,
        tick=tick,
        died=partial(_not_copied, job),
        last=_last(job),
    )


def verify_all(
    *, job: Job, user_ids: list[str], places: Places, again: bool, tick: Callable[[int], None]
) -> Iterator[Verified]:
    """Compare these users with the source; the ledger says who passed."""
    yield from results_of(
        partial(_verify_here, job, again),
        user_ids,
        places=places,
        tick=tick,
        died=_not_verified,
        last=_last(job),
    )


_DIED = (
    "a process at work on users died, perhaps for want of memory: repeat the command with less --concurrency"
)


def _not_copied(job: Job, user_id: str) -> Copied:
    failed_note(job, user_id, _DIED)
    return Copied(user_id, error=_DIED)


def _not_verified(user_id: str) -> Verified:
    return Verified(user_id, mismatches=[_DIED])


def _copy_here(job: Job, user_id: str) -> Copied:
    return user_copied(job, user_id, progress.count)


def _verify_here(job: Job, again: bool, user_id: str) -> Verified:
    return user_verified(job, user_id, progress.count, again=again)


def _last(job: Job) -> Callable[[Copied | Verified], bool]:
    """After which result nobody else is begun."""
    return lambda result: job.is_fail_fast and is_failed(result)


def is_failed(result: Copied | Verified) -> bool:
    return bool(result.error if isinstance(result, Copied) else result.mismatches)


def _may_pass(error: Exception) -> bool:
    """Whether it may be over soon: something is busy, or a connection was lost. Reading the source raises the
    driver's own errors: 2006 and 2013 say that the server went away.
    """
    return isinstance(error, OperationalError | InterfaceError | Retryable) or (
        bool(error.args) and error.args[0] in (2006, 2013) and type(error).__module__.startswith("MySQLdb")
    )


def _reason(error: Exception) -> str:
    if isinstance(error, MemoriaError):
        return str(error)[:6_000]  # names the rows that are in the way
    return f"{type(error).__name__}: {error}"[:300]
