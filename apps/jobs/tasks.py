"""Base of tasks that work in one user's database, and the task that starts what is due."""

from typing import Any

from celery import Task, current_app, shared_task
from django.conf import settings
from django.utils import timezone

from apps.jobs.schedules import schedules_start_due
from apps.tenancy.admission import active_route
from apps.tenancy.scope import user_database


class UserTask(Task):  # type: ignore[type-arg]
    """Gets a user id, never an alias or a row, and runs in that user's database. The Celery door to user data."""

    abstract = True

    def __call__(self, *, user_id: str, **kwargs: Any) -> Any:
        with user_database(active_route(user_id=user_id)):
            return super().__call__(user_id=user_id, **kwargs)


@shared_task(name="jobs.start_due")
def start_due(**_: Any) -> None:
    def start(name: str, seconds: float) -> None:
        current_app.send_task(name, expires=seconds * 0.9)

    schedules_start_due(schedules=settings.MEMORIA_SCHEDULES, now=timezone.now(), start=start)
