"""The part of a migration that workers do where `--via celery` asks them to."""

from celery import shared_task
from django.conf import settings

from apps.legacy.models import Work
from apps.legacy.services.by_workers import COPY, VERIFY, VERIFY_CHANGED, Part, failure, part_begin
from apps.legacy.services.copying import Copied, Vectors
from apps.legacy.services.identity import ledger_name
from apps.legacy.services.ledger import Lease, LeaseLost
from apps.legacy.services.running import Job, user_copied, user_verified
from apps.legacy.services.verifying import Verified
from apps.legacy.source import open_source
from memoria.errors import Invalid


@shared_task(name="legacy.work")
def work(*, work_id: int, attempt: int, **_: object) -> None:
    """Do one part. Delivered twice, it is done once."""
    part = part_begin(work_id, attempt)
    if part is None:
        return
    with part.beating():
        try:
            result = _result(part)
        except LeaseLost:  # whoever has the part now writes down how it ends
            return
    part.end(result)


def _result(part: Part) -> Copied | Verified:
    row = part.row
    try:
        job = _job(row, part.lease)
    except Exception as error:
        return failure(row.phase, row.user_id, f"the worker cannot begin: {error}")
    if row.phase == COPY:
        return user_copied(job, row.user_id, part.count)
    assert row.phase in (VERIFY, VERIFY_CHANGED)
    return user_verified(job, row.user_id, part.count, again=row.phase == VERIFY)


def _job(row: Work, lease: Lease) -> Job:
    """The old database's URL holds a password, so it comes from the worker's own environment, never by message."""
    if not settings.MEMORIA_LEGACY_URL:
        raise Invalid("MEMORIA_LEGACY_URL is not set where the worker runs")
    source = open_source(settings.MEMORIA_LEGACY_URL)
    try:
        if ledger_name(source) != row.migration.source:
            raise Invalid("MEMORIA_LEGACY_URL of the worker names another database")
        tables = source.tables()
    finally:
        source.close()
    vectors = Vectors(**row.options["vectors"]) if row.options["vectors"] else None
    digests = {row.user_id: row.options["digest"]}
    return Job(settings.MEMORIA_LEGACY_URL, lease, tables, vectors, digests, row.options["overwrite"])
