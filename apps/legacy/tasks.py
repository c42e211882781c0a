"""The part of a migration that workers do where `--via celery` asks them to."""

from celery import shared_task
from django.conf import settings

from apps.legacy.models import Work
from apps.legacy.services.by_workers import COPY, VERIFY, VERIFY_CHANGED
from apps.legacy.services.copying import Copied, Vectors
from apps.legacy.services.identity import ledger_name
from apps.legacy.services.running import Job, outcome, user_copied, user_verified
from apps.legacy.services.verifying import Verified
from apps.legacy.source import open_source
from memoria.errors import Invalid


@shared_task(name="legacy.work")
def work(*, work_id: int) -> None:
    """Do one row of work. Delivered twice, it is done once more, which changes nothing."""
    row = Work.objects.select_related("migration").filter(pk=work_id, outcome__isnull=True).first()
    if row is None:  # the command has gone
        return
    try:
        job = _job(row)
    except Exception as error:
        reason = f"the worker cannot begin: {error}"
        result: Copied | Verified = (
            Copied(row.user_id, error=reason)
            if row.phase == COPY
            else Verified(row.user_id, mismatches=[reason])
        )
    else:
        if row.phase == COPY:
            result = user_copied(job, row.user_id, lambda rows: None)
        else:
            assert row.phase in (VERIFY, VERIFY_CHANGED)
            result = user_verified(job, row.user_id, again=row.phase == VERIFY)
    Work.objects.filter(pk=work_id).update(outcome=outcome(result))


def _job(row: Work) -> Job:
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
    return Job(
        settings.MEMORIA_LEGACY_URL, row.migration_id, tables, vectors, digests, row.options["overwrite"]
    )
