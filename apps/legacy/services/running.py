"""A phase over all users: several at once, the largest first, a failing one never in the others' way."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from django.db import connection
from django.utils import timezone

from apps.legacy.models import MigratedUser, Migration, Phase
from apps.legacy.services.copying import Copied, user_copy
from apps.legacy.services.planning import Plan
from apps.legacy.services.verifying import Verified, user_verify
from apps.legacy.source import open_source
from memoria.errors import MemoriaError


def copy_all(
    *, url: str, plan: Plan, migration: Migration, concurrency: int, tick: Callable[[int], None]
) -> Iterator[Copied]:
    """Copy every user of the plan. Failures are in the results and in the ledger."""

    def work(user_id: str) -> Copied:
        source = open_source(url)
        try:
            return user_copy(
                source=source,
                tables=plan.tables,
                migration_id=migration.pk,
                user_id=user_id,
                vectors=plan.vectors,
                tick=tick,
            )
        except Exception as error:  # whatever is wrong with one user must not keep the others waiting
            reason = _reason(error)
            MigratedUser.objects.filter(pk=user_id).update(last_error=reason, updated_at=timezone.now())
            return Copied(user_id, error=reason)
        finally:
            source.close()

    yield from _each(work, plan.users, concurrency)


def verify_all(*, url: str, plan: Plan, migration: Migration, concurrency: int) -> Iterator[Verified]:
    """Compare every user of the plan with the source; the ledger says who passed."""

    def work(user_id: str) -> Verified:
        source = open_source(url)
        try:
            result = user_verify(source=source, tables=plan.tables, user_id=user_id, vectors=plan.vectors)
        except Exception as error:  # counted as a mismatch: nothing is proven
            result = Verified(user_id, mismatches=[_reason(error)])
        finally:
            source.close()
        rows = MigratedUser.objects.filter(pk=user_id, migration=migration)
        rows = rows.filter(phase__in=(Phase.COPIED, Phase.VERIFIED))
        rows.update(phase=Phase.COPIED if result.mismatches else Phase.VERIFIED, updated_at=timezone.now())
        return result

    yield from _each(work, plan.users, concurrency)


def _each(work: Callable[[str], Any], user_ids: Iterable[str], concurrency: int) -> Iterator[Any]:
    if concurrency <= 1:
        for user_id in user_ids:
            yield work(user_id)
        return

    def closing(user_id: str) -> Any:
        try:
            return work(user_id)
        finally:
            connection.close()

    with ThreadPoolExecutor(concurrency) as pool:
        for future in as_completed([pool.submit(closing, user_id) for user_id in user_ids]):
            yield future.result()


def _reason(error: Exception) -> str:
    text = str(error) if isinstance(error, MemoriaError) else f"{type(error).__name__}: {error}"
    return text[:300]
