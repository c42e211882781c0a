"""Background work of governance: counting, per user, what could be tidied up."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from apps.governance.hygiene import hygiene_count, users_to_count
from apps.jobs.tasks import UserTask


@shared_task(base=UserTask, name="governance.count_hygiene")
def count_hygiene(*, user_id: str, **_: Any) -> None:
    hygiene_count(user_id=user_id, now=timezone.now())


@shared_task(name="governance.count_hygiene_all")
def count_hygiene_all(**_: Any) -> None:
    for user_id in users_to_count(now=timezone.now()):
        count_hygiene.apply_async(kwargs={"user_id": user_id}, expires=3_600)
