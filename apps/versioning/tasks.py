"""Background work over time: collecting garbage, one task per user."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from apps.jobs.tasks import UserTask
from apps.tenancy.selectors import active_user_ids
from apps.versioning.services.collect import collect


@shared_task(base=UserTask, name="versioning.collect")
def collect_user(**_: Any) -> None:
    collect(now=timezone.now())


@shared_task(name="versioning.collect_all")
def collect_all(**_: Any) -> None:
    for user_id in active_user_ids():
        collect_user.apply_async(kwargs={"user_id": user_id}, expires=3_600)
